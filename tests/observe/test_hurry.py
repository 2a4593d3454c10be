"""An app that has just started is looked at more often, until it has answered once; then in its own rhythm."""

from __future__ import annotations

import threading
from typing import cast

import msgspec
import pytest
from msgspec.structs import replace

from edged.config import App, Config
from edged.observe import World
from edged.observe.jobs import HURRY, Job, ProbeJob, plan
from edged.observe.runner import JobRunner
from edged.vocabulary.facts import Fact
from edged.vocabulary.state import AppState, Condition, Streak
from edged.vocabulary.world import Container

RUNNING = Container(id="c1", name="a", status="running", image="i", labels={}, health="none")

UNKNOWN = Streak()


def every(condition: Condition, probe: Streak = UNKNOWN, beat: float = 5.0) -> float:
    config = msgspec.convert({"health": {"http": "http://127.0.0.1:1/", "every": beat, "timeout": 0.1}}, App)
    app = AppState(name="a", config=config, container=RUNNING, condition=condition, probe=probe)
    return plan(Config(), [app])["probe", "a"].every


def test_only_while_it_starts_and_has_not_answered() -> None:
    assert every("starting") == HURRY
    assert every("healthy") == every("unhealthy") == 5.0
    # Failures count in its own rhythm, and so does what makes several good answers one verdict.
    assert every("starting", Streak(bad=1)) == every("starting", Streak(good=1)) == 5.0
    assert every("starting", Streak(bad=3, verdict="bad")) == 5.0
    assert every("starting", beat=0.1) == 0.1


@pytest.mark.parametrize(("before", "after", "at_once"), [(30.0, 0.5, True), (0.5, 30.0, False)])
def test_a_quicker_rhythm_begins_at_once_and_a_slower_one_does_not(before: float, after: float, at_once: bool) -> None:
    ran = threading.Event()

    def check(job: Job, world: World) -> tuple[Fact, ...]:
        ran.set()
        return ()

    runner = JobRunner(cast(World, None), lambda fact: None, checks={"probe": check})
    job = ProbeJob(check="probe", subject="a", kind="app", every=before, timeout=0.1, deadline=5.0)
    runner.start()
    try:
        runner.update({job.key: job})
        assert ran.wait(5.0)
        ran.clear()
        runner.update({job.key: replace(job, every=after)})
        assert ran.wait(5.0 if at_once else 0.3) is at_once
    finally:
        runner.stop()
