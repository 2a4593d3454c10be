"""The judge: (state, fact, config, now) → (state, actions, events). Pure: no clock, no file, no socket.

``RULES`` says which rule listens to which fact. Afterwards every app that was touched, or whose time has come,
is settled (condition, alerts, recovery), and the guard has the last word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ..config import Config
from ..vocabulary import facts
from ..vocabulary.actions import Action
from ..vocabulary.deployments import owner
from ..vocabulary.events import ActionEnded, Event
from ..vocabulary.state import AppState, Recovery, State
from . import (
    admission,
    containers,
    data,
    deployment,
    disks,
    drill,
    drill_plan,
    drilled,
    engine,
    exhibits,
    gating,
    host,
    incidents,
    inference,
    inputs,
    isolation,
    lifecycle,
    logs,
    own_config,
    probes,
    readout,
    recovery,
    refusals,
    reload,
    resources,
    smoke_probe,
)
from .answered import ANSWERS_KEPT, close_commands
from .app import see, settle
from .commands import received
from .guard import refusal
from .outcome import Judgement, View, earliest
from .resumed import orphans
from .runbooks import course

__all__ = ["ANSWERS_KEPT", "RULES", "Turn", "judge", "next_wake"]

Rule = Callable[[State, Any, Config, float], Judgement]


def nothing(state: State, fact: facts.Tick, config: Config, now: float) -> Judgement:
    return Judgement(state)


def engine_seen(state: State, fact: facts.EngineSeen, config: Config, now: float) -> Judgement:
    return engine.seen(state, fact, config, now)


def listed(state: State, fact: facts.ContainersListed, config: Config, now: float) -> Judgement:
    mended = probes.mend_host(state, "containers")
    judged = containers.listed(mended.state, fact, config, now)
    return replace(judged, events=(*mended.events, *judged.events))


def check_failed(state: State, fact: facts.CheckFailed, config: Config, now: float) -> Judgement:
    if fact.check == "disk":
        return disks.failed(state, fact, config)
    return probes.check_failed(state, fact, config, now)


def action_finished(state: State, fact: facts.ActionFinished, config: Config, now: float) -> Judgement:
    """Every outcome is told; the app's own machine or the engine's draws the conclusions."""
    if readout.concerns(fact):
        return readout.finished(state, fact)
    name = owner(fact.subject)
    ended = ActionEnded(
        subject=name,
        action_id=fact.action_id,
        action=fact.action,
        ok=fact.ok,
        seconds=fact.seconds,
        error=fact.error,
        result=fact.result,
    )
    if own_config.concerns(state, fact):
        judged = own_config.finished(state, fact, now)
        return replace(judged, events=(ended, *judged.events))
    state = course.finished(engine.restart_finished(state, fact, config, now).state, fact)
    app = state.apps.get(name)
    if app is None:
        return Judgement(state, events=(ended,))
    view = View(state, config, now)
    if isolation.concerns(app, fact):
        cut = isolation.finished(app, fact, view)
        told = (ended, *cut.events) if isolation.worth_telling(ended) else cut.events
        return Judgement(replace(state, apps={**state.apps, app.name: cut.app}), cut.actions, told, (app.name,))
    if drilled.concerns(app, fact):
        done = drill.finished(app, fact, view)
        new = replace(state, apps={**state.apps, app.name: done.app})
        return Judgement(new, done.actions, (ended, *done.events), (app.name,))
    if (cared := data.finished(app, fact, view)) is not None:
        new = replace(state, apps={**state.apps, app.name: cared.app})
        return Judgement(new, cared.actions, (ended, *cared.events), (app.name,))
    recovered = recovery.finished(app, fact, view)
    deployed = deployment.finished(recovered.app, fact, view)
    new = replace(state, apps={**state.apps, app.name: deployed.app})
    events = (ended, *recovered.events, *deployed.events)
    return Judgement(new, (*recovered.actions, *deployed.actions), events, (app.name,))


def traffic_sampled(state: State, fact: facts.TrafficSampled, config: Config, now: float) -> Judgement:
    app = state.apps.get(fact.app)
    if app is None:
        return Judgement(state)
    view = View(state, config, now)
    app, told = inference.sampled(app, fact, view)
    judged = gating.traffic(app, fact, view)
    return replace(judged, events=(*judged.events, *told))


RULES: dict[type[facts.Fact], Rule] = {
    facts.Started: lifecycle.started,
    facts.StopRequested: lifecycle.stopping,
    facts.Tick: nothing,
    facts.EngineSeen: engine_seen,
    facts.ContainersListed: listed,
    facts.ContainerInspected: containers.inspected,
    facts.ContainerChanged: containers.changed,
    facts.ResourcesSampled: resources.sampled,
    facts.HostSampled: host.sampled,
    facts.DiskSampled: disks.sampled,
    facts.ProbeFinished: probes.probe_finished,
    facts.TrafficSampled: traffic_sampled,
    facts.SmokeProbed: smoke_probe.probed,
    facts.ReferenceSeen: inputs.referred,
    facts.RowsCounted: inputs.counted,
    facts.LogsCounted: logs.counted,
    facts.CheckFailed: check_failed,
    facts.ActionFinished: action_finished,
    facts.CommandReceived: received,
    facts.OrderReceived: admission.ordered,
    facts.OrdersRefused: admission.refused,
    facts.ConfigLoaded: lifecycle.config_loaded,
    facts.ConfigRejected: lifecycle.config_rejected,
    facts.BrokerSeen: lifecycle.broker_seen,
    facts.SpoolDropped: lifecycle.spool_dropped,
    facts.StorageSeen: lifecycle.storage_seen,
}


def judge(state: State, fact: facts.Fact, config: Config, now: float) -> Judgement:
    """Takes one fact in and draws all conclusions from it."""
    first = RULES[type(fact)](state, fact, config, now)
    turn = Turn(first.state, config, now)
    turn.actions.extend(first.actions)
    turn.events.extend(first.events)
    turn.settle((*first.touched, *_due(first.state, now, first.touched)), before=state)
    left = reload.dismiss(turn.state, config, now)
    turn.state = left.state
    turn.actions.extend(left.actions)
    turn.events.extend(left.events)
    turn.settle(left.touched, before=state)
    turn.runbooks()
    looked = engine.look(turn.state, config, now)
    tried = own_config.look(looked.state, now)
    planned = drill_plan.look(tried.state, config, now)
    turn.state, counted = refusals.flush(planned.state, now)
    turn.actions.extend((*looked.actions, *tried.actions, *planned.actions))
    turn.events.extend((*looked.events, *tried.events, *planned.events, *counted))
    turn.guard()
    closed = close_commands(turn.state, turn.events, now)
    lost = orphans(closed)
    told = (*turn.events, *lost)
    entered = incidents.fold(close_commands(closed, lost, now), told, config, now)
    actions = exhibits.labelled(turn.actions, entered.state)
    return Judgement(entered.state, actions, (*told, *entered.events))


def _due(state: State, now: float, touched: tuple[str, ...]) -> list[str]:
    return [n for n, a in state.apps.items() if a.wake_at is not None and a.wake_at <= now and n not in touched]


class Turn:
    """What one fact has led to so far."""

    def __init__(self, state: State, config: Config, now: float) -> None:
        self.state, self._config, self._now = state, config, now
        self.actions: list[Action] = []
        self.events: list[Event] = []

    def settle(self, names: tuple[str, ...], *, before: State) -> None:
        """First all are seen, then each is settled; what changes may be what others wait for."""
        moved = [self._see(name) or _recovery(self.state, name) is not _recovery(before, name) for name in names]
        pending = list(names)
        if any(moved):
            pending.extend(name for name in self._waiting() if name not in pending)
        # Each round is caused by a recovery that moved on; the bound is for a mistake in a rule.
        for _ in range(8 * (len(self.state.apps) + len(pending))):
            if not pending:
                return
            name = pending.pop(0)
            if self._settle(name):
                pending.extend(n for n in (name, *self._waiting()) if n not in pending)

    def _see(self, name: str) -> bool:
        """Whether its condition is another one now."""
        app = self.state.apps.get(name)
        if app is None:
            return False
        new, told = see(app, View(self.state, self._config, self._now))
        self._put(app, new)
        if told is not None:
            self.events.append(told)
        return told is not None

    def _settle(self, name: str) -> bool:
        """Whether its recovery took another turn."""
        self._see(name)
        app = self.state.apps.get(name)
        if app is None:
            return False
        outcome = settle(app, View(self.state, self._config, self._now))
        self._put(app, outcome.app)
        self.actions.extend(outcome.actions)
        self.events.extend(outcome.events)
        return outcome.app.kept.recovery is not app.kept.recovery

    def _put(self, old: AppState, new: AppState) -> None:
        if new is not old:
            self.state = replace(self.state, apps={**self.state.apps, new.name: new})

    def _waiting(self) -> list[str]:
        """Apps whose recovery may be waiting for another one."""
        return [n for n, a in self.state.apps.items() if a.kept.recovery.ailment and a.kept.recovery.phase == "idle"]

    def runbooks(self) -> None:
        """What alerts lead to. What a step asks of an app begins in the same turn."""
        seen = 0
        for _ in range(8 + len(self.state.runs)):
            judged = course.fold(self.state, self.events[seen:], self._config, self._now)
            self.state = judged.state
            self.actions.extend(judged.actions)
            self.events = course.in_place(self.events, judged.events)
            seen = len(self.events)
            if not judged.touched:
                return
            self.settle(judged.touched, before=self.state)

    def guard(self) -> None:
        """Lets the guard refuse; a refused action counts as one that failed at once, which may lead to another."""
        asked, self.actions = self.actions, []
        while asked:
            action = asked.pop(0)
            why = refusal(action, self.state, frozenset(a.subject for a in self.actions), self._now)
            if not why:
                self.actions.append(action)
                continue
            fact = facts.ActionFinished(
                at=self._now,
                action_id=action.id,
                action=type(action).__name__,
                subject=action.subject,
                ok=False,
                seconds=0.0,
                error=f"refused: {why}",
            )
            told = action_finished(self.state, fact, self._config, self._now)
            self.state = told.state
            self.events.extend(told.events)
            asked.extend(told.actions)


def _recovery(state: State, name: str) -> Recovery | None:
    app = state.apps.get(name)
    return app.kept.recovery if app is not None else None


def next_wake(state: State, config: Config) -> float | None:
    """When time alone will change something; ``None``: only a new fact will."""
    return earliest(
        engine.wake_at(state, config),
        own_config.wake_at(state),
        course.wake_at(state),
        refusals.wake_at(state),
        incidents.wake_at(state),
        *(a.wake_at for a in state.apps.values()),
    )
