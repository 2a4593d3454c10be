"""The watcher with the real adapter and a real engine: alive, stopped, killed, frozen, hidden."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import pytest

from edged.adapters.docker_engine import DockerEngine
from edged.observe.engine import EVENTS, RECONCILE, EngineWatcher
from edged.ports import PortError, Refused, Unreachable
from edged.vocabulary.facts import CheckFailed, ContainerChanged, ContainerInspected, ContainersListed, EngineSeen, Fact
from edged.vocabulary.world import Container
from tests.fixtures.engine import Engine, eventually
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.engine
F = TypeVar("F", bound=Fact)


class FakeClock:
    """Real time; the wall clock can be set."""

    offset = 0.0

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time() + self.offset


class Inbox:
    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def all(self, kind: type[F], after: int = 0) -> list[F]:
        return [fact for fact in self.facts[after:] if isinstance(fact, kind)]

    def wait(self, kind: type[F], test: Callable[[F], Any] = lambda fact: True, after: int = 0, within: float = 5) -> F:
        def found() -> F | None:
            return next((fact for fact in self.all(kind, after) if test(fact)), None)

        got = eventually(found, within, what=f"{kind.__name__}; got {[type(f).__name__ for f in self.facts[after:]]}")
        assert isinstance(got, kind)
        return got

    def engine(self, after: int = 0) -> list[bool]:
        return [fact.up for fact in self.all(EngineSeen, after)]

    def actions(self, name: str = "app") -> list[str]:
        return [fact.action for fact in self.all(ContainerChanged) if fact.name == name]


@contextmanager
def watching(
    adapter: DockerEngine, clock: FakeClock | None = None, poll: float = 30.0, **options: Any
) -> Iterator[tuple[EngineWatcher, Inbox]]:
    inbox = Inbox()
    quick: dict[str, Any] = {"ping_every": 0.3, "ping_timeout": 0.3, "chance": random.Random(1)}
    with closing(adapter):
        watcher = EngineWatcher(adapter, clock or FakeClock(), inbox.facts.append, poll, **(quick | options))
        watcher.start()
        try:
            yield watcher, inbox
        finally:
            began = time.monotonic()
            watcher.stop()
            took = time.monotonic() - began
    assert took < 2.2 * PATIENCE
    left = {thread.name for thread in threading.enumerate()} & {EVENTS, RECONCILE}
    assert not left


def adapter(engine: Engine) -> DockerEngine:
    return DockerEngine(engine.url, timeout=2.0)


def test_what_is_there_at_start(engine: Engine) -> None:
    running = engine.run("app", restart_policy="unless-stopped", labels={"a": "b"})
    engine.run("ended", "true")
    eventually(lambda: engine.pid("ended") == 0)
    with watching(adapter(engine), poll=0.3) as (_, inbox):
        inspected = inbox.wait(ContainerInspected, lambda fact: fact.container.name == "app").container
        assert (inspected.restart_policy, inspected.pid) == ("unless-stopped", engine.pid("app"))
        assert isinstance(inbox.facts[0], EngineSeen)
        assert isinstance(inbox.facts[1], ContainersListed)
        assert inbox.facts[0].up
        assert inbox.facts[0].version == engine.client.version()["Version"]
        assert {one.name for one in inbox.facts[1].containers} == {"app", "ended"}
        count = len(inbox.facts)
        inbox.wait(ContainersListed, after=count)
        listed = inbox.wait(ContainersListed, after=count + 1)
        app = next(one for one in listed.containers if one.id == running)
        assert (app.restart_policy, app.pid, app.started_at) == (
            "unless-stopped", inspected.pid, inspected.started_at,
        )  # fmt: skip
        assert app.labels == {"a": "b"}
        assert len(inbox.all(ContainerInspected)) == 2, "nothing changed: inspected once"
        assert inbox.actions() == [], "what was before is not told as news"
        assert inbox.engine() == [True]


def test_what_happens(engine: Engine) -> None:
    with watching(adapter(engine)) as (_, inbox):
        inbox.wait(ContainersListed)
        container_id = engine.run("app", restart_policy="no")
        first = inbox.wait(ContainerInspected, lambda fact: fact.container.pid).container
        assert (first.id, first.name, first.restart_policy) == (container_id, "app", "no")
        began = time.monotonic()
        engine.kill_main("app")
        died = inbox.wait(ContainerChanged, lambda fact: fact.action == "die")
        assert died.at - began < 1.0
        assert died.exit_code == 137
        engine.client.start("app")
        inbox.wait(ContainerInspected, lambda fact: fact.container.pid not in (None, first.pid))
        count = len(inbox.facts)
        engine.client.update_container("app", restart_policy={"Name": "always"})
        inbox.wait(ContainerInspected, lambda fact: fact.container.restart_policy == "always", count)
        engine.rm("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "destroy")
        assert inbox.actions() == ["create", "start", "die", "start", "update", "kill", "die", "destroy"]


def test_engine_absent_at_start(engine: Engine) -> None:
    engine.stop()
    with watching(adapter(engine), ping_every=5.0) as (_, inbox):
        lost = inbox.wait(EngineSeen)
        assert not lost.up
        assert "no such socket" in lost.error
        engine.start()
        answered = time.monotonic()
        assert inbox.wait(EngineSeen, lambda fact: fact.up).at - answered < 5.0
        inbox.wait(ContainersListed)
        assert inbox.engine() == [False, True]


def test_engine_killed(engine: Engine) -> None:
    engine.run("app", restart_policy="always")
    with watching(adapter(engine), ping_every=5.0, ping_timeout=5.0) as (_, inbox):
        inbox.wait(ContainerInspected)
        killed = time.monotonic()
        engine.crash()
        lost = inbox.wait(EngineSeen, lambda fact: not fact.up)
        assert lost.at - killed < 0.5
        assert "nobody listens" in lost.error or "broke the connection off" in lost.error
        eventually(lambda: time.monotonic() - killed > 1.5)
        count = len(inbox.facts)
        engine.start()
        answered = time.monotonic()
        assert inbox.wait(EngineSeen, lambda fact: fact.up, count).at - answered < 5.0
        inbox.wait(ContainersListed, after=count)
        inbox.wait(ContainerInspected, lambda fact: fact.container.pid, count)
        assert inbox.engine() == [True, False, True]


def test_engine_stopped_and_started(engine: Engine) -> None:
    engine.run("app")
    with watching(adapter(engine), ping_every=5.0, ping_timeout=5.0) as (_, inbox):
        inbox.wait(ContainersListed)
        engine.stop()
        lost = inbox.wait(EngineSeen, lambda fact: not fact.up)
        engine.start()
        inbox.wait(EngineSeen, lambda fact: fact.up, after=inbox.facts.index(lost))
        count = len(inbox.facts)
        engine.client.start("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "start", count)
        assert inbox.engine() == [True, False, True]


def test_engine_frozen(engine: Engine) -> None:
    engine.run("app")
    pid = engine.pid("app")
    with watching(adapter(engine)) as (watcher, inbox):
        inbox.wait(ContainerInspected)
        frozen = time.monotonic()
        engine.freeze()
        lost = inbox.wait(EngineSeen, lambda fact: not fact.up)
        assert lost.at - frozen < 0.3 + 2 * 0.3 + 0.5
        assert "does not answer within 0.3s" in lost.error
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: time.monotonic() - frozen > 3)
        assert max(time.monotonic() - beat for beat in watcher.heartbeats().values()) < 3 * PATIENCE
        assert inbox.engine() == [True, False]
        engine.thaw()
        thawed = time.monotonic()
        back = inbox.wait(EngineSeen, lambda fact: fact.up, after=2)
        assert back.at - thawed < 5
        inbox.wait(ContainerChanged, lambda fact: fact.action == "die")
        assert inbox.actions() == ["die"], "once, though told by the old and the new stream"
        assert inbox.engine() == [True, False, True]


def test_frozen_for_an_instant_is_no_news(engine: Engine) -> None:
    with watching(adapter(engine)) as (_, inbox):
        inbox.wait(ContainersListed)
        engine.freeze()
        frozen = time.monotonic()
        eventually(lambda: time.monotonic() - frozen > 0.25)
        engine.thaw()
        eventually(lambda: time.monotonic() - frozen > 1.0)
        assert inbox.engine() == [True]


def test_stop_while_the_engine_is_frozen(engine: Engine) -> None:
    with watching(DockerEngine(engine.url, timeout=10.0), ping_every=0.2, ping_timeout=0.5) as (_, inbox):
        inbox.wait(ContainersListed)
        engine.freeze()
        inbox.wait(EngineSeen, lambda fact: not fact.up)


def test_socket_hidden_while_the_old_connection_lives(engine: Engine) -> None:
    with watching(adapter(engine)) as (_, inbox):
        inbox.wait(ContainersListed)
        engine.hide_socket()
        assert "no such socket" in inbox.wait(EngineSeen, lambda fact: not fact.up).error
        engine.show_socket()
        shown = time.monotonic()
        assert inbox.wait(EngineSeen, lambda fact: fact.up, after=2).at - shown < 5
        engine.run("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "start")
        assert inbox.engine() == [True, False, True]


def test_nothing_is_lost_or_doubled_when_the_stream_breaks(engine: Engine) -> None:
    port = adapter(engine)
    with watching(port, ping_every=5.0) as (_, inbox):
        inbox.wait(ContainersListed)
        for n in range(5):
            engine.run(f"app{n}")
            port.close_events()
            engine.rm(f"app{n}")
        inbox.wait(ContainerChanged, lambda fact: (fact.name, fact.action) == ("app4", "destroy"), within=10)
        for n in range(5):
            assert inbox.actions(f"app{n}") == ["create", "start", "kill", "die", "destroy"]
        assert inbox.engine() == [True], "the engine was there all the time"
        assert len(inbox.all(ContainersListed)) >= 2, "listed again, since something may have been missed"


def test_a_quiet_stream_is_renewed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.adapters.docker_engine._IDLE", 0.05)
    with watching(adapter(engine), quiet=0.2, ping_every=5.0) as (_, inbox):
        eventually(lambda: len(inbox.all(ContainersListed)) >= 4)
        engine.run("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "start")
        assert inbox.actions() == ["create", "start"]
        assert inbox.engine() == [True]


def test_what_was_before_is_not_told_after_a_reconnection(engine: Engine) -> None:
    engine.run("old")
    engine.rm("old")
    port = adapter(engine)
    with watching(port) as (_, inbox):
        inbox.wait(ContainersListed)
        engine.run("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "start")
        count = len(inbox.facts)
        port.close_events()
        inbox.wait(ContainersListed, after=count)
        engine.rm("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "destroy")
        assert inbox.actions("old") == []
        assert inbox.actions() == ["create", "start", "kill", "die", "destroy"]


@pytest.mark.parametrize("ago", [0.0, 1.5])
def test_what_was_missed_is_dated_before_our_start(engine: Engine, ago: float) -> None:
    """A list that we ask for is newer than it, however short a time ago it was."""
    clock = FakeClock()
    engine.run("app")
    since = clock.wall()
    engine.client.kill("app")
    engine.client.wait("app", timeout=10)
    engine.client.start("app")
    time.sleep(ago)
    began = clock.now()
    with watching(adapter(engine), clock, since=since) as (_, inbox):
        inbox.wait(ContainersListed)
        inbox.wait(ContainerChanged, lambda fact: fact.action == "start")
        missed = inbox.all(ContainerChanged)
        assert [fact.action for fact in missed] == ["kill", "die", "start"]
        assert all(began - ago - 5.0 < fact.at <= began - ago for fact in missed), (began, missed)
        count = len(inbox.facts)
        engine.kill_main("app")
        assert inbox.wait(ContainerChanged, lambda fact: fact.action == "die", count).at > began


def test_a_clock_that_was_set_back(engine: Engine) -> None:
    """Our start then lies ahead of the engine's time: what happens while connected is told all the same."""
    clock = FakeClock()
    clock.offset = 3600.0
    port = adapter(engine)
    with watching(port, clock) as (_, inbox):
        inbox.wait(ContainersListed)
        engine.run("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "start")
        count = len(inbox.facts)
        port.close_events()
        inbox.wait(ContainersListed, after=count)
        engine.rm("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "destroy")
        assert inbox.actions() == ["create", "start", "kill", "die", "destroy"]


def test_heartbeats(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.adapters.docker_engine._IDLE", 0.1)
    with watching(adapter(engine)) as (watcher, inbox):
        inbox.wait(ContainersListed)
        beats = watcher.heartbeats()
        assert set(beats) == {EVENTS, RECONCILE}
        eventually(lambda: all(beat > beats[name] for name, beat in watcher.heartbeats().items()))


class Partial(DockerEngine):
    """An engine of which something does not work."""

    no_events: PortError | None = None
    fail_list = False
    fail_inspect = ""

    def events(self, since: float, at: Callable[[], float]) -> Generator[ContainerChanged | None, None, None]:
        if self.no_events is not None:
            raise self.no_events
        yield from super().events(since, at)

    def list_all(self) -> tuple[Container, ...]:
        if self.fail_list:
            raise Refused("no list today")
        return super().list_all()

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        if self.fail_inspect and container_id.startswith(self.fail_inspect):
            raise Unreachable("does not answer within 10s")
        return super().inspect(container_id)


@pytest.mark.parametrize("error", [Refused("not for you"), Unreachable("not for you: no answer within 5s")])
def test_an_engine_without_an_event_stream(engine: Engine, error: PortError) -> None:
    port = Partial(engine.url, timeout=2.0)
    port.no_events = error
    engine.run("app")
    with watching(port, stream_grace=0.3) as (_, inbox):
        assert inbox.wait(EngineSeen).up
        failed = inbox.wait(CheckFailed)
        assert (failed.check, failed.subject) == ("events", "engine")
        assert "not for you" in failed.error
        inbox.wait(ContainerInspected)
        engine.client.stop("app")
        inbox.wait(ContainersListed, lambda fact: fact.containers[0].status == "exited")
        assert inbox.engine() == [True]
        port.no_events = None
        inbox.wait(EngineSeen, lambda fact: fact.up, after=inbox.facts.index(failed))
        count = len(inbox.facts)
        engine.client.start("app")
        inbox.wait(ContainerChanged, lambda fact: fact.action == "start", count)
        assert not inbox.all(CheckFailed, count)


def test_a_list_that_fails_while_the_engine_answers(engine: Engine) -> None:
    port = Partial(engine.url, timeout=2.0)
    port.fail_list = True
    with watching(port) as (_, inbox):
        failed = inbox.wait(CheckFailed)
        assert (failed.check, failed.subject, failed.error) == ("containers", "engine", "list: no list today")
        assert inbox.engine() == []
        port.fail_list = False
        assert inbox.wait(EngineSeen).up
        inbox.wait(ContainersListed)


def test_one_container_that_cannot_be_inspected(engine: Engine) -> None:
    port = Partial(engine.url, timeout=2.0)
    port.fail_inspect = engine.run("stuck")
    engine.run("app")
    with watching(port, poll=0.3) as (_, inbox):
        failed = inbox.wait(CheckFailed)
        assert (failed.check, failed.subject) == ("containers", "stuck")
        assert inbox.wait(ContainerInspected).container.name == "app"
        port.fail_inspect = ""
        inbox.wait(ContainerInspected, lambda fact: fact.container.name == "stuck")
        assert inbox.engine() == [True]


def test_the_order_that_a_judge_relies_on(engine: Engine) -> None:
    """A list that was under way while a container died is older than the death."""
    asked, may_answer = threading.Event(), threading.Event()
    may_answer.set()

    class Slow(DockerEngine):
        def list_all(self) -> tuple[Container, ...]:
            listed = super().list_all()
            asked.set()
            may_answer.wait(5)
            return listed

    engine.run("app")
    with watching(Slow(engine.url, timeout=5.0), poll=0.2) as (_, inbox):
        inbox.wait(ContainerInspected)
        may_answer.clear()
        asked.clear()
        assert asked.wait(5)
        engine.kill_main("app")
        died = inbox.wait(ContainerChanged, lambda fact: fact.action == "die")
        count = len(inbox.facts)
        may_answer.set()
        stale = inbox.wait(ContainersListed, after=count)
        assert stale.containers[0].status == "running"
        assert stale.at < died.at
        fresh = inbox.wait(ContainersListed, lambda fact: fact.at > died.at, count)
        assert fresh.containers[0].status == "exited"
