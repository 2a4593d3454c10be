"""Home Assistant's discovery at a real broker: found, kept up, cleared, and nobody describes another device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.doctor import broker as examination
from edged.doctor.patient import admit
from tests.fixtures.broker import Mosquitto, Reader, until
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

from .conftest import Fleet
from .lab import FOLDER, FleetBroker, Peer

pytestmark = pytest.mark.broker
DENIED = 135
OWN = "homeassistant/sensor/press-7/host_cpu/config"


def permitted(consoles: str) -> str:
    """The rules of this repository with the part for Home Assistant turned on."""
    before, mark, ours = (FOLDER / "edged.acl").read_text().partition("# --- Home Assistant")
    lines = [line[1:] if line.startswith(("#pattern", "#user", "#topic")) else line for line in ours.splitlines()]
    return before + mark + "\n".join([*lines, consoles])


def test_who_may_describe_and_who_may_read(fleet: Fleet, broker: FleetBroker, peer: Callable[..., Peer]) -> None:
    device = peer(fleet.press_7, "edged-press-7")
    assert device.write(OWN, retain=True) == DENIED, "nothing is open by itself"
    device.close()
    reader, _ = fleet.authority.console("home-assistant")
    broker.permit(permitted(fleet.rules))
    broker.restart()
    device, other = peer(fleet.press_7, "edged-press-7"), peer(fleet.press_8, "edged-press-8")
    home, anna = peer(reader, "home"), peer(fleet.anna, "anna")
    home.listen("homeassistant/#")
    home.listen("edged/v1/#")
    anna.listen("homeassistant/#")
    assert other.write(OWN) == DENIED
    for topic in (
        "homeassistant/sensor/press-7/config",
        "homeassistant/sensor/press-7/a/b/config",
        "homeassistant/status",
    ):
        assert device.write(topic) == DENIED
    assert device.write(OWN, b"described", retain=True) == 0
    assert device.write("edged/v1/press-7/metrics", b"sample") == 0
    until(lambda: home.messages == [(OWN, b"described"), ("edged/v1/press-7/metrics", b"sample")])
    assert home.write("homeassistant/status", b"online") == 0
    for topic in ("edged/v1/press-7/cmd/restart/x", OWN, "homeassistant/sensor/console.home-assistant/x/config",
                  "edged/v1/console.home-assistant/status"):  # fmt: skip
        assert home.write(topic) == DENIED, topic
    assert anna.messages == []


def test_the_doctor_finds_what_is_not_permitted(fleet: Fleet, broker: FleetBroker, tmp_path: Path) -> None:
    mqtt = {"url": broker.url, "ca_file": fleet.press_7.ca, "cert_file": fleet.press_7.certificate,
            "key_file": fleet.press_7.key, "home_assistant": True}  # fmt: skip
    file = tmp_path / "edged.yaml"
    file.write_text(yaml.safe_dump({"device": {"id": "press-7"}, "state_dir": str(tmp_path / "state"), "mqtt": mqtt}))

    def found() -> Any:
        patient = admit(file, lambda _: {}, run=tmp_path / "run", etc=tmp_path / "etc")
        return {one.name: one for one in examination.look(patient)}["broker permissions discovery"]

    denied = found()
    assert denied.verdict == "fail" and "pattern write homeassistant/+/%u/+/config" in denied.fix
    broker.permit(permitted(fleet.rules))
    broker.reload()
    until(lambda: found().verdict == "ok", 20.0, "the doctor is content")


@pytest.fixture
def open_broker(new_broker: Callable[..., Mosquitto]) -> Mosquitto:
    """It lets everybody do everything."""
    made = new_broker()
    made.start()
    return made


@pytest.mark.engine
def test_a_daemon_is_found_and_forgotten(engine: Engine, edged: Callable[..., Edged], open_broker: Mosquitto) -> None:
    engine.run("worker")
    engine.run("helper")

    def config(apps: tuple[str, ...], on: bool = True) -> dict[str, Any]:
        mqtt = {"url": open_broker.url, "metrics_every": "1s", "home_assistant": on}
        return {"apps": {name: {"restart": {"enabled": False}} for name in apps}, "mqtt": mqtt}

    daemon = edged(config(("worker", "helper"))).start()
    reader = Reader(open_broker)
    until(lambda: any("app_helper_state" in topic for topic, _, _ in list(reader.messages)))
    state = "homeassistant/sensor/test-device/app_worker_state/config"
    until(lambda: reader.payloads(state))
    one = json.loads(reader.payloads(state)[-1])
    until(lambda: reader.payloads(one["state_topic"]))
    assert json.loads(reader.payloads(one["state_topic"])[-1])["app"] == "worker"
    use = "homeassistant/sensor/test-device/app_worker_memory/config"
    until(lambda: reader.payloads(use))
    memory = json.loads(reader.payloads(use)[-1])
    until(lambda: any(b'"worker"' in sample for sample in reader.payloads(memory["state_topic"])), 20.0)
    until(lambda: reader.payloads(one["availability_topic"]))
    assert json.loads(reader.payloads(one["availability_topic"])[-1])["state"] == "online"

    # An app that goes takes its entities along.
    daemon.configure(config(("worker",)))
    daemon.reload()
    gone = "homeassistant/sensor/test-device/app_helper_state/config"
    until(lambda: reader.payloads(gone)[-1:] == [b""], 20.0, "the helper's description is cleared")
    assert reader.payloads(state)[-1] != b""

    # So does one that was taken away, and all when it is turned off, while edged was not there to see it.
    assert daemon.stop() == 0
    daemon.configure(config(("worker",), on=False))
    daemon.start()
    until(lambda: reader.payloads(state)[-1] == b"", 20.0, "everything is cleared")
    daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0)
    until(
        lambda: all(
            reader.payloads(topic)[-1] == b""
            for topic, _, _ in list(reader.messages)
            if topic.startswith("homeassistant")
        ),
        20.0,
    )
    reader.close()
