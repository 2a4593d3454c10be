"""What must hold whatever happens. Looks on at every fact, and knows what people did."""

from __future__ import annotations

from typing import Any

import msgspec

from edged.durable import encode, restore, sections
from edged.judge import Turn, next_wake
from edged.vocabulary import actions as act
from edged.vocabulary import facts
from edged.vocabulary.actions import AnyAction
from edged.vocabulary.events import AnyEvent, CommandAnswered, RecoveryHeld, RecoveryStarted, RecoverySucceeded
from edged.vocabulary.facts import AnyFact

from .world import World

FREE = 3
"""Attempts that an outage of the engine excuses."""
HEARD = 15.0
"""Seconds within which a stop by a person has become known, however slow it was."""


class Keeper:
    """``World`` itself sees to it that no two actions are under way on one app, and that time does not stand still."""

    def __init__(self, world: World, *, thorough: bool = False) -> None:
        self.world, self.thorough = world, thorough
        self.stopped: dict[str, float] = {}
        """Apps that a person stopped within edged's hearing, and when."""
        self.stops: dict[str, float] = {}
        """When anybody but edged last asked the engine to stop it."""
        self.outages: list[float] = [0.0]
        self.mercy: dict[str, float] = {}
        """When a person's command last made the budget whole."""
        self.starts: dict[str, list[float]] = {}
        self.sick_since: dict[str, float] = {}
        self.seen_actions = 0
        self.seen_events = 0
        world.watchers.append(self.check)
        world.twice = thorough

    def started(self, name: str) -> None:
        self.stopped.pop(name, None)

    def unheard(self, seconds: float) -> None:
        """Whatever was stopped so shortly before was not heard to its end."""
        for name in [n for n, at in self.stopped.items() if self.world.now < at + seconds]:
            self.started(name)

    def outage(self) -> None:
        """The engine goes away: a stop just before it may have been its own."""
        self.outages.append(self.world.now)
        self.unheard(40.0)
        self.stops.update(dict.fromkeys(self.world.boxes, self.world.now))

    def check(self, world: World, fact: facts.Fact) -> None:
        new_actions = [a for _, a in world.asked[self.seen_actions :]]
        new_events = [e for _, e in world.told[self.seen_events :]]
        self.seen_actions, self.seen_events = len(world.asked), len(world.told)
        for name in [n for n, at in self.stopped.items() if world.now > at + HEARD]:
            if name in world.boxes and world.boxes[name].up:
                self.started(name)  # Somebody started it since.
        for action in new_actions:
            self.check_action(action)
        for event in new_events:
            if isinstance(event, RecoverySucceeded):
                self.check_success(event)
            if isinstance(event, CommandAnswered) and event.status == "succeeded":
                self.mercy[event.subject] = world.now
        self.check_settled()
        self.check_stops()
        if self.thorough or new_actions:
            self.check_serial(fact, new_actions, new_events)

    def check_stops(self) -> None:
        """Nothing is taken for a person's stop that was none."""
        if not self.world.state.engine.listed:
            # An edged that was away is just being told what happened, one thing after the other.
            return
        for name, app in self.world.state.apps.items():
            stopped = app.kept.stopped
            if stopped is not None and stopped.by.startswith("a person"):
                asked = self.stops.get(name, -100.0)
                assert stopped.at < asked + HEARD, f"{name}: {stopped}, but it was stopped at {asked}"

    def check_action(self, action: act.Action) -> None:
        world, name = self.world, action.subject
        if isinstance(action, act.CaptureEvidence | act.RestartEngine | act.PruneDisk):
            return
        assert world.state.engine.up, f"{action} while the engine is down"
        app = world.state.apps.get(name)
        if app is None:
            assert isinstance(action, act.UnpauseContainer)
            return
        recovery = app.kept.recovery
        if isinstance(action, act.StartContainer | act.RestartContainer):
            before = [a for _, a in world.asked if a.subject == name]
            assert isinstance(before[before.index(action) - 1], act.CaptureEvidence), f"no evidence before {action}"
        if recovery.command:
            return
        assert app.kept.maintenance is None or world.now >= app.kept.maintenance.until, f"{action} in maintenance"
        assert app.config.restart.enabled or isinstance(action, act.UnpauseContainer), f"{action}: only observed"
        by = app.kept.stopped.by if app.kept.stopped is not None else ""
        by_runbook = isinstance(action, act.StopContainer) and "runbook" in by
        assert app.kept.stopped is None or by_runbook, f"{action}: stopped on purpose"
        if name in world.boxes and world.boxes[name].up:
            self.started(name)  # Docker started it, as it does at its own start.
        assert name not in self.stopped, f"{action}: a person stopped it"
        if isinstance(action, act.PauseContainer):
            running = [a for a in world.state.apps.values() if a.container and a.container.status == "running"]
            vital = min(a.config.priority for a in running if a.config.restart.enabled)
            assert app.config.priority > vital, "the most important app was paused"
        if isinstance(action, act.StartContainer | act.RestartContainer):
            assert app.container is not None and app.container.status not in ("restarting", "removing")
            self.check_budget(name)

    def check_budget(self, name: str) -> None:
        """By the world's own count, leaving out the time in which something excused it."""
        world = self.world
        app = world.state.apps[name]
        rules, recovery = app.config.restart, app.kept.recovery
        self.starts.setdefault(name, []).append(world.now)
        charged = [t for t in recovery.charged if t + rules.per > world.now]
        assert recovery.open or len(charged) <= rules.budget, f"{name}: {charged}"
        if not recovery.charged or recovery.charged[-1] != world.now:
            lacks = any(
                ((d := world.state.dependencies.get(n)) is not None and d.streak.verdict == "bad")
                or ((o := world.state.apps.get(n)) is not None and o.condition != "healthy")
                for n in app.config.needs
            )
            assert app.kept.excused or lacks, f"{name}: an attempt was free for no reason"
        if app.config.needs:
            return
        since = max(world.now - rules.per, self.mercy.get(name, 0.0))
        starts = [t for t in self.starts[name] if t > since]
        free = FREE * (1 + sum(t > since - 120.0 for t in self.outages))
        assert len(starts) <= rules.budget + free + 1, f"{name}: {starts}, outages {self.outages}"

    def check_success(self, event: RecoverySucceeded) -> None:
        """It runs and is well, or was a moment ago: news takes a while."""
        world, name = self.world, event.subject
        box = world.boxes.get(name)
        if world.deaf or box is None:
            return
        if box.start_error or box.crash_after is not None or world.state.apps[name].discovered:
            return
        sick = self.sick_since.get(name) if box.sick else None
        probes = world.state.apps[name].config.health.http
        assert not probes or sick is None or world.now < sick + 5.0, f"{event}: it is sick since {sick}"

    def check_settled(self) -> None:
        """Whatever is to be concluded has been concluded: nothing that is due waits for another fact."""
        world, now = self.world, self.world.now
        wake = next_wake(world.state, world.config)
        if wake is not None and wake <= now:
            return
        turn = Turn(world.state, world.config, now)
        turn.settle(tuple(world.state.apps), before=world.state)
        assert not turn.events, f"missed: {turn.events}"
        assert not turn.actions, f"missed: {turn.actions}"

    def check_serial(self, fact: facts.Fact, actions: list[act.Action], events: list[Any]) -> None:
        world = self.world
        for value, kind in [(fact, AnyFact), *((a, AnyAction) for a in actions), *((e, AnyEvent) for e in events)]:
            assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value
        stored = {key: encode(part) for key, part in sections(world.state).items()}
        once = restore(stored, world.config)
        twice = restore({key: encode(part) for key, part in sections(once).items()}, world.config)
        assert once == twice
        assert {n: a.kept.deaths for n, a in once.apps.items()} == {
            n: world.state.apps[n].kept.deaths if n in world.state.apps else () for n in once.apps
        }

    def check_episodes(self, name: str) -> None:
        """Each recovery that was told to begin was told to end."""
        open_ = False
        for _, event in self.world.told:
            if event.subject != name:
                continue
            if isinstance(event, RecoveryStarted):
                open_ = True
            elif isinstance(event, RecoverySucceeded) or (
                isinstance(event, RecoveryHeld) and ("stop" in event.reason or "not watched" in event.reason)
            ):
                open_ = False
        assert not open_, f"the recovery of {name} never ended"
