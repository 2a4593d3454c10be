"""The engine goes away and comes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edged.config import Config
from edged.judge import next_wake
from edged.vocabulary import facts
from edged.vocabulary.events import AlertCleared, AlertFlapping, AlertRaised, RecoveryFailed, RecoverySucceeded
from edged.vocabulary.world import ContainerAction

from .dockerd import UNIX
from .world import World, app, probed

NEVER = {"after": 0.0}
RESTART = {"after": 60.0, "budget": 3, "per": 3600.0}


def world(restart: dict[str, Any] = NEVER, boxes: dict[str, Any] | None = None, **apps: Any) -> World:
    config = Config(docker=msgspec.convert({"restart": restart}, type(Config().docker)))
    return World(apps or {"a": app()}, config=config, boxes=boxes).run(2.0).forget()


def charged(w: World) -> dict[str, int]:
    return {name: len(a.kept.recovery.charged) for name, a in w.state.apps.items()}


def test_its_absence_is_told_and_its_return() -> None:
    w = world()
    w.hang_engine()
    (raised,) = w.events(AlertRaised)
    assert (raised.name, raised.subject, raised.severity) == ("EngineDown", "engine", "critical")
    assert w.condition("a") == "unknown"
    w.run(10.0).wake_engine()
    (cleared,) = w.events(AlertCleared)
    assert "answers" in cleared.summary and w.condition("a") == "healthy"


def test_an_outage_costs_no_app_anything() -> None:
    w = world(a=app(), b=app(), c=app(), boxes={"b": {"policy": "always"}})
    w.stop_engine()
    w.run(30.0)
    w.start_engine()
    w.run(10.0)
    assert {w.condition(n) for n in "abc"} == {"healthy"}
    assert charged(w) == {"a": 0, "b": 0, "c": 0}
    assert w.actions() == ["StartContainer", "StartContainer"] and w.firing() == set()


def test_neither_does_one_whose_last_words_were_not_heard() -> None:
    w = world(a=app(), b=app())
    w.stop_engine(heard=False)
    w.run(30.0)
    w.start_engine()
    w.run(10.0)
    assert {w.condition(n) for n in "ab"} == {"healthy"} and charged(w) == {"a": 0, "b": 0}
    assert not w.app("a").kept.deaths


def test_three_outages_are_no_crash_loop() -> None:
    w = world()
    for _ in range(3):
        w.stop_engine()
        w.run(5.0)
        w.start_engine()
        w.run(5.0)
    assert not w.events(AlertRaised, name="CrashLoop") and not w.app("a").kept.deaths


def test_everything_is_asked_for_again_as_soon_as_it_answers() -> None:
    w = world(a=app())
    w.crash("a")
    w.run(5.0)
    w.crash("a")
    w.run(0.1)
    w.stop_engine()
    w.run(30.0)
    w.forget().start_engine()
    w.run(0.1)
    assert w.actions("a") == ["StartContainer"]


def test_what_a_person_stopped_stays_stopped_through_an_outage() -> None:
    w = world(a=app(), b=app())
    w.docker_stop("a")
    w.run(60.0)
    w.stop_engine()
    w.run(10.0)
    w.start_engine()
    w.run(60.0)
    assert w.condition("a") == "stopped" and w.condition("b") == "healthy"


def test_a_stop_by_a_person_just_before_a_crash_of_the_engine_is_still_a_persons() -> None:
    w = world(a=app(), b=app())
    w.docker_stop("a")
    w.run(5.0)
    w.hang_engine()
    w.run(10.0).wake_engine()
    w.run(60.0)
    assert w.condition("a") == "stopped"


def test_even_just_before_a_shutdown_if_the_others_were_stopped_later() -> None:
    w = world(a=app(), b=app(), c=app())
    w.docker_stop("a")
    w.run(5.0)
    w.stop_engine()
    w.run(10.0)
    w.start_engine()
    w.run(60.0)
    assert w.condition("a") == "stopped" and w.condition("b") == w.condition("c") == "healthy"


@pytest.mark.parametrize("action", ["die", "stop"])
def test_last_words_that_come_after_the_engine_was_seen_to_be_gone_are_its_own(action: Any) -> None:
    w = world(a=app(), b=app())
    w.stop_engine(heard=False)
    words: tuple[ContainerAction, ...] = ("kill", "die", "stop")
    for word in words:
        box = w.boxes["a"]
        w.feed(facts.ContainerChanged(at=w.now, id=box.id, name="a", action=word, time=UNIX + w.now))
        if word == action:
            break
    w.run(10.0)
    w.start_engine()
    w.run(10.0)
    assert w.condition("a") == "healthy" and charged(w) == {"a": 0, "b": 0} and not w.app("a").kept.deaths


def test_a_slow_shutdown_is_a_shutdown() -> None:
    w = world(a=app(), b=app())
    for name, seconds in (("a", 0.1), ("b", 9.0)):
        box = w.boxes[name]
        box.stop_takes = seconds
        w.stop_box(box, lambda: None, by_hand=False)
    w.run(9.5)
    w.stop_engine()
    w.run(10.0)
    w.start_engine()
    w.run(10.0)
    assert {w.condition(n) for n in "ab"} == {"healthy"} and charged(w) == {"a": 0, "b": 0}


def test_probes_that_failed_during_an_outage_count_for_nothing() -> None:
    w = world(a=probed(health={"failures": 3, "start_period": 5.0}))
    w.run(10.0)
    w.probe("a")
    w.hang_engine()
    for _ in range(5):
        w.run(1.0)
        w.probe("a", False)
    w.wake_engine()
    w.probe("a", False, took=2.0)
    assert w.app("a").probe.bad == 0 and not w.actions("a")


def test_an_attempt_that_the_outage_broke_is_refunded_and_repeated() -> None:
    w = world()
    w.crash("a")
    w.run(0.004)
    assert w.actions("a") == ["StartContainer"] and charged(w) == {"a": 1}
    w.stop_engine(heard=False)
    assert charged(w) == {"a": 0}
    w.run(10.0)
    assert not w.events(RecoveryFailed)
    w.start_engine()
    w.run(10.0)
    assert w.condition("a") == "healthy" and charged(w) == {"a": 0}


def test_only_so_many_attempts_are_the_engines_fault() -> None:
    w = world(a=app(restart={"budget": 3}))
    w.stop_engine()
    w.run(5.0)
    w.boxes["a"].start_error = "image gone"
    w.start_engine()
    w.run(500.0)
    assert len(w.actions("a")) == 3 + 3 and w.app("a").kept.recovery.open


def test_after_health_an_app_pays_for_itself_again() -> None:
    w = world()
    w.stop_engine()
    w.run(5.0)
    w.start_engine()
    w.run(5.0)
    w.crash("a")
    w.run(5.0)
    assert charged(w) == {"a": 1}


def test_an_engine_absent_at_the_start_is_waited_for() -> None:
    w = World({"a": app()}, begin=False)
    w.engine_up = False
    w.begin()
    assert w.firing() == {"EngineDown"} and w.condition("a") == "unknown"
    w.run(5.0)
    w.start_engine()
    w.run(2.0)
    assert w.condition("a") == "healthy" and not w.actions("a")


def test_nothing_is_missing_before_the_engine_has_listed() -> None:
    w = World({"a": app()}, begin=False)
    w.engine_up = False
    w.begin()
    w.feed(facts.EngineSeen(at=w.now, up=True))
    w.run(30.0)
    assert w.condition("a") == "unknown" and not w.firing()


def test_the_recovery_of_an_outage_is_verified() -> None:
    w = world()
    w.stop_engine()
    w.run(5.0)
    w.start_engine()
    w.run(5.0)
    (done,) = w.events(RecoverySucceeded)
    assert (done.ailment, done.by, done.attempts) == ("AppDown", "edged", 1)


# Restart of the engine


def gone(w: World) -> World:
    w.engine_up = False
    w.start_engine_soon = lambda: None  # type: ignore[method-assign]
    w.feed(facts.EngineSeen(at=w.now, up=False, error="connection refused"))
    return w


def test_it_is_restarted_after_a_while() -> None:
    w = world(RESTART)
    w.stop_engine()
    w.run(59.0)
    assert not w.asked
    w.run(5.0)
    assert w.actions() == ["RestartEngine", "StartContainer"]
    assert not w.firing("engine")


def test_not_when_it_is_turned_off() -> None:
    assert not gone(world(NEVER)).run(10_000.0).asked


def test_restarts_have_a_budget_of_their_own() -> None:
    w = gone(world(RESTART)).run(3500.0)
    assert w.actions() == ["RestartEngine"] * 3
    w.run(3600.0)
    assert len(w.asked) <= 6


def test_a_restart_that_helps_counts_as_well() -> None:
    w = world(RESTART)
    for _ in range(6):
        w.stop_engine()
        w.run(100.0)
    assert w.actions().count("RestartEngine") == 3


def test_the_budget_survives_a_restart_of_edged() -> None:
    w = gone(world(RESTART))
    for _ in range(6):
        w.run(200.0)
        w.restart_edged()
    assert w.actions().count("RestartEngine") <= 3


def test_one_that_never_comes_back_is_given_up() -> None:
    w = world(RESTART)
    w.lost.add("RestartEngine")
    gone(w).run(120.0)
    assert len(w.asked) == 1
    w.busy.clear()
    w.run(600.0)
    assert len(w.asked) > 1


def on_purpose(w: World) -> None:
    _, action = w.asked[-1]
    w.feed(w.ended(action, result={"stopped_on_purpose": True}))


def test_an_engine_that_a_person_stopped_is_left_alone_and_asked_about_now_and_then() -> None:
    w = world(RESTART)
    w.lost.add("RestartEngine")
    gone(w).run(61.0)
    on_purpose(w)
    w.busy.clear()
    assert w.state.engine.on_purpose and not w.state.engine.restarts
    w.run(590.0)
    assert len(w.asked) == 1
    w.run(20.0)
    assert len(w.asked) == 2


def test_edged_that_stops_restarts_no_engine() -> None:
    w = gone(world(RESTART))
    w.feed(facts.StopRequested(at=w.now, reason="signal"))
    assert not w.run(600.0).asked


# Flapping


def test_a_flapping_engine_is_said_once_and_clears_by_itself_when_it_is_calm() -> None:
    w = world()
    for _ in range(6):
        w.hang_engine()
        w.run(10.0).wake_engine()
        w.run(10.0)
    assert len(w.events(AlertFlapping, subject="engine")) == 1
    assert w.firing("engine") == {"EngineDown"}
    w.run(700.0)
    assert not w.firing("engine")


def test_an_engine_that_is_up_needs_no_waking() -> None:
    w = world(RESTART)
    w.run(10.0)
    assert next_wake(w.state, w.config) is None
