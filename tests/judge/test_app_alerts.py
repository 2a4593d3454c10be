"""AppDown, Unhealthy, CrashLoop, OomKilled, RecoveryExhausted."""

from __future__ import annotations

from typing import Any

from edged.vocabulary.events import AlertChanged, AlertCleared, AlertRaised

from .world import World, app, probed

QUICK: dict[str, Any] = {
    "backoff": 0.5,
    "max_backoff": 2.0,
    "budget": 3,
    "per": 60.0,
    "retry_after": 100.0,
    "reset_after": 60.0,
}


def one(boxes: dict[str, Any] | None = None, **more: Any) -> World:
    return World({"a": app(**more)}, boxes={"a": boxes or {}}).run(2.0).forget()


def names(w: World) -> list[str]:
    return [e.name for e in w.events(AlertRaised)]


# AppDown


def test_app_down_is_raised_at_once_and_cleared_when_healthy() -> None:
    w = one()
    w.crash("a")
    w.run(10.0)
    (raised,) = w.events(AlertRaised)
    (cleared,) = w.events(AlertCleared)
    assert raised.name == cleared.name == "AppDown"
    assert "exited with code 1" in raised.summary and "healthy" in cleared.summary and cleared.seconds > 1.0


def test_a_stop_by_a_person_raises_nothing() -> None:
    w = one()
    w.docker_stop("a")
    w.run(100.0)
    assert not names(w)


def test_docker_has_its_time_before_an_alert() -> None:
    w = one({"policy": "always"})
    w.crash("a")
    w.run(60.0)
    assert not names(w)


def test_docker_that_does_not_manage_is_told_of() -> None:
    w = one({"policy": "always"})
    w.docker_kill("a")
    w.run(9.0)
    assert not names(w)
    w.run(2.0)
    assert names(w) == ["AppDown"]


def test_a_missing_container_is_told_with_what_to_do() -> None:
    w = one()
    w.remove("a")
    w.run(5.0)
    (raised,) = w.events(AlertRaised)
    assert "no container" in raised.summary and "create it again" in raised.advice


def test_edged_own_restart_raises_no_app_down() -> None:
    w = one()
    w.command("restart", app="a")
    w.run(10.0)
    assert not names(w) and w.condition("a") == "healthy"


def test_an_engine_outage_raises_no_app_down() -> None:
    w = one()
    w.stop_engine()
    w.run(30.0)
    assert names(w) == ["EngineDown"]


def test_app_down_goes_on_through_an_engine_outage() -> None:
    w = one()
    w.boxes["a"].start_error = "no such image"
    w.crash("a")
    w.run(2.0)
    w.hang_engine()
    w.run(5.0)
    assert "AppDown" in w.firing("a") and not w.events(AlertCleared)


# Unhealthy


def test_unhealthy_goes_on_until_it_is_seen_healthy() -> None:
    w = World({"a": probed(health={"failures": 1, "start_period": 5.0})}).run(10.0)
    w.probe("a")
    w.run(1.0)
    w.probe("a", False)
    assert w.firing("a") == {"Unhealthy"}
    w.run(2.0)
    assert w.condition("a") == "starting" and w.firing("a") == {"Unhealthy"}
    w.probe("a")
    assert not w.firing("a")


def test_what_is_stopped_is_not_unhealthy_any_more() -> None:
    w = World({"a": probed(health={"failures": 1, "start_period": 0.0}, restart={"enabled": False})}).run(1.0)
    w.probe("a", False)
    assert w.firing("a") == {"Unhealthy"}
    w.docker_stop("a")
    w.run(1.0)
    assert not w.firing("a")


# CrashLoop


def test_three_deaths_are_a_crash_loop() -> None:
    w = one(restart=QUICK)
    w.boxes["a"].crash_after = 0.2
    w.crash("a")
    w.run(10.0)
    assert names(w).count("CrashLoop") == 1


def test_a_crash_loop_under_dockers_own_policy_is_seen_too() -> None:
    w = one({"policy": "always"})
    w.boxes["a"].crash_after = 0.2
    w.crash("a")
    w.run(5.0)
    assert names(w) == ["CrashLoop"] and not w.asked


def test_a_crash_loop_is_over_when_the_deaths_are_long_ago() -> None:
    w = one(restart=QUICK)
    for _ in range(3):
        w.crash("a")
        w.run(5.0)
    assert w.firing("a") == {"CrashLoop"}
    w.run(60.0)
    assert not w.firing("a")


def test_restarts_by_edged_and_by_people_are_no_crash_loop() -> None:
    w = one()
    for _ in range(4):
        w.command("restart", app="a")
        w.run(10.0)
        w.docker_restart("a")
        w.run(10.0)
    assert not names(w)


def test_a_restart_of_edged_revives_no_crash_loop_of_a_stopped_app() -> None:
    w = one(restart=QUICK)
    for _ in range(3):
        w.crash("a")
        w.run(5.0)
    w.docker_stop("a")
    w.run(2.0)
    w.forget().restart_edged().run(5.0)
    assert "CrashLoop" not in names(w)


# OomKilled


def test_an_oom_kill_is_shown_for_ten_minutes() -> None:
    w = one()
    w.oom("a")
    w.run(5.0)
    assert "OomKilled" in w.firing("a") and "memory" in w.events(AlertRaised, name="OomKilled")[0].summary
    w.run(590.0)
    assert "OomKilled" in w.firing("a")
    w.run(10.0)
    assert "OomKilled" not in w.firing("a")


def test_an_oom_kill_stays_on_the_board_over_a_restart_of_edged() -> None:
    w = one()
    w.oom("a")
    w.run(60.0)
    w.restart_edged().run(60.0)
    assert "OomKilled" in w.firing("a") and len(w.events(AlertRaised, name="OomKilled")) == 1
    w.run(600.0)
    assert "OomKilled" not in w.firing("a")


def test_an_oom_kill_that_only_an_inspection_tells_of_counts() -> None:
    w = one()
    w.deaf = True
    w.oom("a")
    w.list_now()
    assert "OomKilled" in w.firing("a") and "memory" in w.events(AlertRaised, name="AppDown")[0].summary


# RecoveryExhausted


def test_giving_up_asks_for_a_person_until_it_has_been_healthy_for_a_while() -> None:
    w = one(restart=QUICK)
    w.boxes["a"].start_error = "no such image"
    w.crash("a")
    w.run(30.0)
    assert "RecoveryExhausted" in w.firing("a")
    w.boxes["a"].start_error = ""
    w.until(lambda: w.condition("a") == "healthy")
    assert "RecoveryExhausted" in w.firing("a")
    w.run(61.0)
    assert not w.firing("a")


def test_giving_up_says_when_attempts_helped_for_a_while_only() -> None:
    w = one(restart=QUICK)
    w.boxes["a"].start_error = "no such image"
    w.crash("a")
    w.until(lambda: "no such image" in w.app("a").kept.recovery.failure)
    w.boxes["a"].start_error = ""
    while "RecoveryExhausted" not in w.firing("a"):
        w.until(lambda: w.condition("a") == "healthy")
        w.crash("a")
        w.run(1.0)
    said = w.app("a").kept.alerts["RecoveryExhausted"].summary
    assert said.endswith("(AppDown); the last one: it was well for a while, then exited with code 1"), said


# Usage that is no more


def test_alerts_about_usage_end_when_nothing_runs() -> None:
    w = one(memory={"for": 10.0}, restart={"enabled": False})
    w.boxes["a"].memory = 90 * 2**20
    for _ in range(5):
        w.resources()
        w.run(5.0)
    assert w.firing("a") == {"HighMemory"}
    w.docker_stop("a")
    w.run(20.0)
    (cleared,) = w.events(AlertCleared)
    assert not w.firing("a") and cleared.summary == "a does not run"


def test_no_alert_changes_in_a_quiet_hour() -> None:
    w = one()
    for _ in range(100):
        w.resources()
        w.host()
        w.list_now()
        w.run(36.0)
    assert not w.told and not w.events(AlertChanged)
