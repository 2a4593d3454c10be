"""The last word, should a rule ever be mistaken."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.judge.guard import refusal
from edged.vocabulary.actions import (
    Action,
    CaptureEvidence,
    PauseContainer,
    RestartContainer,
    RestartEngine,
    StartContainer,
    UnpauseContainer,
)
from edged.vocabulary.state import AppState, EngineState, Kept, Maintenance, Recovery, State, Stopped
from edged.vocabulary.world import Container, ContainerStatus

from .world import app

COMMON: dict[str, Any] = {"id": "1", "subject": "a", "reason": "r", "timeout": 1.0, "container_id": "c"}
START = StartContainer(**COMMON)
RESTART = RestartContainer(**COMMON, stop_timeout=1.0)
ENGINE = RestartEngine(id="e", subject="engine", reason="r", timeout=1.0, unit="docker.service")


def state(status: ContainerStatus = "exited", *, enabled: bool = True, command: str = "", **kept: Any) -> State:
    recovery = Recovery(phase="acting", action_id="1", command=command)
    box = Container(id="c", name="a", status=status)
    a = AppState(
        name="a", config=app(restart={"enabled": enabled}), container=box, kept=Kept(recovery=recovery, **kept)
    )
    return State(apps={"a": a}, engine=EngineState(up=True))


MAINTENANCE = Maintenance(owner="ann", why="x", since=0.0, until=100.0)
STOPPED = Stopped(by="ann", at=1.0)


def why(action: Action, s: State, now: float = 10.0, busy: frozenset[str] = frozenset()) -> str:
    return refusal(action, s, busy, now)


def test_what_is_in_order_may_begin() -> None:
    assert why(START, state()) == "" and why(RESTART, state("running")) == ""


@pytest.mark.parametrize(
    ("s", "expected"),
    [
        (state(maintenance=MAINTENANCE), "maintenance"),
        (state(stopped=STOPPED), "stopped on purpose"),
        (state(enabled=False), "only observes"),
        (state("restarting"), "already restarting"),
        (state("removing"), "already removing"),
        (replace(state(), engine=EngineState(up=False)), "engine"),
        (replace(state(), stopping=True), "stopping"),
        (State(engine=EngineState(up=True)), "no app"),
    ],
)
def test_what_is_not_may_not(s: State, expected: str) -> None:
    assert expected in why(START, s)


def test_a_person_may_do_more() -> None:
    for s in (
        state(maintenance=MAINTENANCE, command="c1"),
        state(stopped=STOPPED, command="c1"),
        state(enabled=False, command="c1"),
    ):
        assert why(START, s) == ""


def test_but_not_everything() -> None:
    assert why(START, replace(state(command="c1"), engine=EngineState(up=False)))
    assert why(START, state("restarting", command="c1"))


def test_maintenance_that_is_over_forbids_nothing() -> None:
    assert why(START, state(maintenance=MAINTENANCE), now=100.0) == ""


def test_one_action_at_a_time() -> None:
    assert "under way" in why(START, state(), busy=frozenset({"a"}))
    assert "under way" in why(StartContainer(**{**COMMON, "id": "2"}), state())


def test_evidence_may_be_taken_in_any_case() -> None:
    assert why(CaptureEvidence(**COMMON), state(maintenance=MAINTENANCE, stopped=STOPPED, enabled=False)) == ""


def test_what_edged_paused_it_may_let_go_on_and_nothing_else() -> None:
    assert why(UnpauseContainer(**COMMON), state("paused", paused_by_edged=True, enabled=False)) == ""
    assert why(UnpauseContainer(**COMMON), state("paused"))
    assert why(UnpauseContainer(**COMMON), State(engine=EngineState(up=True))) == ""
    assert why(PauseContainer(**COMMON), State(engine=EngineState(up=True)))


def test_the_engine_is_restarted_only_when_it_does_not_answer_and_once_at_a_time() -> None:
    away = EngineState(up=False, action_id="e")
    assert why(ENGINE, State(engine=away)) == ""
    assert why(ENGINE, State(engine=replace(away, up=True)))
    assert why(ENGINE, State(engine=replace(away, action_id="other")))
    assert why(ENGINE, State(engine=away, stopping=True))
