"""What people ask for."""

from __future__ import annotations

from typing import Any

import pytest

from edged.judge.commands import COMMANDS
from edged.vocabulary import facts
from edged.vocabulary.events import ActionStarted, CommandAnswered, MaintenanceChanged

from .world import World, app, probed


def one(boxes: dict[str, Any] | None = None, **more: Any) -> World:
    return World({"a": app(**more)}, boxes={"a": boxes or {}}).run(2.0).forget()


def answers(w: World) -> list[tuple[str, str]]:
    return [(e.status, e.reason) for e in w.events(CommandAnswered)]


# restart, start, stop


def test_restart_is_accepted_and_succeeds_when_it_is_seen_healthy() -> None:
    w = one()
    w.command("restart", app="a")
    assert answers(w) == [("accepted", "")]
    w.run(5.0)
    assert answers(w) == [("accepted", ""), ("succeeded", "")] and w.actions("a") == ["RestartContainer"]
    assert not w.state.commands


def test_evidence_is_kept_for_it_too() -> None:
    w = one()
    w.command("restart", app="a")
    w.run(5.0)
    assert w.actions("a", evidence=True) == ["CaptureEvidence", "RestartContainer"]


def test_it_says_who_asked_and_is_no_attempt_of_edgeds() -> None:
    w = one()
    w.command("restart", app="a")
    w.run(5.0)
    (told,) = w.events(ActionStarted)
    assert told.reason == "restart by local:uid=1(ann)" and told.attempt == 0
    assert not w.app("a").kept.recovery.charged and not w.app("a").kept.recovery.attempts


def test_restart_of_what_is_down_starts_it() -> None:
    w = one({"status": "exited"}, restart={"enabled": False})
    w.command("restart", app="a")
    w.run(5.0)
    assert w.actions("a") == ["StartContainer"] and answers(w)[-1] == ("succeeded", "")


def test_restart_of_what_a_person_stopped_ends_the_stop() -> None:
    w = one()
    w.docker_stop("a")
    w.run(2.0)
    w.command("restart", app="a")
    w.run(5.0)
    assert w.condition("a") == "healthy" and answers(w)[-1] == ("succeeded", "")


def test_one_that_does_not_become_healthy_has_failed() -> None:
    w = World({"a": probed(health={"failures": 1, "start_period": 5.0})}).run(10.0)
    w.probe("a")
    w.command("restart", app="a")
    w.run(10.0)
    w.probe("a", False)
    status, reason = answers(w)[-1]
    assert (status, reason) == ("failed", "not_healthy") and not w.state.commands


def test_one_that_the_engine_refuses_has_failed() -> None:
    w = one()
    w.failing["RestartContainer"] = "device or resource busy"
    w.command("restart", app="a")
    w.run(5.0)
    (failed,) = w.events(CommandAnswered, status="failed")
    assert "device or resource busy" in failed.message


def test_one_that_the_engine_does_not_live_to_carry_out_has_failed() -> None:
    w = one()
    w.command("restart", app="a")
    w.run(0.0025)
    w.hang_engine()
    w.run(30.0)
    assert answers(w)[-1] == ("failed", "engine_down")


def test_stop_stops_and_it_stays_stopped() -> None:
    w = one({"policy": "always"})
    w.command("stop", app="a")
    w.run(300.0)
    assert w.condition("a") == "stopped" and w.app("a").reason == "stopped by local:uid=1(ann)"
    assert answers(w)[-1] == ("succeeded", "") and w.actions("a") == ["StopContainer"] and not w.firing("a")


def test_stop_of_what_is_down_leaves_it_down() -> None:
    w = one({"status": "exited"}, restart={"enabled": False})
    w.command("stop", app="a")
    w.run(60.0)
    assert w.condition("a") == "stopped" and answers(w)[-1] == ("succeeded", "")


def test_a_stop_that_fails_leaves_the_app_in_edgeds_care() -> None:
    w = one()
    w.failing["StopContainer"] = "busy"
    w.command("stop", app="a")
    w.run(5.0)
    assert answers(w)[-1][0] == "failed" and w.app("a").kept.stopped is None
    w.crash("a")
    w.run(5.0)
    assert w.condition("a") == "healthy"


def test_a_stop_survives_a_restart_of_edged_in_its_middle() -> None:
    w = one()
    w.boxes["a"].stop_takes = 5.0
    w.command("stop", app="a")
    w.run(1.0)
    w.restart_edged()
    w.run(120.0)
    assert w.condition("a") == "stopped" and w.actions("a") == ["StopContainer"]


def test_a_stop_that_came_to_nothing_while_edged_was_away_is_not_believed_for_ever() -> None:
    w = one()
    w.lost.add("StopContainer")
    w.command("stop", app="a")
    w.run(1.0)
    w.restart_edged()
    w.lost.clear()
    w.run(200.0)
    assert w.app("a").kept.stopped is None
    w.crash("a")
    w.run(5.0)
    assert w.condition("a") == "healthy"


def test_start_starts_what_was_stopped() -> None:
    w = one()
    w.command("stop", app="a")
    w.run(5.0)
    w.command("start", app="a")
    w.run(5.0)
    assert w.condition("a") == "healthy" and w.app("a").kept.stopped is None


def test_start_of_a_paused_app_lets_it_go_on() -> None:
    w = one()
    w.pause("a")
    w.run(1.0)
    w.command("start", app="a")
    w.run(5.0)
    assert w.actions("a") == ["UnpauseContainer"] and answers(w)[-1] == ("succeeded", "")


def test_restart_of_a_paused_app_restarts_it() -> None:
    w = one()
    w.pause("a")
    w.run(1.0)
    w.command("restart", app="a")
    w.run(5.0)
    assert w.condition("a") == "healthy" and w.actions("a") == ["RestartContainer"]


@pytest.mark.parametrize("kind", ["restart", "stop"])
def test_they_work_in_maintenance_and_on_what_is_only_observed(kind: str) -> None:
    w = one(restart={"enabled": False})
    w.command("maintenance.set", app="a", on=True, seconds=600.0, why="test")
    w.command(kind, app="a")
    w.run(5.0)
    assert answers(w)[-1] == ("succeeded", "")


def test_a_person_comes_first_while_an_attempt_of_edgeds_is_only_being_verified() -> None:
    w = World({"a": probed()}).run(1.0)
    w.crash("a")
    w.run(2.0)
    assert w.app("a").kept.recovery.phase == "verifying"
    w.command("stop", app="a")
    w.run(10.0)
    assert w.condition("a") == "stopped" and answers(w)[-1] == ("succeeded", "")


# Rejections


def rejected(w: World) -> CommandAnswered:
    (answer,) = w.events(CommandAnswered)
    assert answer.status == "rejected" and answer.message and not w.asked and not w.state.commands
    return answer


@pytest.mark.parametrize(
    ("kind", "args", "reason"),
    [
        ("reboot", {}, "unknown_type"),
        ("restart", {}, "bad_arguments"),
        ("restart", {"app": 7}, "bad_arguments"),
        ("restart", {"app": "a", "force": True}, "bad_arguments"),
        ("restart", {"app": "b"}, "unknown_app"),
        ("start", {"app": "a"}, "already_running"),
        ("maintenance.set", {"app": "a"}, "bad_arguments"),
        ("maintenance.set", {"app": "b", "on": True, "seconds": 60, "why": "x"}, "unknown_app"),
        ("maintenance.set", {"app": "a", "on": True, "why": "x"}, "bad_arguments"),
        ("maintenance.set", {"app": "a", "on": True, "seconds": -5, "why": "x"}, "bad_arguments"),
        ("maintenance.set", {"app": "a", "on": True, "seconds": float("nan"), "why": "x"}, "bad_arguments"),
        ("maintenance.set", {"app": "a", "on": True, "seconds": 31 * 86400, "why": "x"}, "bad_arguments"),
        ("maintenance.set", {"app": "a", "on": True, "seconds": 60}, "bad_arguments"),
        ("maintenance.set", {"app": "a", "on": False}, "not_in_maintenance"),
    ],
)
def test_nonsense_is_rejected_with_a_code_and_words(kind: str, args: dict[str, Any], reason: str) -> None:
    w = one()
    w.command(kind, **args)
    assert rejected(w).reason == reason


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    w = one()
    w.command("restart", app="b")
    assert "apps here: a" in rejected(w).message
    w.forget().command("reboot")
    assert all(kind in rejected(w).message for kind in COMMANDS)


def test_what_is_stopped_is_not_stopped_twice() -> None:
    w = one()
    w.docker_stop("a")
    w.run(5.0)
    w.command("stop", app="a")
    assert rejected(w).reason == "already_stopped"


def test_without_a_container_nothing_can_be_done() -> None:
    w = one()
    w.remove("a")
    w.run(1.0)
    w.command("start", app="a")
    assert rejected(w).reason == "no_container"


def test_without_the_engine_neither() -> None:
    w = one()
    w.hang_engine()
    w.command("restart", app="a")
    assert rejected(w).reason == "engine_down"


def test_one_thing_at_a_time() -> None:
    w = one()
    w.command("restart", app="a")
    w.forget().command("stop", app="a")
    answer = w.events(CommandAnswered)[0]
    assert (answer.reason, answer.message) == ("busy", "a is just being restarted")
    w.run(5.0)
    assert w.condition("a") == "healthy"


def test_a_command_being_verified_is_not_pushed_aside_by_another() -> None:
    w = World({"a": probed()}).run(1.0)
    w.command("restart", app="a")
    w.run(2.0)
    w.forget().command("stop", app="a")
    assert w.events(CommandAnswered)[0].reason == "busy"


def test_what_docker_is_just_restarting_is_left_to_it() -> None:
    w = one({"policy": "always", "tries": 10})
    w.crash("a")
    w.list_now()
    w.command("restart", app="a")
    assert rejected(w).reason == "busy"


def test_edged_that_stops_takes_nothing_on() -> None:
    w = one()
    w.feed(facts.StopRequested(at=w.now, reason="signal"))
    w.command("restart", app="a")
    assert w.events(CommandAnswered)[0].reason == "stopping"


# Maintenance


def test_maintenance_has_an_owner_a_reason_and_an_end() -> None:
    w = one()
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="new camera")
    assert answers(w) == [("succeeded", "")]
    w.run(61.0)
    on, off = w.events(MaintenanceChanged)
    assert (on.on, on.owner, on.why, on.seconds) == (True, "local:uid=1(ann)", "new camera", 60.0)
    assert (off.on, off.why) == (False, "its time is over") and off.seconds == pytest.approx(60.0)
    assert w.app("a").kept.maintenance is None


def test_it_can_be_ended_before() -> None:
    w = one()
    w.command("maintenance.set", app="a", on=True, seconds=600.0, why="new camera")
    w.crash("a")
    w.run(30.0)
    assert not w.asked
    w.command("maintenance.set", app="a", on=False)
    assert w.asked and w.events(MaintenanceChanged)[-1].seconds == pytest.approx(30.0)


def test_it_can_be_prolonged() -> None:
    w = one()
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="new camera")
    w.run(50.0)
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="it takes longer")
    w.run(50.0)
    assert w.app("a").kept.maintenance is not None


def test_it_ends_in_time_even_if_edged_was_away_then() -> None:
    w = one()
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="new camera")
    w.restart_edged(away=100.0)
    assert w.app("a").kept.maintenance is None and not w.events(MaintenanceChanged)[-1].on
