"""What Home Assistant is told to look for, read as it reads it: with Jinja, from what edged really publishes."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec.structs import replace

from edged.config import App, Config
from edged.report.home_assistant import PREFIX, Discovery, topics
from edged.report.payloads import full_topic, status_payload
from edged.report.retained import level
from edged.report.snapshot import Snapshot
from edged.report.status import app_state, metrics_sample
from tests.web.busy import HOSTILE, busy

NAMES = ("detector", "camera.front", "camera_front", HOSTILE, "x" * 300, "zähler/ä%")
ON = {"device": {"id": "press-7"}, "mqtt": {"url": "mqtt://b", "home_assistant": True, "metrics_every": 60.0}}
CONFIG = msgspec.convert(ON | {"host": {"disk": {"paths": ["/", "/data"]}}}, Config)


def seen() -> Snapshot:
    shot = busy(NAMES)
    metrics = {"url": "http://127.0.0.1:1/", "latency": {"histogram": "t", "warn": 1.0}}
    rules = msgspec.convert({"drift": {"source": {"file": "/f"}}, "model": {"path": "/m"}, "metrics": metrics}, App)
    apps = {name: replace(app, config=rules) for name, app in shot.state.apps.items()}
    return replace(shot, config=CONFIG, state=replace(shot.state, apps=apps))


def made(shot: Snapshot) -> dict[str, dict[str, Any]]:
    found = topics(CONFIG, {name: app.config for name, app in shot.state.apps.items()})
    return {topic: json.loads(payload) for topic, payload in found.items()}


def published(shot: Snapshot) -> dict[str, Any]:
    """By full topic, what a broker would have of this device."""
    base = "edged/v1/press-7"
    sent = {f"{base}/app/{level(name)}": app_state(shot, app) for name, app in shot.state.apps.items()}
    sent[f"{base}/metrics"] = metrics_sample(shot)
    sent[f"{base}/status"] = json.loads(status_payload("online", 1, 0.0, "sha256:1"))
    made: dict[str, Any] = json.loads(json.dumps(sent))
    return made


def render(template: str, payload: Any) -> str:
    return str(ImmutableSandboxedEnvironment().from_string(template).render(value_json=payload))


def test_every_description_holds() -> None:
    shot = seen()
    sent, found = published(shot), made(shot)
    assert len(found) == 6 + 7 * len(NAMES)
    assert len({one["unique_id"] for one in found.values()}) == len(found)
    for topic, one in found.items():
        place = re.fullmatch(r"/homeassistant/(sensor|binary_sensor)/press-7/([A-Za-z0-9_-]+)/config", topic)
        assert place and one["unique_id"] == f"edged_press-7_{place[2]}"
        shown = render(one["value_template"], sent[one["state_topic"]])
        if place[1] == "binary_sensor":
            assert shown in ("ON", "OFF") or (shown == "None" and place[2].endswith("_drift"))
            assert one["device_class"] == "problem"
        elif one["state_topic"].endswith("/metrics"):
            assert shown == "None" or float(shown) >= 0.0, topic
            assert one["expire_after"] == 180 and one["state_class"] == "measurement"
        assert render(one["availability_template"], sent[one["availability_topic"]]) == "online"
        assert one["device"]["identifiers"] == ["edged_press-7"] and one["origin"]["name"] == "edged"


def test_values() -> None:
    shot = seen()
    sent, found = published(shot), made(shot)

    def value(entity: str) -> str:
        one = next(one for one in found.values() if one["unique_id"] == f"edged_press-7_{entity}")
        return render(one["value_template"], sent[one["state_topic"]])

    assert [value(f"host_{name}") for name in ("memory", "cpu", "temperature")] == ["62.5", "37.0", "61.5"]
    assert value("alerts") == "4"
    disks = [name for name in found if "host_disk" in name]
    assert len(disks) == 2 and "host_disk__data-" in disks[1]
    assert (value("app_detector_state"), value("app_detector_problem")) == ("unhealthy", "ON")
    assert (value("app_camera_front_state"), value("app_camera_front_problem")) == ("down", "ON")
    assert value("app_detector_memory") == "40.0" and value("app_detector_latency") == "21.3"
    assert value("app_detector_model") == "1.0.0" and value("app_detector_drift") == "None"
    assert value(next(one for one in found if "_drift" in one and "camera_front-" in one).split("/")[-2]) == "ON"
    attributes = next(one for one in found.values() if one["unique_id"].endswith("app_detector_state"))
    told = json.loads(render(attributes["json_attributes_template"], sent[attributes["json_attributes_topic"]]))
    assert told["reason"].startswith("health probe") and told["since"].endswith("Z")
    assert "healthy" in attributes["options"]


def test_a_device_that_goes_is_not_there() -> None:
    one = next(iter(made(seen()).values()))
    for state in ("stopping", "offline"):
        assert render(one["availability_template"], json.loads(status_payload(state, 1, 0.0, ""))) == "offline"


def test_what_a_sample_does_not_tell_is_unknown() -> None:
    shot = seen()
    empty = {"t": "", "apps": {}, "host": {"mem": 0.1, "cpu": None, "disk": {}}}
    for one in made(shot).values():
        if one["state_topic"].endswith("/metrics") and not one["unique_id"].endswith("host_memory"):
            assert render(one["value_template"], empty) == "None"


@pytest.mark.parametrize("config", [Config(), msgspec.convert({"mqtt": {"url": "mqtt://b"}}, Config)])
def test_it_is_off_unless_asked_for(config: Config) -> None:
    assert topics(config, {"a": App()}) == {}
    assert Discovery([]).topics(config, busy().state.apps) == {}


def test_what_is_gone_is_cleared() -> None:
    apps = busy(("a", "b")).state.apps
    discovery = Discovery([f"{PREFIX}/sensor/press-7/old/config", "app/a"])
    found = discovery.topics(CONFIG, apps)
    assert found[f"{PREFIX}/sensor/press-7/old/config"] == b"" and "app/a" not in found
    assert found is discovery.topics(CONFIG, dict(apps))
    kept = discovery.left()
    assert kept == [topic for topic, payload in found.items() if payload] and discovery.left() is None
    fewer = discovery.topics(CONFIG, {"a": apps["a"]})
    gone = {topic for topic, payload in fewer.items() if not payload and found[topic]}
    assert gone and all("/app_b_" in topic for topic in gone)
    off = discovery.topics(Config(), apps)
    assert off.keys() == found.keys() and not any(off.values())
    assert discovery.left() == []
    later = Discovery(kept).topics(Config(), {})
    assert later.keys() == set(kept) and not any(later.values())


def test_places() -> None:
    assert full_topic("edged/v1/a", "app/x") == "edged/v1/a/app/x"
    assert full_topic("edged/v1/a", "/homeassistant/x") == "homeassistant/x"
