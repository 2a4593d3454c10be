"""Pausing under memory pressure of the host."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from edged.config import Config
from edged.vocabulary import facts
from edged.vocabulary.events import ActionStarted

from .world import World, app

HOST = {"memory": {"for": 10.0}}


def world(boxes: dict[str, Any] | None = None, config: Config | None = None, **priorities: int) -> World:
    config = config or Config(host=msgspec.convert(HOST, type(Config().host)))
    apps = {name: app(priority=priority) for name, priority in (priorities or {"a": 10, "b": 50, "c": 90}).items()}
    return World(apps, config=config, boxes=boxes).run(2.0).forget()


def press(w: World, seconds: float, used: float = 0.97) -> World:
    for _ in range(int(seconds / 5.0)):
        w.host(used)
        w.run(5.0)
    return w


def test_the_least_important_app_is_paused_first() -> None:
    w = press(world(), 20.0)
    assert [a.subject for _, a in w.asked] == ["c"] and w.condition("c") == "paused"
    (told,) = w.events(ActionStarted)
    assert (told.subject, told.action) == ("c", "PauseContainer")


def test_then_the_next_but_never_the_most_important_one() -> None:
    w = press(world(), 600.0)
    assert [a.subject for _, a in w.asked] == ["c", "b"]
    assert w.condition("a") == "healthy"


def test_apps_of_equal_importance_are_all_left_alone() -> None:
    w = press(world(a=50, b=50), 600.0)
    assert not w.asked


def test_they_go_on_when_there_is_memory_again_the_important_ones_first() -> None:
    w = press(world(), 60.0)
    w.forget()
    press(w, 60.0, used=0.5)
    assert [(a.subject, type(a).__name__) for _, a in w.asked] == [("b", "UnpauseContainer"), ("c", "UnpauseContainer")]
    w.run(2.0)
    assert {w.condition(name) for name in "abc"} == {"healthy"}


def test_of_two_equals_the_hungrier_one_is_paused() -> None:
    w = world(a=10, b=50, c=50)
    w.boxes["b"].memory, w.boxes["c"].memory = 60 * 2**20, 50 * 2**20
    w.resources()
    press(w, 20.0)
    assert [a.subject for _, a in w.asked] == ["b"]


def test_a_warning_pauses_nobody() -> None:
    assert not press(world(), 60.0, used=0.9).asked


def test_it_can_be_turned_off() -> None:
    off = Config(host=msgspec.convert(HOST | {"pressure": {"pause": False}}, type(Config().host)))
    assert not press(world(config=off), 60.0).asked


def test_turning_it_off_lets_go_on_what_was_paused() -> None:
    w = press(world(), 60.0)
    off = msgspec.convert(HOST | {"pressure": {"pause": False}}, type(Config().host))
    w.reload(replace(w.config, host=off))
    press(w, 60.0)
    assert {w.condition(name) for name in "abc"} == {"healthy"}


def test_an_app_in_maintenance_is_not_paused() -> None:
    w = world()
    w.command("maintenance.set", app="c", on=True, seconds=600.0, why="test")
    press(w, 20.0)
    assert [a.subject for _, a in w.asked] == ["b"]


def test_an_app_that_is_put_into_maintenance_stays_as_it_is() -> None:
    w = press(world(), 20.0)
    w.command("maintenance.set", app="c", on=True, seconds=100.0, why="test")
    press(w, 60.0, used=0.5)
    assert w.condition("c") == "paused" and w.actions("c") == ["PauseContainer"]
    press(w, 60.0, used=0.5)
    w.run(2.0)
    assert w.condition("c") == "healthy"


def test_what_is_only_observed_is_never_paused() -> None:
    w = world(a=10, b=50)
    w.reload(replace(w.config, apps={**w.config.apps, "b": app(priority=50, restart={"enabled": False})}))
    assert not press(w, 60.0).actions()


def test_an_app_that_is_being_recovered_is_not_paused_meanwhile() -> None:
    w = world(a=10, c=90)
    w.lost.add("StartContainer")
    w.crash("c")
    w.run(0.1)
    press(w, 40.0)
    assert "PauseContainer" not in w.actions("c")


def test_a_death_while_it_is_being_paused_waits_its_turn() -> None:
    w = press(world(), 10.0)
    w.host(0.97)
    assert w.actions("c") == ["PauseContainer"]
    w.crash("c")
    w.run(5.0)
    assert w.condition("c") == "healthy" and w.actions("c") == ["PauseContainer", "StartContainer"]


def test_a_pause_that_fails_is_tried_again_later_and_not_at_once() -> None:
    w = world()
    w.failing["PauseContainer"] = "no cgroup freezer"
    press(w, 60.0)
    assert 2 <= len(w.asked) <= 6


def test_a_pause_by_a_person_is_not_undone() -> None:
    w = world()
    w.pause("c")
    press(w, 60.0)
    press(w, 100.0, used=0.5)
    assert w.condition("c") == "paused" and not w.actions("c")


def test_a_person_who_lets_it_go_on_is_respected_for_the_time_being() -> None:
    w = press(world(a=10, c=90), 20.0)
    w.unpause("c")
    w.run(1.0)
    assert not w.app("c").kept.paused_by_edged


def test_what_edged_paused_it_lets_go_on_after_a_restart_of_its_own() -> None:
    w = press(world(), 20.0)
    w.restart_edged()
    assert w.condition("c") == "paused" and w.app("c").kept.paused_by_edged
    press(w, 60.0, used=0.5)
    assert w.condition("c") == "healthy"


def test_it_is_not_let_go_on_twice_if_somebody_did_while_edged_was_away() -> None:
    w = press(world(), 20.0)
    w.kill_edged()
    w.unpause("c")
    w.begin()
    w.forget()
    press(w, 100.0, used=0.5)
    assert not w.asked


def test_a_pause_that_was_under_way_when_edged_ended_is_undone_too() -> None:
    w = press(world(), 10.0)
    w.host(0.97)
    w.restart_edged()
    assert w.condition("c") == "paused"
    press(w, 60.0, used=0.5)
    assert w.condition("c") == "healthy"


def test_an_engine_restart_ends_the_pause() -> None:
    w = press(world(), 20.0)
    w.stop_engine()
    w.run(5.0)
    w.start_engine()
    press(w, 60.0, used=0.5)
    assert w.condition("c") == "healthy" and not w.app("c").kept.paused_by_edged


def test_an_app_that_is_not_watched_any_more_is_not_left_paused() -> None:
    w = press(world(), 20.0)
    w.reload(replace(w.config, apps={n: a for n, a in w.config.apps.items() if n != "c"}))
    w.run(1.0)
    assert w.boxes["c"].status == "running"


def test_nothing_is_paused_while_the_engine_is_away() -> None:
    w = world()
    w.hang_engine()
    w.host(0.97)
    w.run(30.0)
    w.host(0.97)
    assert not w.asked


def test_a_broken_look_at_the_host_pauses_nothing() -> None:
    w = world()
    w.host(0.97)
    for _ in range(20):
        w.run(10.0)
        w.feed(facts.CheckFailed(at=w.now, check="host", subject="host", error="no /proc"))
    assert not w.asked
