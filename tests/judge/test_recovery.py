"""From the first sign of trouble to health: attempts, backoff, budget, circuit, and who did it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from edged.vocabulary import facts
from edged.vocabulary.actions import CaptureEvidence
from edged.vocabulary.events import (
    ActionEnded,
    ActionStarted,
    RecoveryFailed,
    RecoveryGaveUp,
    RecoveryHeld,
    RecoveryStarted,
    RecoverySucceeded,
)

from .world import World, app, probed

RULES: dict[str, Any] = {
    "budget": 3,
    "per": 60.0,
    "backoff": 1.0,
    "max_backoff": 8.0,
    "retry_after": 100.0,
    "reset_after": 60.0,
    "verify_within": 10.0,
}


def one(boxes: dict[str, Any] | None = None, **more: Any) -> World:
    more["restart"] = RULES | more.get("restart", {})
    return World({"a": app(**more)}, boxes={"a": boxes or {}}).run(2.0).forget()


def broken() -> World:
    """An app that cannot be started."""
    w = one()
    w.boxes["a"].start_error = "no such image"
    w.crash("a")
    return w


def starts(w: World) -> list[float]:
    """Seconds from one attempt to the next."""
    at = [t for t, e in w.told if isinstance(e, ActionStarted)]
    return [b - a for a, b in itertools.pairwise(at)]


def test_a_dead_app_is_started_verified_and_told() -> None:
    w = one()
    w.crash("a")
    w.run(5.0)
    assert w.condition("a") == "healthy" and w.actions("a") == ["StartContainer"]
    (done,) = w.events(RecoverySucceeded)
    assert (done.ailment, done.attempts, done.by) == ("AppDown", 1, "edged") and 1.0 < done.seconds < 2.0


def test_the_story_is_told_in_order() -> None:
    w = one()
    w.crash("a")
    w.run(5.0)
    kinds = (RecoveryStarted, ActionEnded, ActionStarted, ActionEnded, RecoverySucceeded)
    assert [type(e) for _, e in w.told if isinstance(e, kinds)] == list(kinds)


def test_evidence_comes_first_and_knows_the_moment() -> None:
    w = World({"a": probed(health={"failures": 1, "start_period": 0.0})}).run(1.0)
    w.resources()
    w.probe("a", False, detail="HTTP 503")
    (action,) = (a for _, a in w.asked)
    assert isinstance(action, CaptureEvidence)
    assert "HTTP 503" in action.context["probe"] and action.context["memory_bytes"] == str(50 * 2**20)
    assert action.context["ailment"] == "Unhealthy"


def test_the_first_attempt_is_immediate_and_the_next_ones_back_off() -> None:
    w = broken()
    w.run(40.0)
    assert starts(w) == pytest.approx([1.0, 2.0], rel=0.15)


def test_backoff_has_its_own_jitter_on_each_device_and_app() -> None:
    w = broken()
    w.run(40.0)
    assert starts(w)[0] != 1.0


def test_a_failed_attempt_says_why_and_when_the_next_one_is() -> None:
    w = broken()
    w.run(0.5)
    (failed,) = w.events(RecoveryFailed)
    assert failed.attempt == 1 and failed.reason == "no such image"
    assert failed.next_in == pytest.approx(1.0, rel=0.15)


def test_the_budget_ends_the_attempts() -> None:
    w = broken()
    w.run(90.0)
    assert len(w.actions("a")) == 3
    (told,) = w.events(RecoveryGaveUp)
    assert told.attempts == 3 and told.retry_in == pytest.approx(100.0, rel=0.1)


def test_giving_up_is_said_when_it_is_known_and_not_after_one_more_wait() -> None:
    w = broken()
    w.run(90.0)
    failed = [t for t, e in w.told if isinstance(e, RecoveryFailed)]
    gave_up = [t for t, e in w.told if isinstance(e, RecoveryGaveUp)]
    assert gave_up == failed[-1:]
    assert w.events(RecoveryFailed)[-1].next_in == w.events(RecoveryGaveUp)[0].retry_in


def test_it_is_never_abandoned_one_slow_retry_follows_the_other() -> None:
    w = broken()
    w.run(1000.0)
    slow = starts(w)[2:]
    assert len(slow) >= 7 and all(90.0 <= s <= 115.0 for s in slow)
    assert len(w.events(RecoveryGaveUp)) == 1


def test_the_circuit_closes_only_after_a_while_of_health() -> None:
    w = broken()
    w.run(30.0)
    w.boxes["a"].start_error = ""
    w.until(lambda: w.condition("a") == "healthy")
    assert w.app("a").kept.recovery.open
    w.run(61.0)
    assert not w.app("a").kept.recovery.open and w.app("a").kept.recovery.attempts == 0


def test_a_short_health_does_not_close_it_and_the_next_retry_is_slow() -> None:
    w = broken()
    w.run(30.0)
    w.boxes["a"].start_error = ""
    w.until(lambda: w.condition("a") == "healthy")
    w.run(30.0)
    w.forget()
    w.crash("a")
    w.run(50.0)
    assert not w.actions("a")
    w.run(50.0)
    assert w.actions("a") == ["StartContainer"]


def test_staying_healthy_resets_the_backoff_but_not_the_budget_of_the_window() -> None:
    w = one(restart={"per": 600.0, "reset_after": 60.0})
    for _ in range(3):
        w.crash("a")
        w.run(80.0)
    recovery = w.app("a").kept.recovery
    assert recovery.attempts == 0 and len(recovery.charged) == 3
    w.crash("a")
    w.run(1.0)
    assert w.events(RecoveryGaveUp) and len(w.actions("a")) == 3


def test_a_slow_crash_loop_spends_the_budget_too() -> None:
    w = one(restart={"per": 600.0, "reset_after": 100.0})
    w.boxes["a"].crash_after = 20.0
    w.crash("a")
    w.run(120.0)
    assert len(w.actions("a")) == 3 and w.app("a").kept.recovery.open


def test_an_app_that_dies_right_after_its_start_was_not_recovered() -> None:
    w = one()
    w.boxes["a"].crash_after = 0.0
    w.crash("a")
    w.run(60.0)
    assert not w.events(RecoverySucceeded) and w.events(RecoveryFailed)[0].reason.startswith("down")


def test_an_app_that_never_becomes_healthy_was_not_recovered() -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 2, "start_period": 5.0})}).run(10.0)
    w.every(1.0, w.probes)
    w.run(2.0)
    w.boxes["a"].sick = True
    w.run(30.0)
    assert not w.events(RecoverySucceeded) and len(w.events(RecoveryFailed)) >= 2


def test_one_that_stays_silent_is_given_up_on_at_the_deadline() -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 1, "start_period": 5.0})}).run(10.0)
    w.probe("a")
    w.run(1.0)
    w.probe("a", False)
    w.run(14.9)
    assert not w.events(RecoveryFailed)
    w.run(0.5)
    (failed,) = w.events(RecoveryFailed)
    assert "still starting" in failed.reason


def test_one_recovery_begins_however_many_attempts_it_takes() -> None:
    w = broken()
    w.run(300.0)
    assert len(w.events(RecoveryStarted)) == 1


def test_detection_is_measured_from_the_first_sign() -> None:
    w = World({"a": probed(health={"failures": 3, "start_period": 0.0})}).run(1.0)
    w.probe("a")
    for _ in range(3):
        w.run(5.0)
        w.probe("a", False, took=0.5)
    assert w.events(RecoveryStarted)[0].detected_after == pytest.approx(10.5)


def test_the_time_to_recover_counts_from_the_first_sign_through_changes_of_the_ailment() -> None:
    w = World({"a": probed(health={"failures": 1, "start_period": 1.0}, restart=RULES)}).run(5.0)
    w.probe("a")
    w.run(1.0)
    began = w.now
    w.probe("a", False)
    w.boxes["a"].start_error = "no such image"
    w.run(3.0)
    w.boxes["a"].start_error = ""
    w.until(lambda: w.boxes["a"].up)
    w.run(1.0)
    w.probe("a")
    (done,) = w.events(RecoverySucceeded)
    assert done.seconds == pytest.approx(w.now - began, abs=0.1)


# Actions that go wrong


def test_evidence_that_never_comes_back_delays_the_restart_and_no_more() -> None:
    w = one()
    w.lost.add("CaptureEvidence")
    w.crash("a")
    w.run(31.0)
    assert not w.actions("a")
    w.run(2.0)
    assert w.actions("a") == ["StartContainer"]


def test_evidence_that_fails_is_no_obstacle() -> None:
    w = one()
    w.failing["CaptureEvidence"] = "disk full"
    w.crash("a")
    w.run(5.0)
    assert w.condition("a") == "healthy"


def test_an_action_that_never_comes_back_counts_as_failed_in_the_end() -> None:
    w = one()
    w.lost.add("StartContainer")
    w.crash("a")
    w.run(89.0)
    assert not w.events(RecoveryFailed)
    w.run(3.0)
    assert "no answer" in w.events(RecoveryFailed)[0].reason


def test_what_an_action_did_that_never_came_back_is_seen_by_looking() -> None:
    w = one()
    w.lost.add("StartContainer")
    w.crash("a")
    w.run(1.0)
    w.start("a")
    w.run(100.0)
    assert w.condition("a") == "healthy" and w.events(RecoverySucceeded)
    assert len(w.actions("a")) == 1


def test_a_container_removed_in_the_middle_ends_the_attempt() -> None:
    w = one()
    w.crash("a")
    w.run(0.004)
    w.remove("a")
    w.run(60.0)
    assert w.condition("a") == "missing" and w.app("a").kept.recovery.phase == "idle"
    assert len(w.actions("a")) <= 1
    w.create("a")
    w.start("a")
    w.run(5.0)
    assert w.events(RecoverySucceeded)[0].by == "person"


def test_an_app_that_came_back_during_the_evidence_is_left_alone() -> None:
    w = one()
    w.crash("a")
    w.run(0.0025)
    assert w.actions("a", evidence=True) == ["CaptureEvidence"]
    w.start("a")
    w.busy.clear()
    w.feed(facts.ContainerChanged(at=w.now, id=w.boxes["a"].id, name="a", action="start", time=w.now))
    w.feed(w.ended(w.asked[-1][1]))
    w.run(5.0)
    assert not w.actions("a") and w.app("a").kept.recovery.attempts == 0
    (done,) = w.events(RecoverySucceeded)
    assert (done.by, done.attempts) == ("person", 0)


def test_a_restart_that_fails_half_way_is_not_taken_for_a_stop_by_a_person() -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 1, "start_period": 0.0})}).run(5.0)
    w.boxes["a"].start_error = "port is already allocated"
    w.probe("a", False)
    w.run(1.0)
    assert w.condition("a") == "down" and w.app("a").kept.stopped is None
    w.boxes["a"].start_error = ""
    w.run(3.0)
    assert w.boxes["a"].up


@pytest.mark.parametrize("late", [0.01, 0.3, 3.0])
def test_not_even_when_the_news_comes_while_the_next_attempt_is_on_its_way(late: float) -> None:
    w = one()
    w.boxes["a"].start_error = "port is already allocated"
    w.command("restart", app="a")
    w.stream_at = w.now + 0.1 + late
    w.run(5.0)
    assert w.app("a").kept.stopped is None
    w.boxes["a"].start_error = ""
    w.until(lambda: w.condition("a") == "healthy")


def test_neither_is_one_that_the_engine_carries_out_long_after_it_was_given_up() -> None:
    w = World({"a": probed(restart=RULES | {"enabled": True}, health={"failures": 1, "start_period": 0.0})}).run(5.0)
    w.lost.add("RestartContainer")
    w.probe("a", False)
    w.run(150.0)
    w.busy.clear()
    box = w.boxes["a"]
    box.status = "exited"
    w.change(box, "die", exit_code=137)
    w.change(box, "stop")
    w.run(1.0)
    assert w.app("a").kept.stopped is None and w.condition("a") == "down"


def test_after_a_failed_attempt_a_person_can_still_stop_it() -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 1, "start_period": 0.0})}).run(5.0)
    w.failing["RestartContainer"] = "no"
    w.probe("a", False)
    w.run(300.0)
    w.docker_stop("a")
    w.run(10.0)
    assert w.condition("a") == "stopped"


def test_a_person_who_restarts_it_in_the_middle_does_no_harm() -> None:
    w = broken()
    w.run(0.5)
    w.boxes["a"].start_error = ""
    w.start("a")
    w.run(5.0)
    (done,) = w.events(RecoverySucceeded)
    assert done.by == "person" and len(w.actions("a")) == 1


def test_a_person_who_stops_it_in_the_middle_is_heeded() -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 1, "start_period": 5.0})}).run(10.0)
    w.probe("a")
    w.run(1.0)
    w.probe("a", False)
    w.run(2.0)
    assert w.app("a").kept.recovery.phase == "verifying"
    w.docker_stop("a")
    w.run(300.0)
    assert w.condition("a") == "stopped" and w.actions("a") == ["RestartContainer"]
    assert not w.app("a").kept.recovery.ailment and "person" in w.events(RecoveryHeld)[-1].reason
    assert not w.events(RecoveryFailed)


def test_what_a_person_is_just_stopping_is_not_restarted_for_not_answering() -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 1, "start_period": 0.0})}).run(10.0)
    w.boxes["a"].stop_takes = 8.0
    w.docker_stop("a")
    w.run(1.0)
    w.probe("a", False)
    w.run(60.0)
    assert w.condition("a") == "stopped" and not w.asked


def test_what_was_only_told_to_read_its_files_again_is() -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 1, "start_period": 0.0})}).run(10.0)
    w.docker_kill("a", signal=1)
    w.run(1.0)
    w.probe("a", False)
    w.run(1.0)
    assert w.actions("a") == ["RestartContainer"]


# Whose doing it was


def test_docker_did_it() -> None:
    w = one({"policy": "always"})
    w.crash("a")
    w.run(5.0)
    (done,) = w.events(RecoverySucceeded)
    assert (done.by, done.attempts) == ("engine", 0) and not w.asked


def test_it_did_it_itself() -> None:
    w = World({"a": probed(health={"failures": 1, "start_period": 0.0}, restart={"enabled": False})}).run(1.0)
    w.probe("a", False)
    w.run(1.0)
    w.probe("a")
    assert w.events(RecoverySucceeded)[0].by == "itself"


def test_a_person_did_it() -> None:
    w = one(restart={"enabled": False})
    w.crash("a")
    w.run(5.0)
    w.start("a")
    w.run(5.0)
    assert w.events(RecoverySucceeded)[0].by == "person"


def test_a_person_did_it_through_edged() -> None:
    w = broken()
    w.run(30.0)
    w.boxes["a"].start_error = ""
    w.command("restart", app="a")
    w.run(5.0)
    (done,) = w.events(RecoverySucceeded)
    assert done.by == "person" and not w.app("a").kept.recovery.open and not w.app("a").kept.recovery.charged


# Docker's own policy


def test_edged_keeps_out_while_docker_restarts() -> None:
    w = one({"policy": "always"}, restart={"per": 600.0})
    w.boxes["a"].crash_after = 1.0
    w.crash("a")
    for _ in range(60):
        w.run(10.0)
        w.list_now()
    assert not w.asked and w.firing("a") == {"CrashLoop", "AppDown"}


def test_edged_steps_in_when_docker_does_not() -> None:
    w = one({"policy": "always"})
    w.docker_kill("a")
    w.run(9.0)
    assert not w.asked
    w.run(5.0)
    assert w.condition("a") == "healthy" and w.actions("a") == ["StartContainer"]


def test_without_a_look_at_the_container_it_is_not_known_whether_docker_still_tries() -> None:
    w = one({"policy": "on-failure"})
    w.boxes["a"].start_error = "port is already allocated"
    w.crash("a")
    w.run(20.0)
    assert not w.asked
    w.list_now()
    w.run(0.1)
    assert w.actions("a") == ["StartContainer"]


def test_an_unhealthy_app_is_edgeds_business_whatever_the_policy() -> None:
    w = World(
        {"a": probed(health={"failures": 1, "start_period": 0.0})}, boxes={"a": {"policy": "unless-stopped"}}
    ).run(1.0)
    w.probe("a", False)
    w.run(1.0)
    assert w.actions("a") == ["RestartContainer"]


def test_what_docker_is_restarting_is_not_restarted() -> None:
    w = one({"policy": "always"})
    w.boxes["a"].tries = 10
    w.crash("a")
    w.list_now()
    assert w.condition("a") == "restarting"
    w.run(50.0)
    assert not w.asked


# A restart of edged in the middle


@pytest.mark.parametrize("after", [0.001, 0.003, 0.0045, 0.006, 0.1, 1.0])
def test_a_restart_of_edged_at_any_moment_changes_nothing_in_the_end(after: float) -> None:
    w = one()
    w.crash("a")
    w.run(after)
    w.restart_edged(away=0.5)
    w.run(60.0)
    assert w.condition("a") == "healthy" and not w.app("a").kept.recovery.ailment
    assert len(w.actions("a")) <= 2 and not w.firing("a")


@pytest.mark.parametrize("after", [0.1, 1.0, 2.5, 4.0])
def test_a_restart_that_edged_left_under_way_is_not_taken_for_a_persons(after: float) -> None:
    w = World({"a": probed(restart=RULES, health={"failures": 1, "start_period": 5.0})}).run(10.0)
    w.every(1.0, w.probes)
    w.boxes["a"].stop_takes = 3.0
    w.probe("a", False)
    w.run(after)
    w.forget().restart_edged(away=0.05)
    w.run(60.0)
    assert w.condition("a") == "healthy" and w.app("a").kept.stopped is None
    assert not w.app("a").kept.deaths


def test_the_backoff_is_kept_over_a_restart_of_edged() -> None:
    w = broken()
    w.run(4.0)
    before = len(w.actions("a"))
    w.restart_edged(away=0.0)
    w.run(0.5)
    assert len(w.actions("a")) == before


def test_an_open_circuit_is_kept_too() -> None:
    w = broken()
    w.run(30.0)
    w.forget().restart_edged()
    w.run(50.0)
    assert not w.actions("a") and "RecoveryExhausted" in w.firing("a")


# Holding back


def test_maintenance_holds_and_its_end_lets_go() -> None:
    w = one()
    w.command("maintenance.set", app="a", on=True, seconds=100.0, why="new camera")
    w.crash("a")
    w.run(90.0)
    (held,) = w.events(RecoveryHeld)
    assert held.reason == "in maintenance by local:uid=1(ann)" and not w.asked and w.firing("a") == {"AppDown"}
    w.run(15.0)
    assert w.condition("a") == "healthy"


def test_maintenance_that_begins_during_the_evidence_stops_the_restart() -> None:
    w = one()
    w.crash("a")
    w.run(0.0025)
    w.command("maintenance.set", app="a", on=True, seconds=100.0, why="new camera")
    w.run(50.0)
    assert not w.actions("a")


def test_edged_that_stops_begins_nothing() -> None:
    w = one()
    w.feed(facts.StopRequested(at=w.now, reason="signal"))
    w.crash("a")
    w.run(60.0)
    assert not w.asked


def test_a_host_that_went_down_excuses_what_is_down() -> None:
    w = one()
    w.kill_edged()
    w.boxes["a"].status = "exited"
    w.run(30.0)
    w.begin(rebooted=True, end="power")
    w.run(5.0)
    assert w.condition("a") == "healthy" and not w.app("a").kept.recovery.charged


def test_after_a_reboot_a_backoff_of_before_is_no_reason_to_wait() -> None:
    w = broken()
    w.run(4.5)
    w.boxes["a"].start_error = ""
    w.kill_edged()
    w.begin(rebooted=True, end="power")
    w.run(0.1)
    assert w.boxes["a"].up


def test_a_reboot_does_not_start_what_a_person_stopped() -> None:
    w = one()
    w.docker_stop("a")
    w.run(5.0)
    w.kill_edged()
    w.begin(rebooted=True, end="power")
    w.run(60.0)
    assert w.condition("a") == "stopped" and not w.asked
