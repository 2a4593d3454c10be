"""Faults in any overlap, and what must hold all the same. Used by the tests and, with more rounds, by the fuzzer."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from edged.config import Config, Dependency
from edged.durable import encode, restore, sections
from edged.judge import Turn, judge, next_wake
from edged.vocabulary import actions as act
from edged.vocabulary import facts
from edged.vocabulary.actions import AnyAction
from edged.vocabulary.events import AnyEvent, CommandAnswered, RecoveryHeld, RecoveryStarted, RecoverySucceeded
from edged.vocabulary.facts import AnyFact
from edged.vocabulary.state import State

from .world import World, app, probed

RESTART = {
    "budget": 3,
    "per": 60.0,
    "backoff": 0.5,
    "max_backoff": 8.0,
    "retry_after": 60.0,
    "reset_after": 60.0,
    "policy_grace": 3.0,
    "verify_within": 10.0,
    "stop_timeout": 2.0,
}
HEALTH = {"every": 1.0, "timeout": 0.5, "failures": 2, "start_period": 3.0}
MEMORY = {"for": 5.0}
NAMES = ("base", "mid", "top", "side", "watched", "always")
LIST_EVERY, PROBE_EVERY, SAMPLE_EVERY, HOST_EVERY = 10.0, 1.0, 2.0, 3.0
FREE = 3
"""Attempts that an outage of the engine excuses."""


def make(seed: int, *, quick: bool = False) -> World:
    """Six apps: a chain of needs, one that Docker restarts, one with its health check, one only watched."""
    config = Config(
        dependencies={"broker": Dependency(tcp="127.0.0.1:1", failures=2)},
        host=msgspec.convert({"memory": {"for": 5.0}}, type(Config().host)),
        docker=msgspec.convert({"restart": {"after": 20.0, "budget": 2, "per": 300.0}}, type(Config().docker)),
    )
    apps = {
        "base": app(priority=10, restart=RESTART, memory=MEMORY),
        "mid": probed(priority=20, needs=("base",), health=HEALTH, restart=RESTART, memory=MEMORY),
        "top": probed(priority=30, needs=("mid", "broker"), health=HEALTH, restart=RESTART, memory=MEMORY),
        "side": app(priority=90, restart=RESTART, memory=MEMORY),
        "watched": app(priority=95, restart=RESTART | {"enabled": False}, memory=MEMORY),
        "always": probed(priority=40, health=HEALTH, restart=RESTART, memory=MEMORY),
    }
    boxes: dict[str, dict[str, Any]] = {"always": {"policy": "always"}, "side": {"health": "healthy"}}
    return World(apps, config=config, boxes=boxes, seed=seed, quick=quick)


class Chaos:
    """A world with everything that looks at it going round, faults, and a keeper of the invariants."""

    def __init__(self, seed: int, *, thorough: bool = False) -> None:
        self.world = make(seed)
        self.rng = random.Random(seed)
        self.thorough = thorough
        self.host_used = 0.5
        self.broker = True
        self.oldest: list[facts.Fact] = []
        self.stopped_by_person: dict[str, float] = {}
        self.outages: list[float] = [0.0]
        self.mercy: dict[str, float] = {}
        self.starts: dict[str, list[float]] = {name: [] for name in NAMES}
        self.sick_since: dict[str, float] = {}
        self.well_at: dict[str, float] = {}
        self.seen_actions = 0
        self.seen_events = 0
        world = self.world
        world.watchers.append(self.check)
        world.every(LIST_EVERY, world.list_soon)
        world.every(PROBE_EVERY, self.look)
        world.every(SAMPLE_EVERY, self.sample)
        world.every(HOST_EVERY, lambda: world.host(self.host_used) if world.alive else None)

    def sample(self) -> None:
        if self.world.alive:
            self.world.resources()

    def look(self) -> None:
        world = self.world
        world.probes()
        if world.alive and "broker" in world.config.dependencies:
            world.probe("broker", self.broker, kind="dependency")
        for name, box in world.boxes.items():
            if box.health != "none" and box.up:
                wanted = "unhealthy" if box.sick else "healthy"
                if box.health != wanted:
                    world.set_health(name, wanted)  # type: ignore[arg-type]

    # Faults: name → what it does to one app

    def faults(self) -> dict[str, Callable[[str], None]]:
        w = self.world
        return {
            "crash": w.crash,
            "crash_loop": lambda n: self.trouble(n, crash_after=self.rng.choice([0.0, 0.3, 2.0])),
            "sick": lambda n: self.trouble(n, sick=True),
            "well": self.heal,
            "oom": w.oom,
            "docker_kill": w.docker_kill,
            "hup": lambda n: w.docker_kill(n, 1),
            "docker_stop": self.docker_stop,
            "docker_start": self.docker_start,
            "docker_restart": self.docker_restart,
            "recreate": self.recreate,
            "remove": self.remove,
            "pause": w.pause,
            "unpause": w.unpause,
            "start_error": lambda n: self.trouble(n, start_error="port is already allocated"),
            "slow_stop": lambda n: self.trouble(n, stop_takes=3.0),
            "memory": lambda n: self.trouble(n, memory=99 * 2**20),
            "engine_stop": lambda n: self.engine_stop(heard=self.rng.random() < 0.5),
            "engine_start": lambda n: self.engine_start(),
            "engine_hang": lambda n: self.engine_hang(),
            "deaf": lambda n: self.deafen(),
            "hears": lambda n: self.hears(),
            "edged_restart": lambda n: self.edged_restart(),
            "reboot": lambda n: self.reboot(),
            "restart": lambda n: self.order("restart", n),
            "start": lambda n: self.order("start", n),
            "stop": lambda n: self.order("stop", n),
            "maintenance": lambda n: self.order("maintenance.set", n, on=True, seconds=20.0, why="test"),
            "no_maintenance": lambda n: self.order("maintenance.set", n, on=False),
            "host_memory": lambda n: setattr(self, "host_used", 0.97),
            "host_calm": lambda n: setattr(self, "host_used", 0.5),
            "broker_down": lambda n: setattr(self, "broker", False),
            "broker_up": lambda n: setattr(self, "broker", True),
            "lost": lambda n: w.lost.add(self.rng.choice(["CaptureEvidence", "StartContainer", "PauseContainer"])),
            "failing": lambda n: w.failing.update({self.rng.choice(["StartContainer", "RestartContainer"]): "no"}),
            "check_failed": self.check_failed,
            "reload": self.reload,
            "again": lambda n: self.again(),
            "inspect": lambda n: w.inspect(n) if n in w.boxes and w.alive and w.engine_up and not w.hangs else None,
        }

    def trouble(self, name: str, **what: Any) -> None:
        box = self.world.boxes.get(name)
        if box is None:
            return
        for key, value in what.items():
            setattr(box, key, value)
        if box.crash_after is not None and box.up:
            run = box.run
            self.world.at(box.crash_after, lambda: self.world.crash_run(box, run))
        if box.sick:
            self.sick_since.setdefault(name, self.world.now)

    def heal(self, name: str) -> None:
        box = self.world.boxes.get(name)
        self.sick_since.pop(name, None)
        self.well_at[name] = self.world.now
        if box is not None:
            box.crash_after, box.sick, box.start_error, box.stop_takes = None, False, "", 0.1
            box.memory = 50 * 2**20

    def docker_stop(self, name: str) -> None:
        w = self.world
        box = w.boxes[name]
        heard = w.alive and not w.deaf and w.engine_up and not w.hangs and w.state.engine.up
        acting = name in w.busy or w.state.apps.get(name) is None or w.state.apps[name].kept.recovery.phase != "idle"
        w.docker_stop(name)
        if heard and not acting and box.up and w.condition(name) in ("healthy", "starting", "unhealthy"):
            self.stopped_by_person[name] = w.now

    def unstopped(self, name: str) -> None:
        self.stopped_by_person.pop(name, None)

    def docker_start(self, name: str) -> None:
        self.unstopped(name)
        if self.world.engine_up:
            self.world.start(name)

    def docker_restart(self, name: str) -> None:
        self.unstopped(name)
        if self.world.engine_up:
            self.world.docker_restart(name)

    def recreate(self, name: str) -> None:
        self.unstopped(name)
        if self.world.engine_up and f"{name}_new" not in self.world.boxes:
            self.world.recreate(name)

    def remove(self, name: str) -> None:
        self.unstopped(name)
        w = self.world
        if not w.engine_up or f"{name}_new" in w.boxes:
            return
        old = w.boxes[name]
        w.remove(name)

        def anew() -> None:
            if name not in w.boxes:
                w.create(name, policy=old.policy, health=old.health)
                w.at(self.rng.uniform(0.0, 3.0), lambda: w.start(name) if name in w.boxes and w.engine_up else None)

        w.at(self.rng.uniform(0.1, 5.0), anew)

    def engine_stop(self, *, heard: bool) -> None:
        w = self.world
        if w.engine_up:
            w.hangs = False
            self.outage()
            w.stop_engine(heard=heard and w.alive)

    def outage(self) -> None:
        """A stop by a person just before it may have been the engine's own."""
        w = self.world
        self.outages.append(w.now)
        for name in [n for n, at in self.stopped_by_person.items() if w.now < at + 40.0]:
            self.unstopped(name)

    def engine_start(self) -> None:
        w = self.world
        if not w.engine_up:
            self.outages.append(w.now)
            for name in list(self.stopped_by_person):
                if name in w.boxes and w.boxes[name].policy == "always":
                    self.unstopped(name)
            w.start_engine()
        elif w.hangs:
            self.outages.append(w.now)
            w.wake_engine()

    def engine_hang(self) -> None:
        if self.world.engine_up and not self.world.hangs:
            self.outage()
            self.world.hang_engine()

    def deafen(self) -> None:
        """Only the stream tells a stop from a death, so one that is not heard to its end cannot be told."""
        for name in [n for n, at in self.stopped_by_person.items() if self.world.now < at + 5.0]:
            self.unstopped(name)
        self.world.deaf = True

    def hears(self) -> None:
        """The event stream stands again, and a list follows."""
        self.world.deaf = False
        if self.world.alive:
            self.world.list_soon()

    def edged_restart(self) -> None:
        w = self.world
        for name in [n for n, at in self.stopped_by_person.items() if w.now < at + 5.0]:
            self.unstopped(name)  # Not heard to its end, and what edged sees when it is back does not tell.
        w.kill_edged()
        w.lost.clear()
        w.run(self.rng.choice([0.0, 0.05, 2.0]))
        w.begin(end="crash")

    def reboot(self) -> None:
        """Power goes and comes: what Docker starts is up again, the rest is down."""
        w = self.world
        for name in [n for n, at in self.stopped_by_person.items() if w.now < at + 5.0]:
            self.unstopped(name)
        w.kill_edged()
        w.lost.clear()
        self.outages.append(w.now)
        w.engine_up, w.hangs, w.deaf = False, False, False
        for box in w.boxes.values():
            if box.up or box.status == "restarting":
                box.status, box.exit_code = "exited", 255
        w.run(5.0)
        w.engine_up = True
        for box in w.boxes.values():
            if box.status == "exited" and box.policy == "always":
                w.start_box(box, by_hand=False)
                self.unstopped(box.name)
        w.begin(rebooted=True, end="power")

    def order(self, kind: str, name: str, **args: Any) -> None:
        w = self.world
        if not w.alive or name not in w.state.apps:
            return
        w.command(kind, app=name, **args)
        if kind in ("start", "restart", "stop"):
            self.unstopped(name)
            self.mercy[name] = w.now

    def check_failed(self, name: str) -> None:
        w = self.world
        kind, subject = self.rng.choice(
            [("probe", name), ("containers", name), ("resources", "host"), ("host", "host")]
        )
        acted = len(w.asked)
        w.feed(facts.CheckFailed(at=w.now, check=kind, subject=subject, error="broken"))
        due = [a for a in w.state.apps.values() if a.wake_at is not None and a.wake_at <= w.now]
        assert due or len(w.asked) == acted, "a broken sensor led to an action"

    def reload(self, name: str) -> None:
        w = self.world
        if not w.alive:
            return
        old = w.config.apps.get(name)
        apps = dict(w.config.apps)
        if old is None:
            apps[name] = make(0).config.apps[name]
        elif self.rng.random() < 0.3:
            del apps[name]
            self.unstopped(name)
        else:
            apps[name] = replace(old, memory=replace(old.memory, warn=self.rng.choice([0.7, 0.8])))
        w.reload(replace(w.config, apps=apps), (f"apps.{name}",))

    def again(self) -> None:
        """A fact that was heard before is told once more, as it was then."""
        if self.oldest and self.world.alive:
            self.world.feed(self.rng.choice(self.oldest))

    # Invariants

    def check(self, world: World, fact: facts.Fact) -> None:
        if isinstance(fact, facts.ContainerChanged | facts.ProbeFinished):
            self.oldest = [*self.oldest[-20:], fact]
        new_actions = [a for _, a in world.asked[self.seen_actions :]]
        new_events = [e for _, e in world.told[self.seen_events :]]
        self.seen_actions, self.seen_events = len(world.asked), len(world.told)
        for action in new_actions:
            self.check_action(action)
        for event in new_events:
            if isinstance(event, RecoverySucceeded):
                self.check_success(event)
            if isinstance(event, CommandAnswered) and event.status == "succeeded":
                self.mercy[event.subject] = world.now
        self.check_settled()
        if self.thorough or new_actions:
            self.check_serial(fact, new_actions, new_events)

    def check_action(self, action: act.Action) -> None:
        world, name = self.world, action.subject
        if isinstance(action, act.CaptureEvidence | act.RestartEngine):
            return
        assert world.state.engine.up, f"{action} while the engine is down"
        app = world.state.apps.get(name)
        if app is None:
            assert isinstance(action, act.UnpauseContainer)
            return
        recovery = app.kept.recovery
        if recovery.command:
            return
        assert app.kept.maintenance is None or world.now >= app.kept.maintenance.until, f"{action} in maintenance"
        assert app.config.restart.enabled or isinstance(action, act.UnpauseContainer), f"{action}: only observed"
        assert app.kept.stopped is None, f"{action}: stopped on purpose"
        if name in world.boxes and world.boxes[name].up:
            self.unstopped(name)  # Docker started it, as it does at its own start.
        assert name not in self.stopped_by_person, f"{action}: a person stopped it"
        if isinstance(action, act.PauseContainer):
            running = [a for a in world.state.apps.values() if a.container and a.container.status == "running"]
            vital = min(a.config.priority for a in running if a.config.restart.enabled)
            assert app.config.priority > vital, "the most important app was paused"
        if isinstance(action, act.StartContainer | act.RestartContainer):
            assert app.container is not None and app.container.status not in ("restarting", "removing")
            before = [a for _, a in world.asked if a.subject == name]
            assert isinstance(before[before.index(action) - 1], act.CaptureEvidence), f"no evidence before {action}"
            self.check_budget(name)

    def check_budget(self, name: str) -> None:
        """By the world's own count, leaving out the time in which something excused it."""
        world = self.world
        app = world.state.apps[name]
        rules, recovery = app.config.restart, app.kept.recovery
        self.starts[name].append(world.now)
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

    # The walk

    def step(self, fault: str, name: str, wait: float) -> None:
        world = self.world
        needs_box = fault in (
            "crash", "oom", "docker_kill", "hup", "docker_stop", "docker_start", "docker_restart", "recreate", "remove",
            "pause", "unpause",
        )  # fmt: skip
        if not needs_box or (name in world.boxes and world.engine_up and not world.hangs):
            self.faults()[fault](name)
        world.run(wait)

    def calm_down(self) -> None:
        """All faults end. Within bounded time everything is well again, and nothing is left on the board."""
        world = self.world
        if not world.alive:
            world.begin(end="crash")
        for name in NAMES:
            self.heal(name)
        self.host_used, self.broker = 0.5, True
        world.deaf = False
        world.failing.clear()
        if world.lost:
            # A worker that hangs starves the service manager's watchdog, which restarts edged.
            world.run(300.0)
            self.edged_restart()
        self.engine_start()
        world.run(20.0)
        missing = {n: a for n, a in make(0).config.apps.items() if n not in world.config.apps}
        if missing:
            world.reload(replace(world.config, apps=world.config.apps | missing))
        for name in NAMES:
            box = world.boxes.get(name)
            stopped = world.state.apps[name].kept.stopped is not None
            if box is None:
                world.create(name, policy="always" if name == "always" else "no")
                world.start(name)
            elif box.status == "paused" and not world.state.apps[name].kept.paused_by_edged:
                world.unpause(name)
            elif not box.up and (stopped or name == "watched"):
                self.docker_start(name)
        self.stopped_by_person.clear()
        world.run(400.0)
        for name in NAMES:
            app = world.state.apps[name]
            assert app.condition == "healthy", f"{name} is {app.condition}: {app.reason}; {app.kept}"
            assert not app.kept.recovery.ailment, f"{name}: {app.kept.recovery}"
        world.pace = 10.0
        world.run(2000.0)
        assert not world.firing(), world.firing()
        assert not world.state.commands
        for name in NAMES:
            self.check_episodes(name)

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


def walk(steps: list[tuple[str, str, float]], seed: int, *, thorough: bool = False) -> Chaos:
    """Takes the steps, then lets everything calm down."""
    chaos = Chaos(seed, thorough=thorough)
    chaos.world.run(10.0)
    for fault, name, wait in steps:
        chaos.step(fault, name, wait)
    chaos.calm_down()
    return chaos


def random_steps(rng: random.Random, count: int) -> list[tuple[str, str, float]]:
    faults = sorted(Chaos(0).faults())
    waits = (0.0, 0.01, 0.2, 1.0, 5.0, 30.0, 90.0)
    return [(rng.choice(faults), rng.choice(NAMES), rng.choice(waits)) for _ in range(count)]


def replayed(chaos: Chaos, config: Config, states: list[State], heard: list[tuple[float, facts.Fact]]) -> None:
    """The same facts lead to the same states."""
    state = State()
    for (now, fact), expected in zip(heard, states, strict=True):
        state = judge(state, fact, config, now).state
        assert state == expected
