"""Everything that can go wrong with apps, engine, host and edged itself, one function each."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from edged.config import Config, Dependency
from edged.vocabulary import facts

from .invariants import Keeper
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


APPS = {
    "base": app(priority=10, restart=RESTART, memory=MEMORY),
    "mid": probed(priority=20, needs=("base",), health=HEALTH, restart=RESTART, memory=MEMORY),
    "top": probed(priority=30, needs=("mid", "broker"), health=HEALTH, restart=RESTART, memory=MEMORY),
    "side": app(priority=90, restart=RESTART, memory=MEMORY),
    "watched": app(priority=95, restart=RESTART | {"enabled": False}, memory=MEMORY),
    "always": probed(priority=40, health=HEALTH, restart=RESTART, memory=MEMORY),
}
"""A chain of needs, one that Docker restarts, one with its health check, one only watched."""


def make(seed: int, *, quick: bool = False) -> World:
    """A world with these apps, all well."""
    config = Config(
        dependencies={"broker": Dependency(tcp="127.0.0.1:1", failures=2)},
        host=msgspec.convert({"memory": {"for": 5.0}}, type(Config().host)),
        docker=msgspec.convert({"restart": {"after": 20.0, "budget": 2, "per": 300.0}}, type(Config().docker)),
    )
    boxes: dict[str, dict[str, Any]] = {"always": {"policy": "always"}, "side": {"health": "healthy"}}
    return World(APPS, config=config, boxes=boxes, seed=seed, quick=quick)


class Faults:
    """What it does, the keeper of the invariants is told."""

    world: World
    keeper: Keeper
    rng: random.Random
    host_used: float = 0.5
    broker: bool = True
    heard: list[facts.Fact]

    def faults(self) -> dict[str, Callable[[str], None]]:
        """By name; each takes the name of an app."""
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
            self.keeper.sick_since.setdefault(name, self.world.now)

    def heal(self, name: str) -> None:
        box = self.world.boxes.get(name)
        self.keeper.sick_since.pop(name, None)
        if box is not None:
            box.crash_after, box.sick, box.start_error, box.stop_takes = None, False, "", 0.1
            box.memory = 50 * 2**20

    def docker_stop(self, name: str) -> None:
        w = self.world
        box = w.boxes[name]
        heard = w.alive and not w.deaf and w.engine_up and not w.hangs and w.state.engine.up
        acting = name in w.busy or w.state.apps.get(name) is None or w.state.apps[name].kept.recovery.phase != "idle"
        self.keeper.stops[name] = w.now
        w.docker_stop(name)
        if heard and not acting and box.up and w.condition(name) in ("healthy", "starting", "unhealthy"):
            self.keeper.stopped[name] = w.now

    def docker_start(self, name: str) -> None:
        self.keeper.started(name)
        if self.world.engine_up:
            self.world.start(name)

    def docker_restart(self, name: str) -> None:
        self.keeper.started(name)
        self.keeper.stops[name] = self.world.now
        if self.world.engine_up:
            self.world.docker_restart(name)

    def recreate(self, name: str) -> None:
        self.keeper.started(name)
        self.keeper.stops[name] = self.world.now
        if self.world.engine_up and f"{name}_new" not in self.world.boxes:
            self.world.recreate(name)

    def remove(self, name: str) -> None:
        self.keeper.started(name)
        self.keeper.stops[name] = self.world.now
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
            self.keeper.outage()
            w.stop_engine(heard=heard and w.alive)

    def engine_start(self) -> None:
        w = self.world
        if not w.engine_up:
            self.keeper.outages.append(w.now)
            for name in list(self.keeper.stopped):
                if name in w.boxes and w.boxes[name].policy == "always":
                    self.keeper.started(name)
            w.start_engine()
        elif w.hangs:
            self.keeper.outages.append(w.now)
            w.wake_engine()

    def engine_hang(self) -> None:
        if self.world.engine_up and not self.world.hangs:
            self.keeper.outage()
            self.world.hang_engine()

    def deafen(self) -> None:
        """Only the stream tells a stop from a death, so one that is not heard to its end cannot be told."""
        self.keeper.unheard(5.0)
        self.world.deaf = True

    def hears(self) -> None:
        """The event stream stands again, and a list follows."""
        self.world.deaf = False
        if self.world.alive:
            self.world.list_soon()

    def edged_restart(self) -> None:
        w = self.world
        w.kill_edged()
        w.lost.clear()
        w.list_first = self.rng.random() < 0.5
        w.run(self.rng.choice([0.0, 0.05, 2.0]))
        w.begin(end="crash")

    def reboot(self) -> None:
        """Power goes and comes: what Docker starts is up again, the rest is down."""
        w = self.world
        w.kill_edged()
        w.lost.clear()
        self.keeper.outage()
        w.engine_up, w.hangs, w.deaf, w.past = False, False, False, []
        for box in w.boxes.values():
            if box.up or box.status == "restarting":
                box.status, box.exit_code = "exited", 255
        w.run(5.0)
        w.engine_up = True
        for box in w.boxes.values():
            if box.status == "exited" and box.policy == "always":
                w.start_box(box, by_hand=False)
                self.keeper.started(box.name)
        w.begin(rebooted=True, end="power")

    def order(self, kind: str, name: str, **args: Any) -> None:
        w = self.world
        if not w.alive or name not in w.state.apps:
            return
        w.command(kind, app=name, **args)
        if kind in ("start", "restart", "stop"):
            self.keeper.started(name)
            self.keeper.mercy[name] = w.now

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
            apps[name] = APPS[name]
        elif self.rng.random() < 0.3:
            del apps[name]
            self.keeper.started(name)
        else:
            apps[name] = replace(old, memory=replace(old.memory, warn=self.rng.choice([0.7, 0.8])))
        w.reload(replace(w.config, apps=apps), (f"apps.{name}",))

    def again(self) -> None:
        """A fact that was heard before is told once more, as it was then.

        Not one of several of the same instant: what comes twice at once is one message to the observer.
        """
        at = [fact.at for fact in self.heard]
        old = [fact for fact in self.heard if at.count(fact.at) == 1]
        if old and self.world.alive:
            self.world.feed(self.rng.choice(old))
