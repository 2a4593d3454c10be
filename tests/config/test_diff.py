from __future__ import annotations

from msgspec.structs import replace

from edged.config import App, Config, Dependency, Device, Health, Label, Memory, Mqtt, Restart, changed

from .conftest import Load


def test_nothing() -> None:
    assert changed(Config(), Config()) == ()


def test_paths_are_in_the_order_of_the_types_and_by_name() -> None:
    old = Config(
        device=Device(id="a", labels={"x": "1", "z": "1"}),
        dependencies={"d": Dependency(dns="x")},
        apps={"b": App(), "a": App(memory=Memory(for_=1.0)), "gone": App()},
    )
    new = Config(
        device=Device(id="b", labels={"x": "2", "y": "1", "z": "1"}),
        mqtt=Mqtt(url="mqtt://x"),
        dependencies={"d": Dependency(dns="y")},
        apps={"new": App(), "a": App(memory=Memory(for_=2.0)), "b": App(needs=("a",), container=Label(label="x"))},
        discover="off",
    )
    expected = (
        "device.id",
        "device.labels.x",
        "device.labels.y",
        "mqtt",
        "dependencies.d.dns",
        "apps.a.memory.for",
        "apps.b.container",
        "apps.b.needs",
        "apps.gone",
        "apps.new",
        "discover",
    )
    assert changed(old, new) == expected
    assert set(changed(new, old)) == set(expected)


def test_a_section_of_another_kind_is_one_path() -> None:
    mqtt = Mqtt(url="mqtt://x")
    assert changed(Config(mqtt=mqtt), Config(mqtt=replace(mqtt, password="x"))) == ("mqtt.password",)
    assert changed(Config(mqtt=mqtt), Config()) == ("mqtt",)
    label, name = App(container=Label(label="x")), App(container="x")
    assert changed(Config(apps={"a": label}), Config(apps={"a": name})) == ("apps.a.container",)


def test_writing_a_default_down_is_a_change(load_text: Load) -> None:
    """It decides whether a label counts."""
    old = load_text("apps: {a: {restart: {budget: 5}}}").config
    new = load_text("apps: {a: {priority: 50, restart: {budget: 6}}}").config
    assert changed(old, new) == ("apps.a.restart.budget", "apps.a.priority")
    assert old.apps["a"] != App(health=Health(), restart=Restart())
