"""Faults in any overlap, and what must hold all the same. Used by the tests and, with more rounds, by the fuzzer."""

from __future__ import annotations

import random
import traceback

from msgspec import Struct
from msgspec.structs import replace

from edged.vocabulary import facts
from edged.vocabulary.world import DockerHealth

from .faults import APPS, NAMES, Faults, make
from .incident_keeper import IncidentKeeper
from .invariants import Keeper
from .world import World

LIST_EVERY, PROBE_EVERY, SAMPLE_EVERY, HOST_EVERY = 10.0, 1.0, 2.0, 3.0


class Chaos(Faults):
    """A world with everything that looks at it going round, faults, and a keeper of the invariants."""

    def __init__(self, seed: int, *, thorough: bool = False) -> None:
        self.world = world = make(seed)
        self.rng = random.Random(seed)
        self.keeper = Keeper(world, thorough=thorough)
        self.incidents = IncidentKeeper(world)
        self.heard = []
        world.watchers.append(self.hear)
        world.every(LIST_EVERY, world.list_soon)
        world.every(PROBE_EVERY, self.look)
        world.every(SAMPLE_EVERY, self.sample)
        world.every(HOST_EVERY, lambda: world.host(self.host_used) if world.alive else None)

    def hear(self, world: World, fact: facts.Fact) -> None:
        if isinstance(fact, facts.ContainerChanged | facts.ProbeFinished):
            self.heard = [*self.heard[-20:], fact]

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
                wanted: DockerHealth = "unhealthy" if box.sick else "healthy"
                if box.health != wanted:
                    world.set_health(name, wanted)

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
        missing = {n: a for n, a in APPS.items() if n not in world.config.apps}
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
        self.keeper.stopped.clear()
        world.run(60.0)
        world.pace = 5.0
        world.run(340.0)
        for name in NAMES:
            app = world.state.apps[name]
            assert app.condition == "healthy", f"{name} is {app.condition}: {app.reason}; {app.kept}"
            assert not app.kept.recovery.ailment, f"{name}: {app.kept.recovery}"
        world.pace = 20.0
        world.run(2000.0)
        assert not world.firing(), world.firing()
        assert not world.state.commands
        self.incidents.all_closed()
        for name in NAMES:
            self.keeper.check_episodes(name)


Step = tuple[str, str, float]
"""A fault, the app it hits, and how long nothing else happens then."""
WAITS = (0.0, 0.01, 0.2, 1.0, 5.0, 30.0, 90.0)
FAULTS = tuple(sorted(Chaos(0).faults()))


def walk(steps: list[Step], seed: int, *, thorough: bool = False) -> Chaos:
    """Takes the steps, then lets everything calm down."""
    chaos = Chaos(seed, thorough=thorough)
    chaos.world.run(10.0)
    for fault, name, wait in steps:
        chaos.step(fault, name, wait)
    chaos.calm_down()
    return chaos


class Failure(Struct, frozen=True):
    """A walk that broke an invariant."""

    seed: int
    steps: list[Step]
    error: str
    where: str


def fuzz(count: int, seed: int = 0, *, longest: int = 30, thorough: bool = False) -> list[Failure]:
    """Random walks, from ``seed`` on; the same seed takes the same steps."""
    failures: list[Failure] = []
    for number in range(seed, seed + count):
        rng = random.Random(number)
        steps = [(rng.choice(FAULTS), rng.choice(NAMES), rng.choice(WAITS)) for _ in range(rng.randint(1, longest))]
        try:
            walk(steps, number, thorough=thorough)
        except AssertionError as error:
            failures.append(Failure(number, steps, str(error), traceback.format_exc()))
    return failures
