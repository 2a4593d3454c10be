"""However a file is broken, a password is never in a message."""

from __future__ import annotations

import pytest

from edged.config import Mqtt, render

from .conftest import Load, Refuse

SECRET = "hunter2"
BROKEN = [
    "mqtt: {url: mqtts://b, password: [hunter2]}",
    "mqtt: {url: mqtts://b, password: {hunter2: x}}",
    "mqtt: {url: mqtts://b, password: {a: hunter2}}",
    "mqtt: {url: mqtts://b, password: !hunter2 x}",
    "mqtt: {url: mqtts://b, password: !hunter2!x y}",
    "mqtt: {url: mqtts://b, password: !!hunter2 x}",
    "mqtt: {url: mqtts://b, password: *hunter2}",
    "mqtt: {url: mqtts://b, password: '${hunter2}'}",
    "mqtt: {url: mqtts://b, password: 'a${hunter2'}",
    "mqtt: {url: mqtts://b, password: hunter2, password: x}",
    "mqtt: {url: mqtts://b, password: hunter2, password_file: x}",
    "mqtt: {url: mqtts://b, pasword: hunter2}",
    "mqtt: {url: mqtts://b, password_flie: hunter2}",
    "mqtt: {url: 'mqtts://user:hunter2@b'}",
    "mqtt: {url: 'mqtts://user:/@hunter2@b'}",
    "mqtt: {url: 'mqtts://user:hunter2/@b/x'}",
    "mqtt: {url: '${URL}'}",
    "mqtt: {url: '${PASSWORD}'}",
    "mqtt: {url: mqtts://b, keepalive: '${PASSWORD}'}",
    "mqtt: {url: mqtts://b, in_flight: '${PASSWORD}'}",
    "mqtt:\n  url: mqtts://b\n  in_flight: '5\n  password: hunter2\n  username: x'",
    "mqtt:\n  url: mqtts://b\n  in_flight: 5\n    password hunter2",
    "mqtt:\n  url: mqtts://b\n  in_flight: |\n    password: hunter2",
    "mqtt:\n  url: mqtts://b\n  'in_flight: 5\n  password: hunter2':",
    "mqtt:\n  url: mqtts://b\n  ? 'in_flight: 5\n    password: hunter2'\n  : x",
    "host: {disk: {paths: 'x\n  password: hunter2'}}",
    "mqtt: hunter2",
    "password: hunter2",
    "mqtt:\n  url: mqtts://b\n  password: hunter2: x",
    "mqtt:\n  url: mqtts://b\n  password: 'hunter2",
    "mqtt:\n  url: mqtts://b\n  password: {hunter2",
    "mqtt:\n  url: mqtts://b\n  password: \"hunter2\\q\"",
    "mqtt:\n  url: mqtts://b\n  password:\n  hunter2",
    "apps: {a: {health: {http: 'ftp://user:hunter2@x'}}}",
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_never_in_a_message(refuse: Refuse, text: str) -> None:
    problems = refuse(text, {"PASSWORD": SECRET, "URL": "mqtts://user:hunter2@b"})
    assert SECRET not in render(problems)
    assert SECRET not in repr(problems)


def test_a_secret_is_shown_as_stars(refuse: Refuse) -> None:
    (problem,) = refuse("mqtt: {url: mqtts://b, password: '${MQTT_PASSWORD}'}")
    assert (problem.value, problem.reason) == ("***", "the environment variable MQTT_PASSWORD is not set")


def test_not_even_in_the_repr_of_a_configuration(load_text: Load) -> None:
    loaded = load_text("mqtt: {url: mqtt://b, password: hunter2}")
    assert SECRET not in repr(loaded)
    assert "password='***'" in repr(loaded.config.mqtt)
    assert "password=''" in repr(Mqtt(url="mqtt://b"))
    assert loaded.config.mqtt is not None
    assert loaded.config.mqtt.password == SECRET
