"""A small simulated world: an engine with containers, and apps whose trouble a test decides.

It carries out the actions that a judge gives out and feeds the facts that follow back, in the order and with the
delays of a real engine. Its clock is its own: an hour takes milliseconds.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Self, TypeVar

import msgspec
from msgspec.structs import replace

from edged.config import App, Config
from edged.durable import Differ, restore
from edged.judge import judge, next_wake
from edged.vocabulary import actions as act
from edged.vocabulary import facts
from edged.vocabulary.events import Event
from edged.vocabulary.state import AppState, State
from edged.vocabulary.trust import TrustedKey
from edged.vocabulary.world import Disk, HostSample, Usage

from .dockerd import Box, Dockerd

E = TypeVar("E", bound=Event)
GIB = 2**30


class World(Dockerd):
    """``apps``: name → configuration. Each gets a container of its own name, running, unless ``boxes`` says more."""

    trusted: tuple[TrustedKey, ...] = ()
    """Keys of the trust file."""

    def __init__(
        self,
        apps: dict[str, App] | None = None,
        *,
        config: Config | None = None,
        boxes: dict[str, dict[str, Any]] | None = None,
        seed: int = 1,
        quick: bool = True,
        begin: bool = True,
    ) -> None:
        self.now = 1000.0
        self.config = replace(config or Config(), apps=apps or {})
        self.rng = random.Random(seed)
        self.quick = quick
        """Fixed small delays; else random ones, and events may overtake the answers of actions."""
        self.state = State()
        self.told: list[tuple[float, Event]] = []
        self.asked: list[tuple[float, act.Action]] = []
        self.boot = 0
        self.commands = 0
        self.differ = Differ({})
        self.engine_up = True
        self.hangs = False
        self.past = []
        self.seen_until = self.now
        """When edged was last alive."""
        self.list_first = False
        """After a start of edged the list comes before the news of what it missed."""
        self.pace = 1.0
        """Factor for the intervals of what is done again and again."""
        self.twice = False
        """Asks the judge everything twice."""
        self.deaf = False
        """The event stream is broken: changes are only seen in lists."""
        self.disk: dict[str, bytes] = {}
        self.intents: dict[str, act.Action] = {}
        self.busy: dict[str, act.Action] = {}
        self.lost: set[str] = set()
        """Actions (by type name) that never come back."""
        self.failing: dict[str, str] = {}
        """Actions (by type name) that fail, with the error."""
        self.results: dict[str, Callable[[act.Action], dict[str, Any]]] = {}
        """Actions (by type name) that succeed with this result, whatever the engine does."""
        self.watchers: list[Callable[[World, facts.Fact], None]] = []
        self.alive = False
        self.generation = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self.boxes: dict[str, Box] = {}
        for name, more in ({n: {} for n in self.config.apps} | (boxes or {})).items():
            self.create(name, **{"status": "running", **more})
        if begin:
            self.begin()

    # Time

    def at(self, delay: float, do: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (self.now + delay, self._serial, do))

    def run(self, seconds: float) -> Self:
        """Lets time go by: what is planned happens, and the judge is woken when it asked for it."""
        end, turns = self.now + seconds, 0
        while True:
            due = next_wake(self.state, self.config) if self.alive else None
            planned = self._heap[0][0] if self._heap else None
            times = [t for t in (due, planned) if t is not None and t <= end]
            if not times:
                break
            soonest = max(self.now, min(times))
            turns = turns + 1 if soonest == self.now else 0
            assert turns < 500, f"time stands still at {self.now}"
            self.now = soonest
            if planned is not None and planned <= self.now:
                heapq.heappop(self._heap)[2]()
            else:
                self.feed(facts.Tick(at=self.now))
        self.now = end
        return self

    def until(self, done: Callable[[], bool], within: float = 600.0) -> Self:
        """Runs until ``done``, in steps of a tenth of a second."""
        end = self.now + within
        while not done():
            assert self.now < end, "it did not happen in time"
            self.run(0.1)
        return self

    def delay(self, low: float = 0.002, high: float = 0.3) -> float:
        return low if self.quick else self.rng.uniform(low, high)

    # Facts in, actions and events out

    def feed(self, fact: facts.Fact) -> tuple[Event, ...]:
        """Gives the judge one fact, takes its events down and sets its actions going."""
        if not self.alive:
            return ()
        self.seen_until = self.now
        judged = judge(self.state, fact, self.config, self.now)
        if self.twice:
            assert judge(self.state, fact, self.config, self.now) == judged, "the same fact, another answer"
        self.state = judged.state
        self.told.extend((self.now, e) for e in judged.events)
        self.disk.update(self.differ.changes(self.state))
        for action in judged.actions:
            self.asked.append((self.now, action))
            if action.journalled:
                self.intents[action.id] = action
            self.perform(action)
        for watch in self.watchers:
            watch(self, fact)
        return judged.events

    def later(self, fact: Callable[[], facts.Fact], delay: float | None = None) -> None:
        """A fact of this run of edged, on its way."""
        generation = self.generation

        def arrive() -> None:
            if generation == self.generation:
                self.feed(fact())

        self.at(self.delay() if delay is None else delay, arrive)

    # edged itself

    def begin(self, *, rebooted: bool = False, end: str = "first") -> None:
        """edged starts."""
        cut_short = list(self.intents.values())
        missed = [] if rebooted else [(at, fact) for at, fact in self.past if at >= self.seen_until - 1.0]
        self.boot += 1
        self.generation += 1
        self.alive = True
        stored = {k: v for k, v in self.disk.items() if v}
        self.differ = Differ(stored)
        self.state = restore(stored, self.config)
        self.busy = {}
        self.feed(facts.Started(at=self.now, boot=self.boot, version="1", host_rebooted=rebooted, previous_end=end))
        self.feed(facts.ConfigLoaded(at=self.now, digest="d", path="p", trusted=self.trusted))
        for action in cut_short:
            self.feed(self.ended(action, "edged ended while it was under way", result={"code": "interrupted"}))
        self.intents = {i: a for i, a in self.intents.items() if a not in cut_short}
        if self.list_first or not self.engine_up or self.hangs:
            self.engine_seen()
        for at, fact in missed:
            self.feed(replace(fact(), at=at))
        if not self.list_first and self.engine_up and not self.hangs:
            self.engine_seen()

    def kill_edged(self) -> None:
        self.alive = False
        self.generation += 1

    def restart_edged(self, away: float = 1.0) -> Self:
        self.kill_edged()
        self.run(away)
        self.begin(end="crash")
        return self

    def reload(self, config: Config, changed: tuple[str, ...] = ()) -> Self:
        self.config = config
        self.feed(facts.ConfigLoaded(at=self.now, digest="e", path="p", changed=changed))
        return self

    def command(self, kind: str, /, *, identity: str = "", **args: Any) -> Self:
        self.commands += 1
        identity = identity or f"c{self.commands}"
        fact = facts.CommandReceived(at=self.now, id=identity, type=kind, args=args, origin="local:uid=1(ann)")
        self.feed(fact)
        return self

    # What edged sees

    def engine_seen(self) -> None:
        if not self.engine_up or self.hangs:
            self.feed(facts.EngineSeen(at=self.now, up=False, error="no answer"))
            return
        self.feed(facts.EngineSeen(at=self.now, up=True, version="25.0"))
        self.list_now()

    def list_now(self) -> None:
        if self.engine_up and not self.hangs:
            self.feed(facts.ContainersListed(at=self.now, containers=tuple(self.seen(b) for b in self.boxes.values())))

    def list_soon(self) -> None:
        """A list as a real one: asked for now, true a moment later, here after one more."""
        if not self.engine_up or self.hangs:
            return
        asked = self.now

        def answer() -> None:
            listed = tuple(self.seen(b) for b in self.boxes.values())
            self.later(lambda: facts.ContainersListed(at=asked, containers=listed))

        self.at(self.delay(), answer)

    def inspect(self, name: str) -> Self:
        asked, seen = self.now, self.seen(self.boxes[name])
        self.feed(facts.ContainerInspected(at=asked, container=seen))
        return self

    def probe(
        self,
        name: str,
        ok: bool = True,
        *,
        took: float = 0.01,
        kind: Literal["app", "dependency"] = "app",
        detail: str = "HTTP 503",
    ) -> None:
        """An answer of a probe that was sent ``took`` seconds ago."""
        self.feed(
            facts.ProbeFinished(
                at=self.now,
                kind=kind,
                subject=name,
                ok=ok,
                seconds=took,
                detail="" if ok else detail,
                started=self.now - took,
            )
        )

    def every(self, seconds: float, do: Callable[[], None]) -> None:
        """Does it now and again every so many seconds."""

        def again() -> None:
            do()
            self.at(seconds * self.pace, again)

        again()

    def probes(self) -> None:
        """One probe of each app that has one."""
        for name, app in list(self.state.apps.items()):
            container = app.container
            if container is not None and container.status == "running" and app.config.health.http:
                box = next((b for b in self.boxes.values() if b.id == container.id), None)
                sent, ok = self.now, box is not None and box.status == "running" and not box.sick
                self.later(partial(self._answered, name, sent, ok))

    def _answered(self, name: str, sent: float, ok: bool) -> facts.ProbeFinished:
        took, detail = self.now - sent, "" if ok else "HTTP 503"
        return facts.ProbeFinished(
            at=self.now, kind="app", subject=name, ok=ok, seconds=took, detail=detail, started=sent
        )

    def resources(self) -> None:
        usages = tuple(
            Usage(container_id=b.id, memory=b.memory, memory_limit=b.memory_limit, cpu_seconds=self.now)
            for b in self.boxes.values()
            if b.status == "running"
        )
        self.feed(facts.ResourcesSampled(at=self.now, usages=usages))

    def host(self, used: float = 0.5, disks: tuple[Disk, ...] = (), **more: Any) -> None:
        """A look at the host, ``used`` being the share of its memory that is in use, and at these disks."""
        for disk in disks:
            self.feed(facts.DiskSampled(at=self.now, disk=disk))
        sample = HostSample(memory_total=4 * GIB, memory_available=int(4 * GIB * (1.0 - used)), cpu_count=4)
        self.feed(facts.HostSampled(at=self.now, host=replace(sample, **more)))

    # Actions

    def perform(self, action: act.Action) -> None:
        """Carries it out, as the runner does: one action at a time on each subject."""
        under_way = self.busy.get(action.subject)
        if under_way is not None:
            assert type(under_way).__name__ in self.lost, f"two actions on {action.subject}: {under_way}, {action}"
            refused = self.ended(action, "refused: another action on it is under way", result={"code": "busy"})
            self.later(lambda: replace(refused, at=self.now))
            return
        self.busy[action.subject] = action
        if type(action).__name__ in self.lost:
            return
        generation, began = self.generation, self.now

        def done(error: str = "", result: dict[str, Any] | None = None) -> None:
            def report() -> None:
                if generation == self.generation:
                    self.busy.pop(action.subject, None)
                    self.intents.pop(action.id, None)
                    self.feed(self.ended(action, error, self.now - began, result))

            self.at(self.delay(0.001, 0.2), report)

        self.at(self.delay(0.001, 0.1), lambda: self._do(action, done))

    def _do(self, action: act.Action, done: Callable[..., None]) -> None:
        error = self.failing.get(type(action).__name__, "")
        if isinstance(action, act.RestartEngine):
            if not error:
                self.start_engine_soon()
            done(error)
            return
        if not error and (answer := self.results.get(type(action).__name__)):
            done("", answer(action))
            return
        if not self.engine_up or self.hangs:
            self.at(0.05 if not self.engine_up else 5.0, lambda: done("the engine does not answer"))
            return
        box = next((b for b in self.boxes.values() if b.id == getattr(action, "container_id", "")), None)
        if error or box is None:
            code, _, words = error.rpartition("|")
            done(words or "no such container", {"code": code} if code else None)
            return
        match action:
            case act.CaptureEvidence():
                done()
            case act.StartContainer():
                done(self.start_box(box, by_hand=True) if box.status != "paused" else "it is paused")
            case act.RestartContainer():
                self.restart_box(box, done)
            case act.StopContainer():
                self.stop_box(box, done)
            case act.PauseContainer():
                done("" if box.status == "running" else "it does not run")
                self.pause(box.name)
            case act.UnpauseContainer():
                done("" if box.status == "paused" else "it is not paused")
                self.unpause(box.name)

    def start_engine_soon(self) -> None:
        if not self.engine_up:
            self.at(0.5, lambda: None if self.engine_up else self.start_engine())

    def ended(
        self, action: act.Action, error: str = "", seconds: float = 0.0, result: dict[str, Any] | None = None
    ) -> facts.ActionFinished:
        return facts.ActionFinished(
            at=self.now,
            action_id=action.id,
            action=type(action).__name__,
            subject=action.subject,
            ok=not error,
            seconds=seconds,
            error=error,
            result=result or {},
        )

    # What came of it

    def app(self, name: str) -> AppState:
        return self.state.apps[name]

    def condition(self, name: str) -> str:
        return self.state.apps[name].condition

    def events(self, kind: type[E], **fields: Any) -> list[E]:
        """All told events of a kind with these fields."""
        return [
            e
            for _, e in self.told
            if isinstance(e, kind) and all(getattr(e, key) == value for key, value in fields.items())
        ]

    def actions(self, subject: str = "", *, evidence: bool = False) -> list[str]:
        """Type names of the actions given out, in order, evidence left out."""
        return [
            type(a).__name__
            for _, a in self.asked
            if (not subject or a.subject == subject) and (evidence or not isinstance(a, act.CaptureEvidence))
        ]

    def firing(self, subject: str = "") -> set[str]:
        """Names of the alerts that fire."""
        found: set[str] = set()
        for app in self.state.apps.values():
            if subject in ("", app.name):
                found |= {n for n, a in app.kept.alerts.items() if a.severity}
        for dependency in self.state.dependencies.values():
            if subject in ("", dependency.name):
                found |= {n for n, a in dependency.alerts.items() if a.severity}
        if subject in ("", "host"):
            found |= {n for n, a in self.state.host.alerts.items() if a.severity}
        if subject in ("", "engine"):
            found |= {n for n, a in self.state.engine.alerts.items() if a.severity}
        return found

    def forget(self) -> Self:
        """Looks only at what comes from now on."""
        self.told.clear()
        self.asked.clear()
        return self


def app(**more: Any) -> App:
    """An app's configuration; ``restart={...}`` and the like as plain dictionaries."""
    return msgspec.convert(more, App)


def probed(**more: Any) -> App:
    """An app with a health probe."""
    health = {"http": "http://127.0.0.1:1/health"} | more.pop("health", {})
    return app(health=health, **more)
