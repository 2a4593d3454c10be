"""Brokers that are gone, refuse, hang up or keep silent, an edged that is killed: all arrives, in order."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.ports import Batch
from edged.vocabulary.events import EventsDropped
from tests.fixtures.broker import Mosquitto, Reader, until
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.load import Account, Callers
from tests.fixtures.relay import Relay
from tests.report.test_outbox import EVENT as EVENT_TOLD
from tests.report.test_outbox import EVENTS, Device, encode, record
from tests.system.test_reports import get

pytestmark = [pytest.mark.broker]

Make = Callable[..., Edged]
EVENT = "edged/v1/test-device/event"
DAY = 86400.0


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    made: list[Device] = []

    def make(url: str, **options: Any) -> Device:
        made.append(Device(tmp_path / "edged.db", url, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def relay(broker: Mosquitto) -> Iterator[Relay]:
    made = Relay(broker)
    yield made
    made.close()


def whole(reader: Reader, topic: str, last: int) -> Account:
    """What the reader has once number ``last`` has come; all of it, in order, without a gap."""
    until(lambda: last in Account.of(reader, topic).ids, 30.0, f"event {last}")
    account = Account.of(reader, topic)
    assert (account.gaps, account.out_of_order, account.contradictions, account.lost(last)) == (0, 0, 0, 0)
    return account


def all_kept(daemon: Edged) -> None:
    """The two are asked for one after the other, and something may happen in between."""

    def kept() -> bool:
        return bool(daemon.status()["broker"]["spool_messages"] == daemon.events()[-1]["sequence"])

    daemon.wait(kept, 5.0, "nothing is given up")


@pytest.mark.engine
def test_the_broker_is_gone_and_edged_is_killed_twice(
    engine: Engine, edged: Make, broker: Mosquitto, read: Callable[..., Reader]
) -> None:
    chance = random.Random(11)
    console = read("edged/v1/test-device/#")
    engine.run("worker")
    daemon = edged({"apps": {"worker": {}}, "mqtt": {"url": broker.url}}).start()
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 10.0, "connected")
    broker.stop()
    callers = Callers(daemon, "worker", 3)
    for _ in range(2):
        goal = callers.answered + chance.randrange(50, 150)
        daemon.wait(lambda goal=goal: callers.answered > goal, 30.0, "commands are carried out")
        daemon.kill()
        daemon.start()
    callers.stop()
    last = daemon.events()[-1]["sequence"]
    broker.start()
    daemon.reload()  # it need not wait for the next attempt
    account = whole(console, EVENT, last)
    changes = [e for e in account.events.values() if e["type"].endswith("maintenance.changed")]
    assert len(changes) >= callers.answered > 100, "what was answered has been stored"


def test_a_broker_that_takes_all_and_acknowledges_nothing(
    broker: Mosquitto, relay: Relay, read: Callable[..., Reader], device: Callable[..., Device]
) -> None:
    reader = read(EVENTS)
    relay.swallow_acks = True
    one = device(relay.url, in_flight=20, ack_timeout=0.3)
    record(one.store, 300)
    one.outbox.kick()
    until(lambda: relay.connections >= 4, 20.0, "it gives such a connection up, again and again")
    assert one.store.spool()[0] == 300, "nothing counts as delivered"
    assert one.outbox.stats().in_flight <= 20
    relay.swallow_acks = False
    one.drained()
    assert whole(reader, EVENTS, 300).repeated > 0


def test_a_broker_that_hangs_up_at_every_tenth_message(
    broker: Mosquitto, relay: Relay, read: Callable[..., Reader], device: Callable[..., Device]
) -> None:
    reader = read(EVENTS)
    relay.hang_up_at = 10
    one = device(relay.url)
    record(one.store, 400)
    one.outbox.kick()
    one.drained(60.0)
    whole(reader, EVENTS, 400)
    assert one.outbox.stats().refused_total == 0, "no event is blamed for it"
    assert relay.connections < 150, "each connection is made use of"


def test_a_broker_that_is_gone_for_six_weeks(
    new_broker: Callable[..., Mosquitto], device: Callable[..., Device]
) -> None:
    """An event an hour, and the spool keeps 30 days: which ones were given up is told exactly."""
    broker = new_broker()
    broker.start()
    reader = Reader(broker)
    broker.stop()  # it keeps the reader's subscription
    one = device(broker.url)
    gone: set[int] = set()
    told: set[int] = set()
    for hour in range(42 * 24):
        one.store.commit(Batch(wall=1e9, now=hour * 3600.0, events=(("event", EVENT_TOLD),)), encode)
        if hour % 24:
            continue
        for first, last, count, reason in one.store.trim(hour * 3600.0, 64 * 2**20, 30 * DAY, 35 * DAY, 2**28):
            assert (reason, count) == ("age", last - first + 1)
            gone |= set(range(first, last + 1))
            notice = EventsDropped(subject="edged", first=first, last=last, count=count, reason=reason)
            one.store.commit(Batch(wall=1e9, now=hour * 3600.0, events=(("event", notice),)), encode)
    assert 11 * 24 <= len(gone) <= 13 * 24
    broker.start()
    one.drained()
    last = one.store.history(0.0, (), 1)[0].sequence
    until(lambda: last in Account.of(reader, EVENTS).ids)
    reader.close()
    account = Account.of(reader, EVENTS)
    for event in account.events.values():
        if event["type"].endswith("spool.dropped"):
            told |= set(range(event["data"]["first"], event["data"]["last"] + 1))
    assert set(range(1, last + 1)) - set(account.firsts) == gone == told
    assert account.out_of_order == 0


def test_a_wrong_password_is_mended_by_a_reload(
    new_broker: Callable[..., Mosquitto], engine: Engine, edged: Make, tmp_path: Path
) -> None:
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "press", "mV8-kQ2"], check=True)
    passwords.chmod(0o600)
    secret.write_text("zX3-pT7\n")
    broker = new_broker([f"password_file {passwords}"], anonymous=False)
    broker.start()
    mqtt = {"url": broker.url, "username": "press", "password_file": str(secret)}
    daemon = edged({"mqtt": mqtt}).start()
    daemon.wait(lambda: "refuses user 'press'" in daemon.status()["broker"]["detail"], 10.0, "status says why")
    assert "edged_broker_connected 0.0" in get(daemon, "/metrics")
    for _ in range(3):  # tried again at once each time, and refused again
        tries = broker.log.count("not authorised")
        daemon.reload()
        daemon.wait(lambda tries=tries: broker.log.count("not authorised") > tries, 10.0, "another attempt")
    assert daemon.text().count("refuses user 'press'") == 1, "said once"
    all_kept(daemon)
    secret.write_text("mV8-kQ2\n")
    daemon.reload()
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 10.0, "connected")
    daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0, 10.0, "all is delivered")
    assert "mV8" not in daemon.text() and "zX3" not in daemon.text()
    assert "edged_broker_connected 1.0" in get(daemon, "/metrics")


def test_a_broker_that_may_not_take_events(
    new_broker: Callable[..., Mosquitto], engine: Engine, edged: Make, tmp_path: Path
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite edged/v1/test-device/status\ntopic read #\n")
    rules.chmod(0o600)
    broker = new_broker([f"acl_file {rules}"])
    broker.start()
    engine.run("worker")
    daemon = edged({"apps": {"worker": {}}, "mqtt": {"url": broker.url}}).start()
    daemon.wait(lambda: "event: Not authorized" in daemon.status()["broker"]["detail"], 10.0, "status says what")
    assert daemon.status()["broker"]["connected"]
    callers = Callers(daemon, "worker", 2)
    daemon.wait(lambda: callers.answered > 50, 20.0, "more events")
    callers.stop()
    all_kept(daemon)
    assert daemon.events()[-1]["sequence"] > 100
    assert daemon.status()["broker"]["refused"] < 30, "it asks again after a pause, not with each event"
    assert daemon.text().count("refuses messages on edged/v1/test-device/event") == 1, "said once"
    rules.write_text("topic readwrite #\n")
    broker.restart()
    console = Reader(broker, "edged/v1/test-device/#")
    daemon.reload()
    try:
        daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0, 30.0, "all is delivered")
        daemon.wait(lambda: not daemon.status()["broker"]["detail"], 10.0, "and nothing is said any more")
        assert Account.of(console, EVENT).contradictions == 0
    finally:
        console.close()
