"""Which container is which app."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edged.config import App, Config, Label
from edged.judge.identity import assign, configured, discovered_app, discovers, owner, pick, selects
from edged.vocabulary.state import AppState
from edged.vocabulary.world import Container

from .world import app


def box(id_: str, name: str = "a", status: Any = "running", **more: Any) -> Container:
    return Container(id=id_, name=name, status=status, **more)


def named(name: str, **more: Any) -> AppState:
    config = more.pop("config", app())
    return replace(AppState(name=name, config=config), **more)


LABELLED = App(container=Label(label="role=vision"))


def test_an_app_means_the_container_of_its_name() -> None:
    assert selects("a", app(), "a", {})
    assert not selects("a", app(), "b", {})


def test_or_the_one_that_is_named() -> None:
    assert selects("a", app(container="box"), "box", {})
    assert not selects("a", app(container="box"), "a", {})


def test_or_the_one_with_a_label() -> None:
    assert selects("a", LABELLED, "x", {"role": "vision"})
    assert not selects("a", LABELLED, "x", {"role": "audio"})
    assert selects("a", App(container=Label(label="role")), "x", {"role": "anything"})


def test_a_running_container_is_picked_before_the_known_one() -> None:
    boxes = [box("1", status="exited"), box("2")]
    assert pick("a", app(), "1", boxes) == boxes[1]


def test_of_two_that_run_the_known_one_stays() -> None:
    labels = {"role": "vision"}
    boxes = [box("1", labels=labels, created_at=1.0), box("2", labels=labels, created_at=2.0)]
    found = pick("a", LABELLED, "1", boxes)
    assert found is not None and found.id == "1"


def test_a_paused_container_is_not_left_for_a_newer_stopped_one() -> None:
    boxes = [box("1", status="paused", created_at=1.0), box("2", status="exited", created_at=2.0)]
    assert pick("a", app(), "", boxes) == boxes[0]


def test_no_container_belongs_to_two_apps() -> None:
    apps = [named("first", config=LABELLED), named("second", config=LABELLED)]
    found = assign(apps, [box("1", labels={"role": "vision"})])
    assert list(found) == ["first"]


def test_two_apps_with_one_label_share_two_containers() -> None:
    labels = {"role": "vision"}
    apps = [named("first", config=LABELLED), named("second", config=LABELLED)]
    found = assign(apps, [box("1", labels=labels), box("2", labels=labels)])
    assert {c.id for c in found.values()} == {"1", "2"}


def test_who_has_a_container_keeps_it() -> None:
    mine = box("1", labels={"role": "vision"})
    apps = [named("first", config=LABELLED), named("second", config=LABELLED, container=mine)]
    assert list(assign(apps, [mine])) == ["second"]


def test_the_file_comes_before_discovery() -> None:
    apps = [named("x", config=app(container="a"), discovered=True), named("a")]
    assert list(assign(apps, [box("1")])) == ["a"]


def test_what_is_discovered() -> None:
    on, none = {"edged.enable": "true"}, dict[str, str]()
    assert [discovers(Config(discover="all"), labels) for labels in (on, none)] == [True, True]
    assert [discovers(Config(discover="labels"), labels) for labels in (on, none)] == [True, False]
    assert [discovers(Config(discover="off"), labels) for labels in (on, none)] == [False, False]


def test_a_container_that_nobody_enabled_is_only_observed() -> None:
    name, made, _ = discovered_app(Config(), box("1", "stranger"))
    assert name == "stranger" and not made.restart.enabled


def test_a_discovered_app_finds_its_own_container_again() -> None:
    for labels in ({"edged.enable": "true"}, {"edged.enable": "true", "edged.app": "vision"}, {}):
        container = box("1", "compose-vision-1", labels=labels)
        name, made, _ = discovered_app(Config(), container)
        assert selects(name, made, container.name, container.labels), labels


def test_an_app_named_by_label_survives_a_new_container_name() -> None:
    labels = {"edged.enable": "true", "edged.app": "vision"}
    name, made, _ = discovered_app(Config(), box("1", "brave_hopper", labels=labels))
    assert name == "vision" and selects(name, made, "keen_turing", labels)


def test_labels_add_to_the_file() -> None:
    config = Config(apps={"a": app()})
    made, problems = configured(config, "a", box("1", labels={"edged.restart.budget": "2", "edged.wat": "1"}))
    assert made.restart.budget == 2 and len(problems) == 1


def test_labels_count_for_nothing_when_discovery_is_off() -> None:
    config = Config(apps={"a": app()}, discover="off")
    assert configured(config, "a", box("1", labels={"edged.restart.budget": "2"})) == (app(), ())


def test_the_owner_of_a_container() -> None:
    apps = {"a": named("a", container=box("1"))}
    assert owner(apps, "1") == apps["a"]
    assert owner(apps, "2") is None
