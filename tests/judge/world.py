"""A small simulated world: an engine with containers, and apps whose trouble a test decides.

It carries out the actions that a judge gives out and feeds the facts that follow back, in the order and with the
delays of a real engine. Its clock is its own: an hour takes milliseconds.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from edged.config import App, Config
from edged.durable import Differ, restore
from edged.judge import judge, next_wake
from edged.vocabulary import actions as act
from edged.vocabulary import facts
from edged.vocabulary.events import Event
from edged.vocabulary.state import AppState, State
from edged.vocabulary.world import Container, ContainerStatus, DockerHealth, HostSample, Usage

E = TypeVar("E", bound=Event)
UNIX = 1_700_000_000.0
GIB = 2**30


class Box(msgspec.Struct):
    """One container as it really is."""

    id: str
    name: str
    status: ContainerStatus = "created"
    policy: str = "no"
    labels: dict[str, str] = {}
    health: DockerHealth = "none"
    exit_code: int | None = None
    started_at: float | None = None
    created_at: float = 0.0
    by_hand: bool = False
    """Somebody stopped or killed it through the engine: Docker's policy keeps out."""
    tries: int = 0
    """Restarts by Docker's policy in a row."""
    run: int = 0
    """Counts starts, so that a crash that was planned for one run does not hit the next."""
    oom_killed: bool = False
    # Trouble, as a test or a fuzzer decides it.
    crash_after: float | None = None
    start_error: str = ""
    sick: bool = False
    """Its health probe and its health check fail."""
    memory: int = 50 * 2**20
    memory_limit: int | None = 100 * 2**20
    stop_takes: float = 0.1

    @property
    def up(self) -> bool:
        return self.status in ("running", "paused")


class World:
    """``apps``: name → configuration. Each gets a container of its own name, running, unless ``boxes`` says more."""

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
        self.engine_up = True
        self.hangs = False
        self.pace = 1.0
        """Factor for the intervals of what is done again and again."""
        self.deaf = False
        """The event stream is broken: changes are only seen in lists."""
        self.disk: dict[str, bytes] = {}
        self.intents: dict[str, act.Action] = {}
        self.busy: dict[str, act.Action] = {}
        self.lost: set[str] = set()
        """Actions (by type name) that never come back."""
        self.failing: dict[str, str] = {}
        """Actions (by type name) that fail, with the error."""
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

    def run(self, seconds: float) -> World:
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

    def until(self, done: Callable[[], bool], within: float = 600.0) -> World:
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
        judged = judge(self.state, fact, self.config, self.now)
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
        self.boot += 1
        self.generation += 1
        self.alive = True
        stored = {k: v for k, v in self.disk.items() if v}
        self.differ = Differ(stored)
        self.state = restore(stored, self.config)
        self.busy = {}
        self.feed(facts.Started(at=self.now, boot=self.boot, version="1", host_rebooted=rebooted, previous_end=end))
        self.feed(facts.ConfigLoaded(at=self.now, digest="d", path="p"))
        for action in list(self.intents.values()):
            self.feed(self.ended(action, "edged ended while it was under way"))
        self.intents = {}
        self.engine_seen()

    def kill_edged(self) -> None:
        self.alive = False
        self.generation += 1

    def restart_edged(self, away: float = 1.0) -> World:
        self.kill_edged()
        self.run(away)
        self.begin(end="crash")
        return self

    def reload(self, config: Config, changed: tuple[str, ...] = ()) -> World:
        self.config = config
        self.feed(facts.ConfigLoaded(at=self.now, digest="e", path="p", changed=changed))
        return self

    def command(self, kind: str, **args: Any) -> World:
        fact = facts.CommandReceived(
            at=self.now, id=f"c{len(self.told)}", type=kind, args=args, origin="local:uid=1(ann)"
        )
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

    def seen(self, box: Box) -> Container:
        return Container(
            id=box.id,
            name=box.name,
            status=box.status,
            image="app:1",
            health=box.health if box.up else "none",
            exit_code=None if box.up else box.exit_code,
            oom_killed=box.oom_killed,
            labels=box.labels,
            restart_policy=box.policy,
            pid=4000 + box.run if box.up else None,
            created_at=box.created_at,
            started_at=box.started_at,
        )

    def change(self, box: Box, action: str, **more: Any) -> None:
        """One message of the event stream, on its way."""
        if self.deaf or not self.engine_up or self.hangs:
            return
        id_, name, labels, time = box.id, box.name, box.labels, UNIX + self.now

        def fact() -> facts.Fact:
            return facts.ContainerChanged(
                at=self.now,
                id=id_,
                name=name,
                action=action,  # type: ignore[arg-type]
                labels=labels,
                time=time,
                **more,
            )

        # One stream: its messages never overtake each other.
        self._stream_at = max(getattr(self, "_stream_at", 0.0), self.now + self.delay(0.002, 0.05))
        self.later(fact, self._stream_at - self.now)

    def inspect(self, name: str) -> World:
        asked, seen = self.now, self.seen(self.boxes[name])
        self.feed(facts.ContainerInspected(at=asked, container=seen))
        return self

    def probe(
        self, name: str, ok: bool = True, *, took: float = 0.01, kind: str = "app", detail: str = "HTTP 503"
    ) -> None:
        """An answer of a probe that was sent ``took`` seconds ago."""
        self.feed(
            facts.ProbeFinished(
                at=self.now,
                kind=kind,  # type: ignore[arg-type]
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
                self.later(
                    lambda name=name, sent=sent, ok=ok: facts.ProbeFinished(  # type: ignore[misc]
                        at=self.now,
                        kind="app",
                        subject=name,
                        ok=ok,
                        seconds=self.now - sent,
                        detail="" if ok else "HTTP 503",
                        started=sent,
                    )
                )

    def resources(self) -> None:
        usages = tuple(
            Usage(container_id=b.id, memory=b.memory, memory_limit=b.memory_limit, cpu_seconds=self.now)
            for b in self.boxes.values()
            if b.status == "running"
        )
        self.feed(facts.ResourcesSampled(at=self.now, usages=usages))

    def host(self, used: float = 0.5, **more: Any) -> None:
        """A look at the host, ``used`` being the share of its memory that is in use."""
        sample = HostSample(memory_total=4 * GIB, memory_available=int(4 * GIB * (1.0 - used)), cpu_count=4)
        self.feed(facts.HostSampled(at=self.now, host=replace(sample, **more)))

    # What the engine and the people at it do

    def create(self, name: str, **more: Any) -> Box:
        self._serial += 1
        box = Box(id=f"{name}-{self._serial:04d}", name=name, created_at=UNIX + self.now, **more)
        if box.up:
            box.started_at, box.run = UNIX + self.now, 1
        self.boxes[name] = box
        self.change(box, "create")
        return box

    def start(self, name: str) -> None:
        self._start(self.boxes[name], by_hand=True)

    def _start(self, box: Box, *, by_hand: bool) -> str:
        if box.up or (by_hand and box.status == "restarting"):
            return ""
        if box.start_error:
            box.status = "created" if box.status == "created" else "exited"
            box.exit_code = 127
            return box.start_error
        if by_hand:
            box.tries = 0
        box.status, box.by_hand, box.exit_code, box.oom_killed = "running", False, None, False
        box.started_at, box.run = UNIX + self.now, box.run + 1
        if box.health != "none":
            box.health = "starting"
        self.change(box, "start")
        run = box.run
        if box.crash_after is not None:
            self.at(box.crash_after, lambda: self._crash_run(box, run))
        return ""

    def _crash_run(self, box: Box, run: int) -> None:
        if box.run == run and box.up and box.crash_after is not None:
            self._end(box, 1)

    def crash(self, name: str, code: int = 1) -> None:
        """Its main process ends."""
        if self.boxes[name].up:
            self._end(self.boxes[name], code)

    def oom(self, name: str) -> None:
        box = self.boxes[name]
        if box.up:
            self.change(box, "oom")
            box.oom_killed = True
            self._end(box, 137)

    def _end(self, box: Box, code: int) -> None:
        box.status, box.exit_code = "exited", code
        self.change(box, "die", exit_code=code)
        policy = box.policy in ("always", "unless-stopped") or (box.policy == "on-failure" and code != 0)
        if not policy or box.by_hand or not self.engine_up:
            return
        box.status = "restarting"
        wait, run = min(60.0, 0.1 * 2.0**box.tries), box.run
        box.tries += 1

        def again() -> None:
            if box.run == run and box.status == "restarting":
                if not self.engine_up:
                    box.status = "exited"
                    return
                box.status = "exited"
                self._start(box, by_hand=False)

        self.at(wait, again)

    def docker_kill(self, name: str, signal: int = 9) -> None:
        box = self.boxes[name]
        if box.up:
            box.by_hand = True
            self.change(box, "kill", signal=signal)
            if signal in (9, 15):
                self._end(box, 128 + signal)

    def docker_stop(self, name: str) -> None:
        self._stop(self.boxes[name], lambda: None)

    def _stop(self, box: Box, done: Callable[[], None], *, by_hand: bool = True) -> None:
        if not box.up:
            if box.status == "restarting":
                box.status = "exited"
            done()
            return
        box.by_hand = by_hand
        self.change(box, "kill", signal=15)
        run = box.run

        def ended() -> None:
            if box.run == run and box.up:
                box.status, box.exit_code = "exited", 143
                self.change(box, "die", exit_code=143)
                self.change(box, "stop")
            done()

        self.at(box.stop_takes, ended)

    def docker_restart(self, name: str) -> None:
        self._restart(self.boxes[name], lambda error: None)

    def _restart(self, box: Box, done: Callable[[str], None]) -> None:
        def stopped() -> None:
            error = self._start(box, by_hand=True)
            if not error:
                self.change(box, "restart")
            done(error)

        self._stop(box, stopped)

    def remove(self, name: str) -> None:
        """docker rm -f"""
        box = self.boxes.pop(name)
        if box.up:
            box.by_hand = True
            self.change(box, "kill", signal=9)
            box.status = "exited"
            self.change(box, "die", exit_code=137)
        box.run += 1
        self.change(box, "destroy")

    def recreate(self, name: str) -> None:
        """docker compose up after a change: the new one is made under a passing name before the old one goes."""
        old = self.boxes[name]
        new = self.create(f"{name}_new", policy=old.policy, labels=old.labels, health=old.health)

        def swap() -> None:
            del self.boxes[f"{name}_new"]
            if old.up:
                old.status = "exited"
            self.change(old, "destroy")
            old.run += 1
            new.name = name
            self.boxes[name] = new
            self.change(new, "rename")
            self._start(new, by_hand=True)

        self._stop(old, swap)

    def pause(self, name: str) -> None:
        box = self.boxes[name]
        if box.status == "running":
            box.status = "paused"
            self.change(box, "pause")

    def unpause(self, name: str) -> None:
        box = self.boxes[name]
        if box.status == "paused":
            box.status = "running"
            self.change(box, "unpause")

    def set_health(self, name: str, health: DockerHealth) -> None:
        box = self.boxes[name]
        box.health = health
        if box.up:
            self.change(box, "health_status", health=health)

    def stop_engine(self, *, heard: bool = True) -> None:
        """It stops all containers and goes away. ``heard``: what it did to them still came over the stream."""
        for box in self.boxes.values():
            if box.up or box.status == "restarting":
                if heard and box.up:
                    self.change(box, "kill", signal=15)
                box.exit_code, was = 143, box.up
                box.status = "exited"
                if heard and was:
                    self.change(box, "die", exit_code=143)
                    self.change(box, "stop")
        self.run(0.2)
        self.engine_up = False
        self.feed(facts.EngineSeen(at=self.now, up=False, error="connection refused"))

    def start_engine(self) -> None:
        self.engine_up = True
        for box in self.boxes.values():
            if box.status == "exited" and (
                box.policy == "always" or (box.policy in ("unless-stopped", "on-failure") and not box.by_hand)
            ):
                self._start(box, by_hand=False)
        self.engine_seen()

    def hang_engine(self) -> None:
        self.hangs = True
        self.feed(facts.EngineSeen(at=self.now, up=False, error="no answer within 5 s"))

    def wake_engine(self) -> None:
        self.hangs = False
        self.engine_seen()

    # Actions

    def perform(self, action: act.Action) -> None:
        """Carries it out, as the runner does: one action at a time on each subject."""
        under_way = self.busy.get(action.subject)
        if under_way is not None:
            assert type(under_way).__name__ in self.lost, f"two actions on {action.subject}: {under_way}, {action}"
            self.later(lambda: self.ended(action, "refused: another action on it is under way"))
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
        if not self.engine_up or self.hangs:
            self.at(0.05 if not self.engine_up else 5.0, lambda: done("the engine does not answer"))
            return
        box = next((b for b in self.boxes.values() if b.id == getattr(action, "container_id", "")), None)
        if error or box is None:
            done(error or "no such container")
            return
        match action:
            case act.CaptureEvidence():
                done()
            case act.StartContainer():
                done(self._start(box, by_hand=True) if box.status != "paused" else "it is paused")
            case act.RestartContainer():
                self._restart(box, done)
            case act.StopContainer():
                self._stop(box, done)
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

    def forget(self) -> World:
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
