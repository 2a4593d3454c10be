"""Jobs run on time, a broken or hanging check hurts nobody else."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from edged.observe import CHECKS, World
from edged.observe.jobs import Job
from edged.observe.runner import JobRunner
from edged.ports import PortError
from edged.vocabulary.facts import CheckFailed, Fact, Tick
from tests.fixtures.patience import PATIENCE


class FixedClock:
    def now(self) -> float:
        return 1.0

    def wall(self) -> float:
        return 2.0


WORLD = cast(World, type("W", (), {"clock": FixedClock()})())


def until(condition: Callable[[], Any], within: float = 5.0) -> None:
    deadline = time.monotonic() + PATIENCE * within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def job(check: str, subject: str = "x", every: float = 0.02, deadline: float = 1.0) -> Job:
    return Job(check=check, subject=subject, every=every, deadline=deadline)


@pytest.fixture
def facts() -> list[Fact]:
    return []


@pytest.fixture
def runner(facts: list[Fact]) -> Iterator[Callable[..., JobRunner]]:
    made: list[JobRunner] = []

    def make(**checks: Callable[[Job, World], tuple[Fact, ...]]) -> JobRunner:
        made.append(JobRunner(WORLD, facts.append, checks=checks, most=4))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_a_job_runs_at_once_and_then_again_and_again(runner: Callable[..., JobRunner], facts: list[Fact]) -> None:
    one = runner(look=lambda job, world: (Tick(at=1.0),))
    one.update({("look", "x"): job("look")})
    until(lambda: len(facts) >= 3)
    assert one.timings["look"].count >= 3 and one.timings["look"].failures == 0


def test_a_removed_job_ends_and_an_unchanged_one_keeps_its_rhythm(runner: Callable[..., JobRunner]) -> None:
    seen: list[str] = []

    def look(job: Job, world: World) -> tuple[Fact, ...]:
        seen.append(job.subject)
        return ()

    one = runner(look=look)
    slow, quick = job("look", "slow", every=60.0), job("look", "quick")
    one.update({slow.key: slow, quick.key: quick})
    until(lambda: seen.count("quick") >= 2)
    one.update({slow.key: slow})
    until(lambda: not one._running)
    before = len(seen)
    time.sleep(0.06)
    assert len(seen) == before and seen.count("slow") == 1


def test_a_check_that_cannot_be_made_is_said_and_tried_again(
    runner: Callable[..., JobRunner], facts: list[Fact]
) -> None:
    def look(job: Job, world: World) -> tuple[Fact, ...]:
        raise PortError("no descriptors left")

    runner(look=look).update({("look", "x"): job("look")})
    until(lambda: len(facts) >= 2)
    assert facts[0] == CheckFailed(at=1.0, check="look", subject="x", error="no descriptors left")


def test_a_mistake_in_a_check_is_logged_and_ends_nothing(
    runner: Callable[..., JobRunner], facts: list[Fact], caplog: pytest.LogCaptureFixture
) -> None:
    def look(job: Job, world: World) -> tuple[Fact, ...]:
        raise ZeroDivisionError

    runner(look=look).update({("look", "x"): job("look")})
    until(lambda: len(facts) >= 2)
    assert isinstance(facts[0], CheckFailed) and "internal error" in facts[0].error
    assert "mistake in edged" in caplog.text


def test_a_hanging_check_is_reported_once_and_not_started_again(
    runner: Callable[..., JobRunner], facts: list[Fact]
) -> None:
    gate, started = threading.Event(), []

    def hang(job: Job, world: World) -> tuple[Fact, ...]:
        started.append(job)
        gate.wait(5.0)
        return ()

    one = runner(hang=hang, look=lambda job, world: (Tick(at=1.0),))
    one.update({("hang", "x"): job("hang", deadline=0.05), ("look", "x"): job("look")})
    until(lambda: any(seconds > 0.05 for _, seconds, _ in one.calls()))
    one.report_late()
    until(lambda: sum(isinstance(f, Tick) for f in facts) >= 5)
    one.report_late()
    assert [(what, allowed) for what, _, allowed in one.calls() if "hang" in what] == [("the check hang of x", 0.05)]
    late = [f for f in facts if isinstance(f, CheckFailed)]
    assert len(late) == 1 and "did not come back within 0.05 s" in late[0].error
    assert len(started) == 1
    gate.set()
    until(lambda: len(started) >= 2)


def test_workers_are_added_when_all_are_busy_up_to_a_bound(runner: Callable[..., JobRunner]) -> None:
    gate, running = threading.Event(), []

    def hang(job: Job, world: World) -> tuple[Fact, ...]:
        running.append(job.subject)
        gate.wait(5.0)
        return ()

    one = runner(hang=hang)
    jobs = [job("hang", str(n)) for n in range(8)]
    one.update({j.key: j for j in jobs})
    until(lambda: len(running) == 4)
    time.sleep(0.05)
    assert one.threads() == 4 and len(running) == 4
    gate.set()
    until(lambda: len(set(running)) == 8)


def test_every_planned_check_exists() -> None:
    assert {"resources", "host", "probe", "dependency"} <= CHECKS.keys()


def test_a_job_that_falls_due_while_it_runs_is_run_as_soon_as_it_ends(runner: Callable[..., JobRunner]) -> None:
    begun: list[float] = []

    def slow(job: Job, world: World) -> tuple[Fact, ...]:
        begun.append(time.monotonic())
        time.sleep(0.12)
        return ()

    runner(slow=slow).update({("slow", "x"): job("slow", every=0.1)})
    until(lambda: len(begun) >= 4)
    gaps = [b - a for a, b in itertools.pairwise(begun)]
    assert max(gaps) < 0.19


def test_when_every_worker_hangs_another_is_added_as_soon_as_something_is_due(
    runner: Callable[..., JobRunner], facts: list[Fact]
) -> None:
    gate, hanging = threading.Event(), []

    def hang(job: Job, world: World) -> tuple[Fact, ...]:
        hanging.append(job.subject)
        gate.wait(5.0)
        return ()

    one = runner(hang=hang, look=lambda job, world: (Tick(at=1.0),))
    jobs = [job("hang", str(n), every=60.0) for n in range(2)]
    later = job("look", every=0.3)
    one.update({later.key: later})
    until(lambda: facts)
    for n in range(2):
        # One after the other: while the last free worker takes its job nothing else is due.
        one.update({j.key: j for j in (later, *jobs[: n + 1])})
        until(lambda n=n: len(hanging) == n + 1)
    before = len(facts)

    def goes_on() -> bool:
        one.report_late()
        return len(facts) > before + 1

    until(goes_on)
    assert one.threads() == 3
    gate.set()
