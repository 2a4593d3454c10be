"""A new configuration: what did not change is not touched."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edged.config import App, Config, Dependency
from edged.vocabulary.events import AlertCleared, AlertRaised, AppChanged, CommandAnswered, ConfigReloaded, RecoveryHeld

from .world import World, app, probed

LABELS = {"edged.enable": "true"}


def reload(w: World, *changed: str, **apps: App) -> World:
    return w.reload(replace(w.config, apps=apps), changed)


def test_it_is_told_and_the_first_one_is_not() -> None:
    w = World({"a": app()})
    assert not w.events(ConfigReloaded)
    reload(w, "apps.b", a=app(), b=app())
    (told,) = w.events(ConfigReloaded)
    assert told.changed == ("apps.b",) and w.state.config.reloads == 1


def test_streaks_budgets_and_alerts_of_an_unchanged_app_survive() -> None:
    w = World({"a": probed(), "b": app()}).run(30.0)
    w.probe("a")
    w.crash("a")
    w.run(2.0)
    w.probe("a", False)
    before = w.app("a")
    assert before.kept.recovery.charged and before.kept.alerts
    reload(w, "apps.b.priority", a=probed(), b=app(priority=7))
    assert w.app("a") == before and w.app("b").config.priority == 7


def test_a_changed_app_keeps_its_streak_budget_and_alerts_too() -> None:
    w = World({"a": probed()}).run(30.0)
    w.probe("a")
    w.crash("a")
    w.run(2.0)
    w.probe("a")
    w.run(30.0)
    w.probe("a", False)
    before = w.app("a")
    reload(w, "apps.a.memory.warn", a=probed(memory={"warn": 0.7}))
    after = w.app("a")
    assert (after.probe, after.kept.recovery) == (before.probe, before.kept.recovery)
    assert after.config.memory.warn == 0.7


def test_another_address_begins_another_streak() -> None:
    w = World({"a": probed()}).run(1.0)
    w.probe("a")
    reload(w, a=probed(health={"http": "http://127.0.0.1:2/health"}))
    assert w.condition("a") == "starting"


def test_another_interval_does_not() -> None:
    w = World({"a": probed()}).run(1.0)
    w.probe("a")
    reload(w, a=probed(health={"every": 7.0}))
    assert w.condition("a") == "healthy"


def test_an_app_that_is_added_is_not_missing_before_it_was_looked_for() -> None:
    w = World({"a": app()}, boxes={"b": {"status": "running"}}).run(2.0).forget()
    reload(w, a=app(), b=app())
    w.run(20.0)
    assert w.condition("b") == "unknown" and not w.events(AlertRaised)
    w.list_now()
    assert w.condition("b") == "healthy"


def test_an_app_that_is_added_and_is_not_there_is_missing() -> None:
    w = World({"a": app()}).run(2.0)
    reload(w, a=app(), b=app())
    w.list_now()
    w.run(5.0)
    assert w.firing("b") == {"AppDown"}


def test_an_app_that_is_removed_takes_its_alerts_with_it() -> None:
    w = World({"a": app(), "b": app()}).run(2.0)
    w.boxes["b"].start_error = "no"
    w.crash("b")
    w.run(2.0)
    assert w.firing("b")
    reload(w, a=app())
    assert not w.firing("b") and "b" not in w.state.apps
    assert [(e.subject, e.summary) for e in w.events(AlertCleared)] == [("b", "b is not watched any more")]
    assert w.events(RecoveryHeld, subject="b")


def test_a_command_to_an_app_that_is_removed_is_answered() -> None:
    w = World({"a": app(), "b": app()}).run(2.0)
    w.command("restart", app="b")
    reload(w, a=app())
    (answer,) = w.events(CommandAnswered, status="failed")
    assert answer.reason == "removed" and not w.state.commands


def test_an_action_of_an_app_that_is_removed_may_end_in_peace() -> None:
    w = World({"a": app(), "b": app()}).run(2.0)
    w.crash("b")
    w.run(0.003)
    reload(w, a=app())
    w.run(5.0)
    assert "b" not in w.state.apps


def test_another_selector_finds_another_container() -> None:
    w = World({"a": app()}, boxes={"a": {}, "box": {"status": "running"}}).run(2.0).forget()
    w.boxes["a"].status = "running"
    reload(w, a=app(container="box"))
    assert w.condition("a") == "unknown"
    w.list_now()
    container = w.app("a").container
    assert container is not None and container.name == "box" and w.condition("a") == "healthy"


def test_an_app_under_a_new_name_keeps_its_container_and_what_people_did_to_it() -> None:
    w = World({"old": app(container="box")}, boxes={"old": {}, "box": {"status": "running"}}).run(2.0)
    w.docker_stop("box")
    w.run(2.0)
    reload(w, new=app(container="box"))
    assert w.condition("new") == "stopped"
    w.run(60.0)
    assert not w.asked


def test_two_apps_may_swap_their_containers() -> None:
    w = World({"a": app(container="x"), "b": app(container="y")}, boxes={"a": {}, "b": {}, "x": {}, "y": {}})
    for name in ("x", "y"):
        w.boxes[name].status = "running"
    w.list_now()
    w.run(2.0)
    reload(w, a=app(container="y"), b=app(container="x"))
    w.list_now()
    names = {n: a.container.name for n, a in w.state.apps.items() if a.container is not None}
    assert names == {"a": "y", "b": "x"} and not w.asked


# Discovery


def discovered(**box: Any) -> World:
    return World({"a": app()}, boxes={"x": {"status": "running", "labels": LABELS, **box}}).run(2.0).forget()


def test_a_discovered_app_stays() -> None:
    w = discovered()
    before = w.app("x")
    reload(w, a=app(priority=1))
    assert w.app("x") == before


def test_not_when_discovery_is_turned_off() -> None:
    w = discovered()
    w.reload(replace(w.config, discover="off"))
    assert "x" not in w.state.apps


def test_nor_when_the_file_means_its_container() -> None:
    w = discovered()
    w.docker_stop("x")
    w.run(2.0)
    reload(w, a=app(), vision=app(container="x"))
    assert "x" not in w.state.apps and w.condition("vision") == "stopped"


def test_an_app_that_leaves_the_file_and_is_enabled_by_label_is_a_discovered_one_at_once() -> None:
    w = World({"x": app()}, boxes={"x": {"labels": LABELS}}).run(2.0)
    w.docker_stop("x")
    w.run(2.0)
    reload(w)
    assert w.app("x").discovered and w.condition("x") == "stopped"


def test_a_discovered_app_that_the_file_names_is_the_same_app() -> None:
    w = discovered()
    w.crash("x")
    w.run(5.0)
    before = w.app("x").kept
    assert before.recovery.charged
    reload(w, a=app(), x=app(priority=3))
    assert not w.app("x").discovered and w.app("x").kept == before and w.app("x").config.priority == 3


# Dependencies

BROKER = Config(dependencies={"broker": Dependency(tcp="127.0.0.1:1883", failures=2)})


def test_an_unchanged_dependency_keeps_its_streak() -> None:
    w = World(config=BROKER)
    w.probe("broker", False, kind="dependency")
    w.reload(w.config)
    w.probe("broker", False, kind="dependency")
    assert w.firing("broker") == {"DependencyDown"}


def test_another_address_is_judged_anew_and_the_alert_waits_for_that() -> None:
    w = World(config=BROKER)
    for _ in range(2):
        w.probe("broker", False, kind="dependency")
    moved = {"broker": Dependency(tcp="10.0.0.1:1883", failures=2)}
    w.reload(replace(w.config, dependencies=moved), ("dependencies.broker.tcp",))
    w.probe("broker", False, kind="dependency")
    assert w.firing("broker") == {"DependencyDown"} and w.state.dependencies["broker"].streak.verdict == "unknown"
    w.probe("broker", kind="dependency")
    assert not w.firing("broker")


def test_a_dependency_that_is_removed_takes_its_alert_with_it() -> None:
    w = World(config=BROKER)
    for _ in range(2):
        w.probe("broker", False, kind="dependency")
    w.reload(replace(w.config, dependencies={}))
    assert [e.subject for e in w.events(AlertCleared)] == ["broker"]


def test_a_reload_that_changes_nothing_tells_of_no_change() -> None:
    w = World({"a": app(), "b": probed()}).run(5.0).forget()
    w.reload(w.config)
    assert not w.events(AppChanged) and not w.asked
