"""Success is claimed when it is seen."""

from __future__ import annotations

from typing import Any

import pytest

from edged.judge.verify import AT_ITS_WORD
from edged.vocabulary.events import AppChanged, CommandAnswered, RecoveryFailed, RecoverySucceeded

from .world import World, app, probed

HEALTH: dict[str, Any] = {"failures": 1, "start_period": 5.0}


def ill() -> World:
    """An app whose restart has just been given out."""
    w = World({"a": probed(health=HEALTH)}).run(10.0)
    w.probe("a")
    w.run(1.0)
    w.probe("a", False)
    w.run(0.003)
    assert w.actions("a") == ["RestartContainer"]
    return w


def slow_stream(w: World, seconds: float) -> None:
    """Events come so much later than the answers of actions."""
    w.stream_at = w.now + seconds


def test_health_from_before_the_restart_proves_nothing() -> None:
    w = World({"a": app()}).run(2.0)
    slow_stream(w, 3.0)
    w.command("restart", app="a")
    w.run(2.0)
    assert not w.events(CommandAnswered, status="succeeded")
    w.run(5.0)
    assert w.events(CommandAnswered, status="succeeded")


@pytest.mark.parametrize("late", [0.0, 0.2, 2.0, 4.0])
def test_events_of_its_own_restart_may_come_late_and_are_still_its_own(late: float) -> None:
    w = ill()
    slow_stream(w, late)
    w.run(late + 1.0)
    w.probe("a")
    assert w.events(RecoverySucceeded) and not w.events(RecoveryFailed)
    assert not w.app("a").kept.deaths and w.app("a").kept.stopped is None
    assert "stopped" not in [e.new for e in w.events(AppChanged)]


@pytest.mark.parametrize("late", [0.0, 0.2, 2.0])
def test_so_may_those_of_its_own_start(late: float) -> None:
    w = World({"a": app()}).run(2.0)
    w.crash("a")
    w.run(0.003)
    slow_stream(w, late)
    w.run(late + 3.0)
    assert w.events(RecoverySucceeded) and not w.events(RecoveryFailed)


@pytest.mark.parametrize("late", [0.0, 0.2, 2.0])
def test_and_those_of_a_stop_by_command(late: float) -> None:
    w = World({"a": app()}).run(2.0)
    w.command("stop", app="a")
    slow_stream(w, late)
    w.run(late + 3.0)
    assert w.events(CommandAnswered, status="succeeded") and w.condition("a") == "stopped"
    assert w.app("a").reason == "stopped by local:uid=1(ann)"


def test_without_any_event_the_engine_is_taken_at_its_word() -> None:
    w = ill()
    w.deaf = True
    w.run(AT_ITS_WORD + 1.0)
    assert not w.events(RecoverySucceeded)
    w.probe("a")
    assert w.events(RecoverySucceeded)


def test_but_not_for_a_start_which_a_list_has_to_show() -> None:
    w = World({"a": app()}).run(2.0)
    w.crash("a")
    w.run(0.003)
    w.deaf = True
    w.run(10.0)
    assert not w.events(RecoverySucceeded)
    w.list_now()
    w.run(2.0)
    assert w.events(RecoverySucceeded)


def test_a_start_that_a_list_shows_to_have_failed_has_failed() -> None:
    w = World({"a": app()}).run(2.0)
    w.crash("a")
    w.run(0.003)
    w.deaf = True
    w.boxes["a"].crash_after = 1.0
    w.run(5.0)
    w.list_now()
    assert w.events(RecoveryFailed)


def test_an_engine_that_says_yes_to_the_start_of_what_it_is_restarting_proves_nothing() -> None:
    w = World({"a": app(restart={"policy_grace": 1.0})}, boxes={"a": {"policy": "always", "tries": 10}}).run(2.0)
    w.docker_kill("a", signal=34)
    w.crash("a")
    w.boxes["a"].status = "restarting"
    w.run(10.0)
    assert w.actions("a") == ["StartContainer"] and not w.events(RecoverySucceeded)


def test_a_run_that_docker_began_just_before_does_not_make_the_restart_a_persons() -> None:
    w = World({"a": probed(health=HEALTH)}, boxes={"a": {"policy": "always"}}).run(10.0)
    w.probe("a", False)
    w.run(0.0025)
    assert w.actions("a") == ["RestartContainer"]
    box = w.boxes["a"]
    for word in ("die", "start", "kill", "die", "stop"):
        w.change(box, word)
        w.run(0.01)
    assert w.app("a").kept.stopped is None and "stopped" not in [e.new for e in w.events(AppChanged)]


def test_dying_in_the_middle_is_a_failure() -> None:
    w = ill()
    w.run(1.0)
    w.crash("a")
    w.run(0.01)
    assert w.events(RecoveryFailed)[0].reason.startswith("down")


def test_an_engine_that_goes_away_in_the_middle_is_no_failure_of_the_app() -> None:
    w = ill()
    w.run(1.0)
    w.hang_engine()
    w.run(60.0)
    assert not w.events(RecoveryFailed) and not w.app("a").kept.recovery.charged
    w.wake_engine()
    w.run(1.0)
    w.probe("a")
    assert w.events(RecoverySucceeded)


def test_a_new_container_in_the_middle_is_what_is_looked_at() -> None:
    w = ill()
    w.run(0.5)
    w.recreate("a")
    w.run(1.0)
    w.probe("a")
    assert w.condition("a") == "healthy" and not w.events(RecoveryFailed)
    assert not w.app("a").kept.recovery.ailment
