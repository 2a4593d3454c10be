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
from ..vocabulary.events import ActionEnded, AppChanged, CommandAnswered, Event
from ..vocabulary.state import State
from . import containers, engine, host, lifecycle, probes, recovery, resources
from .app import settle
from .commands import received
from .guard import refusal
from .outcome import Judgement, View, earliest

Rule = Callable[[State, Any, Config, float], Judgement]


def nothing(state: State, fact: facts.Tick, config: Config, now: float) -> Judgement:
    return Judgement(state)


def engine_seen(state: State, fact: facts.EngineSeen, config: Config, now: float) -> Judgement:
    return engine.seen(state, fact, config, now)


def listed(state: State, fact: facts.ContainersListed, config: Config, now: float) -> Judgement:
    mended = probes.mend_host(state, "containers")
    judged = containers.listed(mended.state, fact, config, now)
    return replace(judged, events=(*mended.events, *judged.events))


def action_finished(state: State, fact: facts.ActionFinished, config: Config, now: float) -> Judgement:
    """Every outcome is told; the app's own machine or the engine's draws the conclusions."""
    ended = ActionEnded(
        subject=fact.subject,
        action_id=fact.action_id,
        action=fact.action,
        ok=fact.ok,
        seconds=fact.seconds,
        error=fact.error,
        result=fact.result,
    )
    judged = engine.restart_finished(state, fact, config, now)
    app = judged.state.apps.get(fact.subject)
    if app is None:
        return Judgement(judged.state, judged.actions, (ended, *judged.events))
    if fact.action == "PauseContainer" and not fact.ok:
        app = replace(app, kept=replace(app.kept, paused_by_edged=False))
    outcome = recovery.finished(app, fact, View(judged.state, config, now))
    new = replace(judged.state, apps={**judged.state.apps, app.name: outcome.app})
    return Judgement(new, outcome.actions, (ended, *judged.events, *outcome.events), (app.name,))


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
    facts.ProbeFinished: probes.probe_finished,
    facts.CheckFailed: probes.check_failed,
    facts.ActionFinished: action_finished,
    facts.CommandReceived: received,
    facts.ConfigLoaded: lifecycle.config_loaded,
    facts.ConfigRejected: lifecycle.config_rejected,
    facts.BrokerSeen: lifecycle.broker_seen,
    facts.SpoolDropped: lifecycle.spool_dropped,
    facts.StorageSeen: lifecycle.storage_seen,
}


def judge(state: State, fact: facts.Fact, config: Config, now: float) -> Judgement:
    """Takes one fact in and draws all conclusions from it."""
    first = RULES[type(fact)](state, fact, config, now)
    state, actions, events = first.state, list(first.actions), list(first.events)
    pending = _due_apps(state, now, first.touched)
    while pending:
        name = pending.pop(0)
        app = state.apps.get(name)
        if app is None:
            continue
        outcome = settle(app, View(state, config, now))
        actions.extend(outcome.actions)
        events.extend(outcome.events)
        state = replace(state, apps={**state.apps, name: outcome.app})
        if any(isinstance(e, AppChanged) for e in outcome.events):
            pending.extend(d for d in _dependents(state, name) if d not in pending)
    looked = engine.look(state, config, now)
    state = looked.state
    actions.extend(looked.actions)
    events.extend(looked.events)
    return _guarded(_close_commands(state, events), actions, events, config, now)


def _due_apps(state: State, now: float, touched: tuple[str, ...]) -> list[str]:
    due = [n for n, a in state.apps.items() if a.wake_at is not None and a.wake_at <= now and n not in touched]
    return [*touched, *due]


def _dependents(state: State, name: str) -> list[str]:
    """Apps whose recovery may be waiting for this one."""
    return [n for n, a in state.apps.items() if n != name and a.kept.recovery.held and a.kept.recovery.ailment]


def _close_commands(state: State, events: list[Event]) -> State:
    """A command with a final answer is not open any more."""
    ended = {
        e.id
        for e in events
        if isinstance(e, CommandAnswered) and e.status in ("succeeded", "failed", "rejected") and e.id in state.commands
    }
    if not ended:
        return state
    return replace(state, commands={k: v for k, v in state.commands.items() if k not in ended})


def _guarded(state: State, actions: list[Action], events: list[Event], config: Config, now: float) -> Judgement:
    """Lets the guard refuse; a refused action counts as one that failed at once."""
    allowed: list[Action] = []
    for action in actions:
        why = refusal(action, state, frozenset(a.subject for a in allowed), now)
        if not why:
            allowed.append(action)
            continue
        fact = facts.ActionFinished(
            at=now,
            action_id=action.id,
            action=type(action).__name__,
            subject=action.subject,
            ok=False,
            seconds=0.0,
            error=f"refused: {why}",
        )
        told = action_finished(state, fact, config, now)
        state = told.state
        events.extend(told.events)
    return Judgement(state, tuple(allowed), tuple(events))


def next_wake(state: State, config: Config) -> float | None:
    """When time alone will change something; ``None``: only a new fact will."""
    return earliest(engine.due(state, config), *(a.wake_at for a in state.apps.values()))
