"""A simulated container engine, and the people who use it beside edged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from edged.vocabulary import facts
from edged.vocabulary.world import Container, ContainerAction, ContainerStatus, DockerHealth

UNIX = 1_700_000_000.0
"""The engine's clock when the world's shows zero."""


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
    stopping: bool = False
    """``docker stop`` waits for its end."""

    @property
    def up(self) -> bool:
        return self.status in ("running", "paused")


class Dockerd:
    """Needs a clock (``now``, ``at``), delays, and somebody to tell what happens (``later``, ``feed``)."""

    now: float
    boxes: dict[str, Box]
    engine_up: bool
    hangs: bool
    deaf: bool
    at: Callable[[float, Callable[[], None]], None]
    later: Callable[..., None]
    feed: Callable[[facts.Fact], Any]
    run: Callable[[float], Any]
    delay: Callable[..., float]
    engine_seen: Callable[[], None]
    serial: int = 0
    stream_at: float = 0.0
    past: list[tuple[float, Callable[[], facts.Fact]]]
    """What the engine still remembers of its messages."""

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

    def change(self, box: Box, action: ContainerAction, **more: Any) -> None:
        """One message of the event stream, on its way."""
        if not self.engine_up:
            return
        id_, name, labels, time = box.id, box.name, box.labels, UNIX + self.now

        def fact() -> facts.Fact:
            return facts.ContainerChanged(
                at=self.now, id=id_, name=name, action=action, labels=labels, time=time, **more
            )

        self.past = [*self.past[-255:], (self.now, fact)]
        if self.deaf or self.hangs:
            return
        # One stream: its messages never overtake each other.
        self.stream_at = max(self.stream_at, self.now + self.delay(0.002, 0.05))
        self.later(fact, self.stream_at - self.now)

    def create(self, name: str, **more: Any) -> Box:
        self.serial += 1
        box = Box(id=f"{name}-{self.serial:04d}", name=name, created_at=UNIX + self.now, **more)
        if box.up:
            box.started_at, box.run = UNIX + self.now, 1
        self.boxes[name] = box
        self.change(box, "create")
        if box.up:
            self.change(box, "start")
        return box

    def start(self, name: str) -> None:
        self.start_box(self.boxes[name], by_hand=True)

    def start_box(self, box: Box, *, by_hand: bool) -> str:
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
            self.at(box.crash_after, lambda: self.crash_run(box, run))
        return ""

    def crash_run(self, box: Box, run: int) -> None:
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
        if box.stopping:
            self.change(box, "stop")
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
                self.start_box(box, by_hand=False)

        self.at(wait, again)

    def docker_kill(self, name: str, signal: int = 9) -> None:
        box = self.boxes[name]
        if box.up:
            box.by_hand = True
            self.change(box, "kill", signal=signal)
            if signal in (9, 15):
                self._end(box, 128 + signal)

    def docker_stop(self, name: str) -> None:
        self.stop_box(self.boxes[name], lambda: None)

    def stop_box(self, box: Box, done: Callable[[], None], *, by_hand: bool = True) -> None:
        if not box.up:
            if box.status == "restarting":
                box.status = "exited"
            done()
            return
        box.by_hand, box.stopping = by_hand, True
        self.change(box, "kill", signal=15)
        run = box.run

        def ended() -> None:
            box.stopping = False
            if box.run == run and box.up:
                box.status, box.exit_code = "exited", 143
                self.change(box, "die", exit_code=143)
                self.change(box, "stop")
            done()

        self.at(box.stop_takes, ended)

    def docker_restart(self, name: str) -> None:
        self.restart_box(self.boxes[name], lambda error: None)

    def restart_box(self, box: Box, done: Callable[[str], None]) -> None:
        def stopped() -> None:
            error = self.start_box(box, by_hand=True)
            if not error:
                self.change(box, "restart")
            done(error)

        self.stop_box(box, stopped)

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
            self.start_box(new, by_hand=True)

        self.stop_box(old, swap)

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
        self.past = []
        self.feed(facts.EngineSeen(at=self.now, up=False, error="connection refused"))

    def start_engine(self) -> None:
        self.engine_up = True
        for box in self.boxes.values():
            if box.status == "exited" and (
                box.policy == "always" or (box.policy in ("unless-stopped", "on-failure") and not box.by_hand)
            ):
                self.start_box(box, by_hand=False)
        self.engine_seen()

    def hang_engine(self) -> None:
        self.hangs = True
        self.feed(facts.EngineSeen(at=self.now, up=False, error="no answer within 5 s"))

    def wake_engine(self) -> None:
        self.hangs = False
        self.engine_seen()
