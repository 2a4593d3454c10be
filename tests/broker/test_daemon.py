"""The daemon itself at a fleet's broker: connects as it is, all it sends arrives, and nobody can take its place."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from edged.adapters.mqtt_identity import client_id
from edged.config.model import Mqtt
from tests.fixtures.console import trust_file
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.orders import Sender, topic

from .conftest import Fleet
from .lab import FleetBroker, Papers, Peer

BASE = "edged/v1/press-7"


def way(broker: FleetBroker, papers: Papers) -> dict[str, Any]:
    return {
        "url": broker.url, "ca_file": papers.ca, "cert_file": papers.certificate, "key_file": papers.key,
        "metrics_every": "1s",
    }  # fmt: skip


@pytest.mark.engine
@pytest.mark.broker
def test_all_that_it_sends_arrives(
    fleet: Fleet, broker: FleetBroker, peer: Callable[..., Peer], engine: Engine, edged: Callable[..., Edged]
) -> None:
    console = peer(fleet.anna, "anna")
    console.listen("edged/v1/#")
    engine.run("worker")
    app = {"restart": {"enabled": False}}
    config = {"device": {"id": "press-7"}, "apps": {"worker": app}, "mqtt": way(broker, fleet.press_7)}
    daemon = edged(config).start(30.0)

    def latest(topic: str) -> Any:
        found = [payload for name, payload in list(console.messages) if name == f"{BASE}/{topic}"]
        return json.loads(found[-1]) if found and found[-1] else None

    daemon.wait(lambda: (latest("app/worker") or {}).get("state") == "healthy", 30.0, "the app's state")
    daemon.wait(lambda: latest("metrics"), 30.0, "a sample")
    assert latest("status")["state"] == "online" and latest("meta")["device"] == "press-7"
    engine.kill_main("worker")
    daemon.wait(lambda: latest("alert/AppDown/worker"), 30.0, "the alert")
    daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0, 30.0, "all is acknowledged")
    events = [json.loads(payload)["sequence"] for topic, payload in console.messages if topic == f"{BASE}/event"]
    assert events == list(range(events[0], events[0] + len(events)))
    assert "Denied PUBLISH" not in broker.log

    # Another device of this fleet, under the client id that everybody would guess.
    thief = peer(fleet.press_8, "edged-press-7", expiry=3600)
    assert not thief.session
    secret = client_id(Mqtt(**way(broker, fleet.press_7) | {"metrics_every": 1.0}), "press-7")
    assert broker.log.count(f" as {secret} ") == 1 and daemon.status()["broker"]["connected"]
    daemon.kill()
    daemon.wait(lambda: latest("status")["state"] == "offline", 30.0, "the will")
    daemon.start(30.0)
    daemon.wait(lambda: latest("status")["state"] == "online", 30.0, "it is back")
    assert broker.log.count(f" as {secret} ") == 2, "its session is that of before"


@pytest.mark.engine
@pytest.mark.broker
def test_an_order_from_a_console_and_its_result(
    fleet: Fleet, broker: FleetBroker, engine: Engine, edged: Callable[..., Edged]
) -> None:
    """With no other rules than these: the order in, all answers out, and a console that uses nothing but the broker."""
    engine.run("worker")
    sender = Sender("ops")
    daemon = edged()
    config = {"device": {"id": "press-7"}, "apps": {"worker": {}}, "mqtt": way(broker, fleet.press_7)}
    daemon.configure(config | {"commands": {"trust": trust_file(daemon.folder, sender.key)}})
    daemon.start(30.0)
    daemon.wait_state("worker", "healthy", 30.0)
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 30.0, "connected")
    sender.wall = time.time()
    order = sender.order(args={"app": "worker"})
    console = Peer(broker, fleet.anna, "anna")
    console.listen(f"{BASE}/res/#")
    before = engine.pid("worker")
    assert console.write(topic(order), sender.sign(order)) < 128

    def answers() -> list[str]:
        return [json.loads(payload)["data"]["status"] for _, payload in list(console.messages)]

    daemon.wait(lambda: "succeeded" in answers(), 30.0, "the result")
    console.close()
    assert answers()[0] == "accepted" and answers().count("succeeded") == 1 and engine.pid("worker") != before
    assert "Denied PUBLISH" not in broker.log


def test_client_ids(fleet: Fleet) -> None:
    def of(papers: Papers, device: str = "press-7") -> str:
        return client_id(Mqtt(url="mqtts://h", cert_file=papers.certificate, key_file=papers.key), device)

    own = of(fleet.press_7)
    assert own == of(fleet.press_7) and own.startswith("edged-press-7-") and len(own) == len("edged-press-7-") + 16
    assert own not in (of(fleet.press_8), of(fleet.press_7, "press-9"))
    assert client_id(Mqtt(url="mqtt://h", username="press-7"), "press-7") == "edged-press-7"
    gone = Mqtt(url="mqtts://h", cert_file="/nowhere.pem", key_file="/nowhere.key")
    assert client_id(gone, "press-7") == "edged-press-7"
