"""Lists, inspections and events of containers, in any order."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.config import Config, Label, Restart
from edged.vocabulary import facts
from edged.vocabulary.events import AlertCleared, AlertRaised, AppChanged

from .dockerd import UNIX
from .world import World, app, probed

POLICY: dict[str, dict[str, Any]] = {"a": {"policy": "always"}}


def one(**more: Any) -> World:
    return World({"a": app(**more)}).run(2.0).forget()


def event(world: World, action: Any, at: float | None = None, **more: Any) -> None:
    """A message about the app's container, seen at ``at``."""
    container = world.app("a").container
    assert container is not None
    when = world.now if at is None else at
    world.feed(facts.ContainerChanged(at=when, id=container.id, name="a", action=action, time=UNIX + when, **more))


def listed(world: World, at: float, **change: Any) -> None:
    """A list that was asked for at ``at`` and shows the app's container so."""
    box = replace(world.seen(world.boxes["a"]), **change)
    world.feed(facts.ContainersListed(at=at, containers=(box,)))


# A person's stop and a death


def test_a_stop_by_a_person_is_reported_and_is_nobodys_failure() -> None:
    world = one()
    world.docker_stop("a")
    world.run(60.0)
    assert world.condition("a") == "stopped" and "person" in world.app("a").reason
    assert not world.asked and not world.events(AlertRaised) and not world.app("a").kept.deaths


def test_the_word_stop_may_come_before_the_death() -> None:
    world = one()
    event(world, "kill", signal=15)
    event(world, "stop")
    event(world, "die", exit_code=143)
    assert world.condition("a") == "stopped" and not world.app("a").kept.deaths


def test_a_kill_is_a_death_and_waits_a_second_for_the_word_stop() -> None:
    world = one()
    world.docker_kill("a")
    world.run(0.9)
    assert world.condition("a") == "healthy" and not world.asked
    world.run(0.2)
    assert world.asked


def test_a_death_without_a_signal_is_acted_upon_at_once() -> None:
    world = one()
    world.crash("a")
    world.run(0.01)
    assert world.asked


def test_a_slow_stop_is_a_stop() -> None:
    world = one()
    world.boxes["a"].stop_takes = 60.0
    world.docker_stop("a")
    world.run(90.0)
    assert world.condition("a") == "stopped"


@pytest.mark.parametrize(("signal", "ago"), [(1, 0.5), (34, 300.0)])
def test_a_reload_signal_and_one_long_ago_explain_no_death(signal: int, ago: float) -> None:
    world = one()
    world.docker_kill("a", signal=signal)
    world.run(ago)
    world.crash("a")
    world.run(0.01)
    assert world.asked


def test_a_late_stop_of_a_run_before_stops_nothing() -> None:
    world = one()
    world.docker_stop("a")
    world.run(1.0)
    stopped_at = world.now
    world.start("a")
    world.run(5.0)
    world.crash("a")
    event(world, "stop", at=stopped_at)
    world.run(5.0)
    assert world.condition("a") == "healthy"


def test_a_start_ends_the_stop() -> None:
    world = one()
    world.docker_stop("a")
    world.run(1.0)
    world.start("a")
    world.run(2.0)
    assert world.condition("a") == "healthy" and world.app("a").kept.stopped is None


def test_a_restart_by_a_person_is_no_crash() -> None:
    world = one()
    world.docker_restart("a")
    world.run(10.0)
    assert world.condition("a") == "healthy" and not world.asked and not world.app("a").kept.deaths


def test_what_is_removed_is_missing() -> None:
    world = one()
    world.remove("a")
    world.run(1.0)
    assert world.condition("a") == "missing" and not world.events(AlertRaised)
    world.run(2.0)
    assert world.firing("a") == {"AppDown"} and not world.asked


def test_a_container_that_is_being_removed_is_left_alone() -> None:
    world = one()
    world.crash("a")
    world.boxes["a"].status = "removing"
    listed(world, world.now, status="removing")
    world.run(60.0)
    assert world.condition("a") == "missing" and not world.actions("a", evidence=True)


# Recreated containers


def test_a_recreated_container_is_the_same_app() -> None:
    world = one()
    old = world.boxes["a"].id
    world.crash("a")
    world.run(5.0)
    charged = world.app("a").kept.recovery.charged
    world.recreate("a")
    world.run(5.0)
    now = world.app("a").container
    assert now is not None and now.id != old
    assert world.condition("a") == "healthy" and world.app("a").kept.recovery.charged == charged


def test_recreating_leads_to_no_action_and_no_alert() -> None:
    world = one()
    world.recreate("a")
    world.run(30.0)
    assert world.condition("a") == "healthy" and not world.asked and not world.events(AlertRaised)


def test_recreating_under_the_name_at_once_is_seen_too() -> None:
    world = one()
    world.remove("a")
    world.create("a")
    world.run(1.0)
    world.start("a")
    world.run(5.0)
    assert world.condition("a") == "healthy" and not world.asked


def test_the_stop_of_the_old_container_is_not_kept_for_the_new_one() -> None:
    world = one()
    world.docker_stop("a")
    world.run(1.0)
    world.recreate("a")
    world.run(2.0)
    assert world.condition("a") == "healthy" and world.app("a").kept.stopped is None


def test_a_created_container_is_left_to_whoever_created_it_for_a_while() -> None:
    world = one()
    world.remove("a")
    world.create("a")
    world.run(20.0)
    assert world.condition("a") == "down" and not world.actions("a")
    world.run(20.0)
    assert world.actions("a") == ["StartContainer"]


def test_renaming_takes_the_container_away() -> None:
    world = one()
    event(world, "rename")
    assert world.condition("a") == "healthy"
    world.feed(facts.ContainerChanged(at=world.now, id=world.boxes["a"].id, name="a_old", action="rename", time=UNIX))
    assert world.condition("a") == "missing"


def test_a_second_container_with_the_label_does_not_push_out_the_one_that_runs() -> None:
    labels = {"role": "vision"}
    world = World({"a": app(container=Label(label="role=vision"))}, boxes={"a": {"labels": labels}}).run(2.0)
    first = world.boxes["a"].id
    world.create("b", labels=labels)
    world.start("b")
    world.run(2.0)
    world.list_now()
    container = world.app("a").container
    assert container is not None and container.id == first


def test_the_second_container_takes_over_when_the_first_goes() -> None:
    labels = {"role": "vision"}
    world = World({"a": app(container=Label(label="role=vision"))}, boxes={"a": {"labels": labels}}).run(2.0)
    world.create("b", labels=labels, status="running")
    world.remove("a")
    world.run(1.0)
    world.list_now()
    assert world.condition("a") == "healthy" and not world.actions("a")


# Lists and events, in any order


def test_a_list_older_than_an_event_does_not_bring_back_the_dead() -> None:
    world = one()
    asked = world.now
    world.run(0.1)
    event(world, "die", exit_code=1)
    listed(world, asked)
    assert world.condition("a") == "down"


def test_a_death_that_only_a_list_shows_is_a_death() -> None:
    world = one()
    world.deaf = True
    world.crash("a")
    world.list_now()
    assert world.condition("a") == "down" and len(world.app("a").kept.deaths) == 1


def test_a_restart_that_only_an_inspection_shows_is_seen() -> None:
    world = World({"a": probed()}, boxes=POLICY).run(1.0)
    world.inspect("a")
    world.probe("a")
    assert world.condition("a") == "healthy"
    world.deaf = True
    world.crash("a")
    world.run(1.0)
    world.inspect("a")
    assert world.condition("a") == "starting" and len(world.app("a").kept.deaths) == 1


def test_the_same_death_told_again_counts_once() -> None:
    world = one()
    world.failing["StartContainer"] = "no"
    event(world, "die", exit_code=1)
    event(world, "die", exit_code=1)
    assert len(world.app("a").kept.deaths) == 1


def test_a_death_told_again_to_the_next_run_counts_once() -> None:
    """The engine's history is asked for from a little before, so it may begin with the start of what ended."""
    world = World({"a": app(restart=Restart(enabled=False))}).run(2.0)
    box, began = world.boxes["a"], world.now
    world.run(0.2)
    world.crash("a")
    world.run(0.3)
    assert world.condition("a") == "down" and len(world.app("a").kept.deaths) == 1
    start = facts.ContainerChanged(at=began, id=box.id, name="a", action="start", time=UNIX + began)
    world.past.insert(0, (began, lambda: start))
    world.seen_until = began
    world.restart_edged(away=0.2)
    world.run(1.0)
    assert world.condition("a") == "down" and len(world.app("a").kept.deaths) == 1


def test_a_death_told_again_after_the_start_kills_nothing() -> None:
    world = World({"a": app()}, boxes=POLICY).run(5.0)
    died_at = world.now
    world.crash("a")
    world.run(1.0)
    world.inspect("a")
    world.run(1.0)
    world.forget()
    world.feed(
        facts.ContainerChanged(
            at=world.now, id=world.boxes["a"].id, name="a", action="die", exit_code=1, time=UNIX + died_at
        )
    )
    assert world.condition("a") == "healthy" and len(world.app("a").kept.deaths) == 1


def test_an_event_older_than_a_list_is_no_news() -> None:
    world = one()
    old = world.now
    world.run(1.0)
    world.list_now()
    event(world, "die", at=old, exit_code=1)
    assert world.condition("a") == "healthy"


def test_an_oom_kill_is_never_too_late() -> None:
    world = one()
    old = world.now
    world.run(1.0)
    world.list_now()
    event(world, "oom", at=old)
    assert world.firing("a") == {"OomKilled"}


def test_an_old_inspection_does_not_turn_back_time() -> None:
    world = one()
    asked = world.now
    seen = world.seen(world.boxes["a"])
    world.run(0.1)
    event(world, "die", exit_code=1)
    world.feed(facts.ContainerInspected(at=asked, container=seen))
    listed(world, asked)
    assert world.condition("a") == "down"


def test_an_inspection_tells_the_policy_even_if_it_is_old() -> None:
    world = one()
    asked = world.now
    world.run(0.1)
    event(world, "die", exit_code=1)
    world.feed(
        facts.ContainerInspected(at=asked, container=replace(world.seen(world.boxes["a"]), restart_policy="always"))
    )
    container = world.app("a").container
    assert container is not None and (container.restart_policy, container.status) == ("always", "exited")


def test_the_pid_of_a_run_that_is_over_is_forgotten() -> None:
    world = one()
    world.inspect("a")
    event(world, "start")
    container = world.app("a").container
    assert container is not None and container.pid is None


def test_a_start_told_again_changes_nothing_for_people() -> None:
    world = one()
    event(world, "start")
    world.run(5.0)
    assert world.condition("a") == "healthy" and not world.asked and not world.firing("a")


def test_news_of_strangers_changes_nothing() -> None:
    world = one()
    before = world.state
    world.feed(facts.ContainerChanged(at=world.now, id="x", name="x", action="die", time=UNIX))
    assert world.state == before


# First sight


def test_an_exited_container_at_first_sight_is_started() -> None:
    world = World({"a": app()}, boxes={"a": {"status": "exited", "exit_code": 1}})
    assert world.condition("a") == "down"
    world.run(5.0)
    assert world.condition("a") == "healthy" and world.actions("a") == ["StartContainer"]


def test_one_that_docker_may_be_starting_is_left_to_docker_first() -> None:
    world = World({"a": app()}, boxes={"a": {"status": "exited", "policy": "always"}})
    world.run(9.0)
    assert not world.actions("a")
    world.run(2.0)
    assert world.actions("a") == ["StartContainer"]


def test_what_a_person_stopped_is_remembered_over_a_restart_of_edged() -> None:
    world = one()
    world.docker_stop("a")
    world.run(2.0)
    world.restart_edged().run(60.0)
    assert world.condition("a") == "stopped" and not world.asked


@pytest.mark.parametrize("list_first", [True, False])
def test_a_stop_while_edged_was_away_is_heard_of(list_first: bool) -> None:
    world = one()
    world.list_first = list_first
    world.kill_edged()
    world.docker_stop("a")
    world.run(5.0)
    world.begin()
    world.run(60.0)
    assert world.condition("a") == "stopped" and not world.actions("a")


@pytest.mark.parametrize("list_first", [True, False])
def test_a_crash_after_a_stop_and_a_start_while_edged_was_away_is_a_crash(list_first: bool) -> None:
    world = one()
    world.list_first = list_first
    world.kill_edged()
    world.docker_stop("a")
    world.run(5.0)
    world.start("a")
    world.run(5.0)
    world.crash("a")
    world.run(5.0)
    world.begin()
    world.run(60.0)
    assert world.condition("a") == "healthy" and world.actions("a") == ["StartContainer"]


@pytest.mark.parametrize("list_first", [True, False])
def test_what_edged_heard_before_it_was_restarted_it_may_hear_again(list_first: bool) -> None:
    world = one()
    world.list_first = list_first
    world.docker_restart("a")
    world.run(0.5)
    world.restart_edged(away=0.1)
    world.run(10.0)
    assert world.condition("a") == "healthy" and not world.actions("a")


def test_a_stop_of_a_discovered_app_while_edged_was_away_is_heard_of() -> None:
    world = World(boxes={"x": {"status": "running", **labelled()}}).run(2.0)
    world.kill_edged()
    world.docker_stop("x")
    world.run(5.0)
    world.begin()
    world.run(60.0)
    assert world.condition("x") == "stopped" and not world.actions("x")


def test_a_start_while_edged_was_away_ends_the_stop() -> None:
    world = one()
    world.docker_stop("a")
    world.run(2.0)
    world.kill_edged()
    world.start("a")
    world.begin()
    world.run(2.0)
    assert world.condition("a") == "healthy" and world.app("a").kept.stopped is None


def test_health_events_are_followed() -> None:
    world = World({"a": app()}, boxes={"a": {"health": "healthy"}}).run(1.0)
    world.set_health("a", "unhealthy")
    world.run(0.01)
    assert world.condition("a") == "unhealthy"


# Discovery


def labelled(**more: str) -> dict[str, Any]:
    return {"labels": {"edged.enable": "true", **more}}


def test_an_enabled_container_is_an_app_with_its_labels() -> None:
    world = World(boxes={"x": {"status": "running", **labelled(**{"edged.restart.budget": "2"})}}).run(2.0)
    assert world.app("x").discovered and world.app("x").config.restart.budget == 2


def test_a_container_that_starts_later_is_discovered_by_its_event() -> None:
    world = World().run(1.0)
    world.create("x", **labelled())
    world.start("x")
    world.run(2.0)
    assert world.condition("x") == "healthy"


def test_a_discovered_app_is_recovered_under_a_name_given_by_label() -> None:
    world = World(boxes={"compose-x-1": {"status": "running", **labelled(**{"edged.app": "x"})}}).run(2.0)
    for _ in range(3):
        world.list_now()
    assert world.condition("x") == "healthy"
    world.crash("compose-x-1")
    world.run(5.0)
    assert world.condition("x") == "healthy" and world.actions("x") == ["StartContainer"]


def test_what_is_only_observed_is_reported_and_never_touched() -> None:
    world = World(config=Config(discover="all"), boxes={"x": {"status": "running"}}).run(2.0)
    world.crash("x")
    world.run(600.0)
    assert world.condition("x") == "down" and world.firing("x") == {"AppDown"} and not world.actions(evidence=True)


def test_a_discovered_app_that_is_gone_for_good_is_forgotten_without_an_alert() -> None:
    world = World(boxes={"x": {"status": "running", **labelled()}}).run(2.0)
    world.remove("x")
    for _ in range(30):
        world.run(30.0)
        world.list_now()
    assert "x" not in world.state.apps and not world.events(AlertRaised)


def test_a_discovered_app_is_remembered_over_a_restart_of_edged() -> None:
    world = World(boxes={"x": {"status": "running", **labelled()}}).run(2.0)
    world.crash("x")
    world.run(5.0)
    before = world.app("x").kept.recovery.charged
    world.restart_edged().run(2.0)
    assert before and world.app("x").kept.recovery.charged == before


def test_alerts_of_one_that_went_while_edged_was_away_are_cleared() -> None:
    world = World(boxes={"x": {"status": "running", **labelled()}}).run(2.0)
    world.boxes["x"].start_error = "no"
    world.crash("x")
    world.run(5.0)
    assert "AppDown" in world.firing("x")
    world.kill_edged()
    world.remove("x")
    world.begin()
    assert world.events(AlertCleared, subject="x", name="AppDown")


def test_each_change_is_told_once() -> None:
    world = one()
    world.crash("a")
    world.run(10.0)
    assert [(e.old, e.new) for e in world.events(AppChanged)] == [
        ("healthy", "down"),
        ("down", "starting"),
        ("starting", "healthy"),
    ]


@pytest.mark.parametrize("action", ["pause", "unpause"])
def test_a_pause_by_a_person_is_respected(action: str) -> None:
    world = one()
    world.pause("a")
    world.run(600.0)
    assert world.condition("a") == "paused" and not world.asked
    if action == "unpause":
        world.unpause("a")
        world.run(1.0)
        assert world.condition("a") == "healthy"
