"""The library against a real mosquitto: nothing is missing from a survey, and commands outlive connections."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edged.adapters.fleet_link import FleetLink
from edged.config.model import Mqtt
from edged.fleet import Answer, Change, Command, Console, NotTaken, results
from edged.fleet.console import News, Refused
from edged.ports import Unreachable
from edged.report.payloads import status_payload
from tests.fixtures.broker import Mosquitto, until
from tests.fixtures.fleet_device import SimulatedDevice, SimulatedFleet

pytestmark = pytest.mark.broker

New = Callable[..., Console]


def pumped(console: Console, wanted: Callable[[News], bool], within: float = 30.0) -> News:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        news = console.pump(0.1)
        if news is not None and wanted(news):
            return news
    raise AssertionError("it did not come")


def retain(port: int, topics: dict[str, bytes]) -> None:
    client = Client(CallbackAPIVersion.VERSION2, "filler")
    client.max_inflight_messages = 20
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(topic, payload, qos=1, retain=True) for topic, payload in topics.items()]
    for one in sent:
        one.wait_for_publish(60.0)
    client.disconnect()
    client.loop_stop()


def test_a_survey_is_complete_whatever_the_broker_queues(new_broker: Callable[..., Mosquitto]) -> None:
    """As delivered, mosquitto drops without a word what is beyond 1000 messages for one reader."""
    broker = new_broker(["max_queued_messages 1000", "max_inflight_messages 20"])
    broker.start()
    count, apps = 3000, 3
    topics = {}
    for number in range(count):
        here = f"edged/v1/d{number:04}"
        topics[f"{here}/status"] = status_payload("online", 1, 0.0, "sha256:" + "0" * 64)
        topics[f"{here}/meta"] = b'{"boot":1,"labels":{"n":"%d"},"edged":"1","x":"%b"}' % (number, b"x" * 300)
        topics |= {f"{here}/app/a{app}": b'{"state":"healthy","x":"%b"}' % (b"x" * 500) for app in range(apps)}
    retain(broker.port, topics)
    console = Console(FleetLink(Mqtt(url=broker.url)))
    try:
        console.connect(20.0)
        console._grant(["edged/v1/#"], retained=True, qos=1, timeout=60.0)
        until(lambda: console.pump(1.0) is None, 60.0, "the end of what the broker has queued")
        assert len(console.fleet.devices) < count, "the broker loses nothing: this test shows nothing"
        console._forget(["edged/v1/#"])
        console.survey(timeout=100.0)
        assert len(console.fleet.devices) == count
        assert all(d.meta and d.status and len(d.apps) == apps for d in console.fleet)
        console.survey(["d0001", "d0002", "gone"])
        assert len(console.fleet.devices) == count
    finally:
        console.close()


def test_a_survey_begins_anew(fleet: SimulatedFleet, new_console: New) -> None:
    fleet.add(SimulatedDevice("a"), SimulatedDevice("b"))
    fleet.do(lambda: fleet.devices["a"].tell_alert("DiskFull", "x"))
    console = new_console()
    console.survey()
    assert console.fleet.devices["a"].alerts
    fleet.do(lambda: fleet.devices["a"].tell_alert("DiskFull", "x", clear=True))
    console.survey()
    assert not console.fleet.devices["a"].alerts and len(console.fleet.devices) == 2


def test_changes_come_as_they_happen(fleet: SimulatedFleet, new_console: New) -> None:
    fleet.add(SimulatedDevice("a"))
    console = new_console()
    console.follow(["edged/v1/+/status", "edged/v1/+/alert/+/+"])
    console.survey()
    fleet.do(lambda: fleet.devices["a"].tell_alert("AppDown", "detector"))
    change = pumped(console, lambda news: isinstance(news, Change))
    assert isinstance(change, Change) and (change.kind, change.name) == ("alert", "AppDown/detector")
    fleet.call(fleet.devices["a"].stop(politely=False))
    pumped(console, lambda news: isinstance(news, Change) and news.kind == "status")
    assert console.fleet.devices["a"].state == "offline"


def test_a_command_outlives_the_connection(broker: Mosquitto, fleet: SimulatedFleet, new_console: New) -> None:
    console = new_console()
    console.follow([results()])
    broker.stop()
    console.send(Command("one", "restart", "a", {"app": "detector"}), 300.0)
    assert console.unsent == 1
    pumped(console, lambda news: type(news).__name__ == "Lost")
    broker.start()
    fleet.add(SimulatedDevice("a"))
    pumped(console, lambda news: isinstance(news, Answer) and news.final)
    assert console.unsent == 0 and [one["id"] for one in fleet.devices["a"].done] == ["one"]
    # The same id again does nothing, and tells how it ended.
    console.send(Command("one", "restart", "a", {"app": "detector"}), 300.0)
    again = pumped(console, lambda news: isinstance(news, Answer))
    assert isinstance(again, Answer) and again.state == "succeeded" and len(fleet.devices["a"].done) == 1
    assert not fleet.devices["a"].refusals


def test_more_commands_than_the_broker_takes_at_once(fleet: SimulatedFleet, new_console: New) -> None:
    fleet.add(SimulatedDevice("a"))
    console = new_console()
    console.follow([results("a")])
    ids = {f"id-{number}" for number in range(300)}
    for one in sorted(ids):
        console.send(Command(one, "restart", "a", {"app": "detector"}), 300.0)
    ended: set[str] = set()
    while ids - ended:
        news = pumped(console, lambda news: isinstance(news, Answer) and news.final)
        assert isinstance(news, Answer)
        ended.add(news.id)
    assert len(fleet.devices["a"].done) == 300 and console.logs.missing() == {}


def test_nobody_listens(new_console: New) -> None:
    console = new_console()
    console.send(Command("one", "restart", "nobody"), 300.0)
    news = pumped(console, lambda news: isinstance(news, NotTaken))
    assert isinstance(news, NotTaken) and news.unheard


def test_what_the_broker_forbids_is_told(new_broker: Callable[..., Mosquitto]) -> None:
    broker = new_broker()
    acl = broker._folder / "acl"
    acl.write_text("topic read edged/v1/#\ntopic write edged/v1/+/cmd/restart/+\n")
    broker.configure([f"acl_file {acl}"])
    broker.start()
    from tests.fleet.conftest import signer

    console = Console(FleetLink(Mqtt(url=broker.url)), signer())
    try:
        console.connect(20.0)
        console.send(Command("one", "stop", "a"), 300.0)
        news = pumped(console, lambda news: isinstance(news, NotTaken))
        assert isinstance(news, NotTaken) and not news.unheard and "not authorized" in news.reason
    finally:
        console.close()


def test_without_a_key_or_a_broker(new_console: New) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        dead = Console(FleetLink(Mqtt(url="mqtt://127.0.0.1:1")))
        try:
            dead.connect(20.0)
        finally:
            dead.close()
    console = new_console()
    console._signer = None
    with pytest.raises(Refused, match="--key"):
        console.send(Command("one", "stop", "a"), 300.0)


def test_a_link_that_is_closed_leaves_no_thread(broker: Mosquitto) -> None:
    link = FleetLink(Mqtt(url=broker.url))
    console = Console(link)
    console.connect(20.0)
    console.close()
    until(lambda: not link._thread.is_alive(), what="the end of the link's thread")
