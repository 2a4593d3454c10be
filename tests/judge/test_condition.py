"""One word for how an app is, and why."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.judge.condition import SETTLE, condition, settles_at
from edged.vocabulary.state import AppState, EngineState, Kept, Stopped, Streak
from edged.vocabulary.world import Container, ContainerStatus

from .world import app, probed

UP = EngineState(up=True, listed=True)


def state(
    status: ContainerStatus = "running", *, config: Any = None, container: dict[str, Any] | None = None, **more: Any
) -> AppState:
    box = Container(id="1", name="a", status=status, **(container or {}))
    return replace(AppState(name="a", config=config or app(), container=box, sought=True), **more)


def seen(a: AppState, engine: EngineState = UP, now: float = 100.0) -> str:
    return condition(a, engine, now)[0]


def why(a: AppState, now: float = 100.0) -> str:
    return condition(a, UP, now)[1]


@pytest.mark.parametrize("engine", [EngineState(), EngineState(up=False), EngineState(up=True, listed=False)])
def test_without_the_engine_nothing_is_known(engine: EngineState) -> None:
    assert seen(state(), engine) == "unknown"


def test_an_app_that_was_looked_for_in_vain_is_missing() -> None:
    assert seen(AppState(name="a", config=app(), sought=True)) == "missing"


def test_one_that_was_not_looked_for_is_not() -> None:
    assert seen(AppState(name="a", config=app())) == "unknown"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("created", "down"),
        ("exited", "down"),
        ("dead", "down"),
        ("removing", "missing"),
        ("restarting", "restarting"),
        ("paused", "paused"),
        ("running", "healthy"),
    ],
)
def test_the_containers_status_counts(status: ContainerStatus, expected: str) -> None:
    assert seen(state(status)) == expected


def test_what_a_person_stopped_is_stopped() -> None:
    stopped = Kept(stopped=Stopped(by="ann", at=1.0))
    assert condition(state("exited", kept=stopped), UP, 1.0) == ("stopped", "stopped by ann")


def test_a_job_that_ended_well_is_stopped_when_its_policy_says_so() -> None:
    assert seen(state("exited", container={"restart_policy": "on-failure", "exit_code": 0})) == "stopped"
    assert seen(state("exited", container={"restart_policy": "on-failure", "exit_code": 1})) == "down"
    assert seen(state("exited", container={"restart_policy": "no", "exit_code": 0})) == "down"


def test_want_of_memory_is_named() -> None:
    assert "memory" in why(state("exited", container={"oom_killed": True}))
    assert "memory" in why(state("exited", oom_at=50.0, died_at=51.0))
    assert "memory" not in why(state("exited", oom_at=50.0, died_at=90.0, container={"exit_code": 137}))


def test_the_exit_code_is_named() -> None:
    assert why(state("exited", container={"exit_code": 3})) == "exited with code 3"


def test_without_a_check_it_is_healthy_once_it_has_run_a_moment() -> None:
    a = state(started_at=100.0)
    assert seen(a, now=100.0) == "starting"
    assert settles_at(a, 100.0) == 100.0 + SETTLE
    assert seen(a, now=100.0 + SETTLE) == "healthy"
    assert settles_at(a, 100.0 + SETTLE) is None


@pytest.mark.parametrize(("verdict", "expected"), [("unknown", "starting"), ("good", "healthy"), ("bad", "unhealthy")])
def test_the_probe_decides(verdict: Any, expected: str) -> None:
    assert seen(state(config=probed(), probe=Streak(verdict=verdict, bad=3, detail="HTTP 503"))) == expected


@pytest.mark.parametrize(
    ("health", "expected"), [("starting", "starting"), ("healthy", "healthy"), ("unhealthy", "unhealthy")]
)
def test_dockers_check_decides(health: str, expected: str) -> None:
    assert seen(state(container={"health": health})) == expected


def test_dockers_check_can_be_left_out() -> None:
    assert seen(state(config=app(health={"docker": False}), container={"health": "unhealthy"})) == "healthy"


def test_one_bad_check_of_two_is_enough() -> None:
    assert seen(state(config=probed(), probe=Streak(verdict="good"), container={"health": "unhealthy"})) == "unhealthy"


def test_both_checks_must_pass() -> None:
    assert seen(state(config=probed(), probe=Streak(verdict="good"), container={"health": "starting"})) == "starting"


def test_the_reason_does_not_count_so_that_it_is_not_news_after_each_probe() -> None:
    first = state(config=probed(), probe=Streak(verdict="bad", bad=3, detail="HTTP 503"))
    assert why(first) == why(replace(first, probe=Streak(verdict="bad", bad=4, detail="HTTP 503")))


def test_the_reason_stays_sensible_while_good_answers_are_counted() -> None:
    a = state(config=probed(health={"successes": 2}), probe=Streak(verdict="bad", good=1))
    assert why(a) == "its health probes failed; 2 in a row must pass again"
