"""One action on a subject at a time, every outcome reported, a mistake ends nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from edged.act import AFTERWARDS, EXECUTORS, Tools
from edged.act.runner import SLACK, ActionRunner
from edged.ports import Refused
from edged.vocabulary.actions import Action, AnyAction, StartContainer
from edged.vocabulary.facts import ActionFinished
from tests.fixtures.patience import PATIENCE


class FixedClock:
    def now(self) -> float:
        return 1.0

    def wall(self) -> float:
        return 2.0


def until(condition: Callable[[], Any], within: float = 5.0) -> None:
    deadline = time.monotonic() + PATIENCE * within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def start(subject: str = "app", action_id: str = "1", timeout: float = 1.0) -> StartContainer:
    return StartContainer(id=action_id, subject=subject, reason="test", timeout=timeout, container_id="c")


Make = Callable[..., ActionRunner]


@pytest.fixture
def outcomes() -> list[ActionFinished]:
    return []


@pytest.fixture
def runner(outcomes: list[ActionFinished]) -> Iterator[Make]:
    made: list[ActionRunner] = []

    def make(executor: Callable[[Any, Tools], dict[str, Any]], **options: Any) -> ActionRunner:
        made.append(
            ActionRunner(
                cast(Tools, None),
                FixedClock(),
                cast(Any, outcomes.append),
                executors={StartContainer: executor},
                **options,
            )
        )
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop(1.0)


def test_an_outcome_is_reported(runner: Make, outcomes: list[ActionFinished]) -> None:
    runner(lambda action, tools: {"done": action.container_id}).submit(start())
    until(lambda: outcomes)
    got = outcomes[0]
    assert (got.ok, got.action, got.subject, got.action_id, got.result) == (
        True,
        "StartContainer",
        "app",
        "1",
        {"done": "c"},
    )


def test_what_the_world_refuses_is_a_failed_action(runner: Make, outcomes: list[ActionFinished]) -> None:
    def refuse(action: Action, tools: Tools) -> dict[str, Any]:
        raise Refused("marked for removal")

    runner(refuse).submit(start())
    until(lambda: outcomes)
    assert not outcomes[0].ok and outcomes[0].error == "marked for removal"


def test_a_mistake_is_a_failed_action_and_the_worker_goes_on(
    runner: Make, outcomes: list[ActionFinished], caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(action: Action, tools: Tools) -> dict[str, Any]:
        if action.id == "1":
            raise ZeroDivisionError
        return {}

    one = runner(stumble, workers=1)
    one.submit(start("a", "1"))
    one.submit(start("b", "2"))
    until(lambda: len(outcomes) == 2)
    assert "internal error" in outcomes[0].error and outcomes[1].ok
    assert "mistake in edged" in caplog.text


def test_a_second_action_on_the_same_subject_is_refused_while_one_is_under_way(
    runner: Make, outcomes: list[ActionFinished]
) -> None:
    gate = threading.Event()

    def wait(action: Action, tools: Tools) -> dict[str, Any]:
        gate.wait(5.0)
        return {}

    one = runner(wait)
    one.submit(start("a", "1"))
    one.submit(start("a", "2"))
    one.submit(start("b", "3"))
    assert [(o.action_id, o.ok) for o in outcomes] == [("2", False)] and "under way" in outcomes[0].error
    gate.set()
    until(lambda: len(outcomes) == 3)
    one.submit(start("a", "4"))
    until(lambda: len(outcomes) == 4)
    assert outcomes[3].ok


def test_the_queue_is_bounded(runner: Make, outcomes: list[ActionFinished]) -> None:
    gate, begun = threading.Event(), threading.Event()

    def wait(action: Action, tools: Tools) -> dict[str, Any]:
        begun.set()
        gate.wait(5.0)
        return {}

    one = runner(wait, workers=1, depth=1)
    one.submit(start("a", "1"))
    assert begun.wait(5.0)
    one.submit(start("b", "2"))
    one.submit(start("c", "3"))
    assert [(o.action_id, o.ok) for o in outcomes] == [("3", False)] and "too many" in outcomes[0].error
    gate.set()
    until(lambda: len(outcomes) == 3)


def test_an_action_that_does_not_come_back_is_reported_once_and_keeps_its_subject(
    runner: Make, outcomes: list[ActionFinished]
) -> None:
    gate, now = threading.Event(), [0.0]

    def wait(action: Action, tools: Tools) -> dict[str, Any]:
        gate.wait(5.0)
        return {}

    one = runner(wait, monotonic=lambda: now[0])
    one.submit(start(timeout=2.0))
    until(lambda: one.calls() == [("the action StartContainer on app", 0.0, 2.0 + SLACK)])
    now[0] = 2.0 + SLACK
    one.report_late()
    assert not outcomes
    now[0] += 1.0
    one.report_late()
    one.report_late()
    (late,) = outcomes
    assert (late.action_id, late.ok, late.error) == ("1", False, "it did not come back within 18 s")
    one.submit(start(action_id="2"))
    assert outcomes[1].error == "refused: another action on it is under way"
    assert outcomes[1].result == {"code": "busy"}
    gate.set()
    until(lambda: not one.calls())
    one.submit(start(action_id="3"))
    until(lambda: len(outcomes) == 3)
    assert (outcomes[2].action_id, outcomes[2].ok) == ("3", True), "the first one is not reported twice"


def test_what_waits_for_a_worker_is_not_late(runner: Make, outcomes: list[ActionFinished]) -> None:
    gate, now = threading.Event(), [0.0]

    def wait(action: Action, tools: Tools) -> dict[str, Any]:
        gate.wait(5.0)
        return {}

    one = runner(wait, workers=1, monotonic=lambda: now[0])
    one.submit(start("a", "1", timeout=600.0))
    until(one.calls)
    one.submit(start("b", "2", timeout=1.0))
    now[0] = 300.0
    one.report_late()
    assert not outcomes and [what for what, _, _ in one.calls()] == ["the action StartContainer on a"]
    gate.set()
    until(lambda: len(outcomes) == 2)


def test_what_is_left_to_do_afterwards_is_watched_too(
    runner: Make, outcomes: list[ActionFinished], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setitem(AFTERWARDS, StartContainer, lambda result, tools: gate.wait(5.0) and None)
    one = runner(lambda action, tools: {})
    one.submit(start())
    until(lambda: outcomes)
    until(lambda: [what for what, _, _ in one.calls()] == ["the action StartContainer on app"])
    one.submit(start(action_id="2"))
    until(lambda: len(outcomes) == 2)
    assert outcomes[1].ok, "the subject is free"
    gate.set()
    until(lambda: not one.calls())


def test_every_action_has_an_executor() -> None:
    assert set(AnyAction.__args__) == EXECUTORS.keys()
