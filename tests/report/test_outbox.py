"""The whole way from the event log to a console: real SQLite, real mosquitto."""

from __future__ import annotations

import functools
import itertools
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.mqtt import PahoBroker
from edged.adapters.store import SqliteStore
from edged.config.model import Mqtt
from edged.ports import Batch, Message, StorageError, StoredEvent
from edged.report import outbox as outbox_module
from edged.report.outbox import Outbox
from edged.report.payloads import encode_event
from edged.vocabulary.events import EdgedStopping
from tests.fixtures.broker import Mosquitto, Reader, until
from tests.fixtures.patience import PATIENCE

TOPICS = "edged/v1/press-7"
EVENTS = f"{TOPICS}/event"
encode = functools.partial(encode_event, device="press-7")
EVENT = EdgedStopping(subject="edged", reason="a reason of the usual length, or so")


def record(store: SqliteStore, count: int, **rest: Any) -> int:
    for _ in range(count // 500):
        store.commit(Batch(wall=1e9, now=0.0, events=(("event", EVENT),) * 500), encode)
    return store.commit(Batch(wall=1e9, now=0.0, events=(("event", EVENT),) * (count % 500), **rest), encode)


class Device:
    """Store, outbox and broker connection of one run of edged."""

    def __init__(self, path: Path, url: str, in_flight: int = 100, store: Any = None, **options: Any) -> None:
        self.seen: list[tuple[bool, str]] = []
        self.storage: list[tuple[bool, str]] = []
        self.store = store or SqliteStore(path)
        self.outbox = Outbox(
            self.store,
            "press-7",
            in_flight,
            lambda *told: self.seen.append(told),
            lambda *told: self.storage.append(told),
            **{"retry": (0.05, 0.1), **options},
        )
        self.broker = PahoBroker(
            Mqtt(url=url, keepalive=5.0),
            "press-7",
            Message(f"{TOPICS}/status", b"offline", retain=True),
            self.outbox.connected,
            self.outbox.disconnected,
            self.outbox.acknowledged,
            connect_timeout=0.5,
            backoff=(0.02, 0.1),
        )
        self.outbox.start(self.broker)
        self.broker.start()

    def drained(self, timeout: float = 20.0) -> None:
        until(lambda: self.store.spool()[0] == 0, timeout, "the spool to empty")

    def stop(self) -> None:
        self.outbox.stop(2.0)
        self.broker.stop(None, 2.0)
        self.store.close()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    made: list[Device] = []

    def make(url: str, **options: Any) -> Device:
        made.append(Device(tmp_path / "edged.db", url, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def numbers(reader: Reader) -> list[int]:
    return [json.loads(payload)["sequence"] for payload in reader.payloads(EVENTS)]


def first_arrivals(reader: Reader) -> list[int]:
    return list(dict.fromkeys(numbers(reader)))


@pytest.mark.broker
def test_ten_thousand_events_of_an_outage_arrive_in_order(
    new_broker: Callable[..., Mosquitto], device: Callable[..., Device], tmp_path: Path
) -> None:
    broker = new_broker()
    broker.start()
    reader = Reader(broker)
    broker.stop()  # it keeps the reader's subscription: what comes next reaches it, whoever connects first
    one = device(broker.url)
    assert record(one.store, 10_000) == 10_000
    until(lambda: one.seen)
    assert not one.seen[-1][0]
    assert "nobody listens" in one.seen[-1][1]
    broker.start()
    one.drained()
    until(lambda: len(reader.messages) >= 10_000, 20.0)
    reader.close()
    assert numbers(reader) == list(range(1, 10_001))
    assert one.seen[-1] == (True, "")
    stats = one.outbox.stats()
    assert (stats.messages, stats.bytes, stats.sent_total, stats.refused_total) == (0, 0, 10_000, 0)
    one.stop()
    with closing(SqliteStore(tmp_path / "edged.db")) as store:
        assert store.unsent(0, 10) == []


@pytest.mark.broker
def test_a_broker_that_restarts_in_the_middle(
    broker: Mosquitto, read: Callable[..., Reader], device: Callable[..., Device]
) -> None:
    reader = read(EVENTS)
    one = device(broker.url, in_flight=50)
    chance = random.Random(5)
    for _ in range(3):
        goal = len(reader.messages) + chance.randrange(200, 1500)
        record(one.store, 3000)
        one.outbox.kick()
        until(lambda goal=goal: len(reader.messages) > goal)
        broker.restart()
    one.drained()
    until(lambda: len(set(numbers(reader))) == 9000, what="all 9000")
    assert first_arrivals(reader) == list(range(1, 9001))
    # Counted at the broker, for it too sends again what its reader has not acknowledged.
    sent = broker.log.count("Received PUBLISH from edged-press-7")
    assert sent <= 9000 + 3 * 50, "only what had no acknowledgement is sent again"


@pytest.mark.broker
def test_a_frozen_broker_in_the_middle(
    broker: Mosquitto, read: Callable[..., Reader], device: Callable[..., Device]
) -> None:
    reader = read(EVENTS)
    one = device(broker.url, ack_timeout=0.3)
    record(one.store, 5000)
    one.outbox.kick()
    until(lambda: len(reader.messages) > 500)
    broker.freeze()
    until(lambda: any("acknowledged nothing" in detail for _, detail in one.seen), what=f"{one.seen}")
    began = time.monotonic()
    record(one.store, 100)
    one.outbox.kick()
    assert time.monotonic() - began < PATIENCE, "nobody waits for the broker"
    broker.thaw()
    one.drained()
    until(lambda: len(set(numbers(reader))) == 5100, what="all 5100")
    assert first_arrivals(reader) == list(range(1, 5101))


_DRAIN = """
import sys
from pathlib import Path
from tests.report.test_outbox import Device, record
device = Device(Path(sys.argv[1]), sys.argv[2])
print("started", flush=True)
device.drained()
"""


@pytest.mark.broker
def test_killed_in_the_middle_of_sending(
    broker: Mosquitto, read: Callable[..., Reader], device: Callable[..., Device], tmp_path: Path
) -> None:
    store = SqliteStore(tmp_path / "edged.db")
    record(store, 6000)
    store.close()
    reader = read(EVENTS)
    for goal in (700, 2500):
        process = subprocess.Popen(
            [sys.executable, "-c", _DRAIN, str(tmp_path / "edged.db"), broker.url], cwd=Path(__file__).parents[2]
        )
        until(lambda goal=goal: len(reader.messages) > goal)
        process.send_signal(signal.SIGKILL)
        process.wait()
    one = device(broker.url)
    one.drained()
    until(lambda: len(set(numbers(reader))) == 6000, what="all 6000")
    assert first_arrivals(reader) == list(range(1, 6001))
    # Going back is allowed as far as the watermark on disk lags behind, skipping ahead never is.
    arrived = numbers(reader)
    assert all(b <= a + 1 for a, b in itertools.pairwise(arrived))


@pytest.mark.broker
def test_a_broker_that_refuses_events_gets_them_once_it_takes_them(
    new_broker: Callable[..., Mosquitto], device: Callable[..., Device], tmp_path: Path
) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {TOPICS}/status\ntopic read #\n")
    rules.chmod(0o600)
    broker = new_broker([f"acl_file {rules}"])
    broker.start()
    one = device(broker.url)
    record(one.store, 250, retained={"status": b"online", "app/x": b"up"})
    one.outbox.kick()
    reader = Reader(broker)
    until(lambda: any("event: Not authorized" in detail for _, detail in one.seen), what=f"{one.seen}")
    assert one.seen[-1][0], "connected, all the same"
    until(lambda: one.outbox.stats().refused_total > 40, what="further attempts")
    assert one.store.spool()[0] == 250
    until(lambda: reader.payloads(f"{TOPICS}/status") == [b"online"])
    rules.write_text("topic readwrite #\n")
    broker.reload()
    one.drained()
    until(lambda: len(reader.payloads(EVENTS)) == 250 and reader.payloads(f"{TOPICS}/app/x"))
    reader.close()
    assert numbers(reader) == list(range(1, 251))
    kinds = {(EVENTS, "application/cloudevents+json"), (f"{TOPICS}/status", ""), (f"{TOPICS}/app/x", "")}
    assert reader.kinds == kinds, "only what is a CloudEvent says that it is one"
    until(lambda: one.seen[-1] == (True, ""))


@pytest.mark.broker
def test_retained_topics_are_set_cleared_and_put_right(
    new_broker: Callable[..., Mosquitto], device: Callable[..., Device]
) -> None:
    broker = new_broker(["persistence false"])
    broker.start()

    def retained() -> dict[str, bytes]:
        reader = Reader(broker, f"{TOPICS}/#")
        reader.publish("end", b"")
        late = Reader(broker, "end")  # by then the first one has had all there was
        late.close()
        reader.close()
        return {topic.removeprefix(f"{TOPICS}/"): payload for topic, payload, was in reader.messages if was}

    one = device(broker.url)
    record(one.store, 0, retained={"status": b"online", "alert/hot/x": b"hot", "app/x": b"up"})
    one.outbox.kick()
    until(lambda: one.store.unsent_retained(9) == [])
    assert retained() == {"status": b"online", "alert/hot/x": b"hot", "app/x": b"up"}
    record(one.store, 0, retained={"alert/hot/x": b""})
    one.outbox.kick()
    until(lambda: one.store.unsent_retained(9) == [])
    assert retained() == {"status": b"online", "app/x": b"up"}

    # A broken connection: the broker publishes the will, and the session lives on.
    sent = one.outbox.stats().sent_total
    one.broker.drop(1, "test")
    until(lambda: one.outbox.stats().sent_total == sent + 1, what="the status, and only that, once more")
    assert retained() == {"status": b"online", "app/x": b"up"}

    broker.restart()  # forgets all
    until(lambda: one.outbox.stats().sent_total == sent + 3)
    assert retained() == {"status": b"online", "app/x": b"up"}


def test_a_broker_that_never_acknowledges(device: Callable[..., Device]) -> None:
    connack = bytes([0x20, 3, 0, 0, 0])
    received: list[bytes] = []

    def serve(server: socket.socket) -> None:
        try:
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(connack)
                    received.append(b"")
                    while data := connection.recv(65536):
                        received[-1] += data
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        one = device(f"mqtt://127.0.0.1:{server.getsockname()[1]}", in_flight=10, ack_timeout=0.2)
        record(one.store, 100)
        one.outbox.kick()
        until(lambda: len(received) >= 4)
        assert one.store.spool()[0] == 100
        assert one.outbox.stats().sent_total == 0
        assert any("acknowledged nothing for 0.2 s" in detail for _, detail in one.seen)
        for whole, size in zip(received, (10, 5, 2), strict=False):  # fewer at a time, for it may be too much for it
            assert [whole.count(b'"sequence":%d,' % n) for n in (1, size, size + 1)] == [1, 1, 0]
        one.stop()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)


class Choleric:
    """Acknowledges what it is sent, and hangs up when it gets the event with number ``dislikes``."""

    def __init__(self, dislikes: int) -> None:
        self.dislikes = dislikes
        self.taken: list[int] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._server.accept()
                with connection, connection.makefile("rb") as stream:
                    while self._answer(connection, stream):
                        pass
        except OSError:
            return

    def _answer(self, connection: socket.socket, stream: Any) -> bool:
        head = stream.read(1)
        if not head:
            return False
        length = shift = 0
        while True:
            byte = stream.read(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        body = stream.read(length)
        if head[0] >> 4 == 1:
            connection.sendall(bytes([0x20, 3, 0, 0, 0]))
        elif head[0] >> 4 == 3:
            at = 2 + int.from_bytes(body[:2])
            number = json.loads(body[at + 3 + body[at + 2] :])["sequence"]  # behind the properties
            if number == self.dislikes:
                return False
            self.taken.append(number)
            connection.sendall(bytes([0x40, 2]) + body[at : at + 2])
        return True

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(5.0)
        self._server.close()


def test_a_broker_that_hangs_up_on_one_event(device: Callable[..., Device]) -> None:
    broker = Choleric(dislikes=30)
    one = device(broker.url, retry=(0.5, 1.0))
    record(one.store, 100)
    one.outbox.kick()
    until(lambda: one.outbox._feeder is not None and one.outbox._feeder.due(), what=f"a pause; {one.seen}")
    assert set(broker.taken) == set(range(1, 30)), "nothing overtakes it"
    until(lambda: one.outbox.stats().connected)
    broker.dislikes = 0
    one.drained()
    assert list(dict.fromkeys(broker.taken)) == list(range(1, 101))
    one.stop()
    broker.close()


@pytest.mark.broker
def test_samples_wait_for_the_connection(new_broker: Callable[..., Mosquitto], device: Callable[..., Device]) -> None:
    broker = new_broker()
    one = device(broker.url, samples=10)
    for n in range(100):
        one.outbox.offer_metrics(b"%d" % n)
        until(lambda n=n: one.outbox.stats().samples_waiting + one.outbox.stats().samples_dropped_total == n + 1)
    assert one.outbox.stats().samples_waiting <= 11
    broker.start()
    reader = Reader(broker)
    until(lambda: one.outbox.stats().connected)
    one.outbox.offer_metrics(b"live")
    until(lambda: reader.payloads(f"{TOPICS}/metrics")[-1:] == [b"live"])
    reader.close()
    assert one.outbox.stats().samples_waiting == 0


class Sick(SqliteStore):
    """Cannot be read while ``ill``."""

    ill = False

    def unsent(self, after: int, limit: int) -> list[StoredEvent]:
        if self.ill:
            raise StorageError("the disk has gone away")
        return super().unsent(after, limit)


@pytest.mark.broker
def test_a_sick_store_is_survived_and_told(
    broker: Mosquitto,
    read: Callable[..., Reader],
    device: Callable[..., Device],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "STORE_RETRY", 0.05)
    monkeypatch.setattr(outbox_module, "IDLE", 0.02)
    store = Sick(tmp_path / "edged.db")
    store.ill = True
    one = device(broker.url, store=store)
    record(store, 10)
    one.outbox.kick()
    until(lambda: one.storage == [(False, "the disk has gone away")])
    beat = one.outbox.last_beat
    until(lambda: one.outbox.last_beat > beat + 0.05, what="a sign of life")
    store.ill = False
    one.drained()
    assert one.storage == [(False, "the disk has gone away"), (True, "")]


@pytest.mark.broker
def test_what_the_broker_will_never_take_is_given_up_and_told(
    new_broker: Callable[..., Mosquitto], device: Callable[..., Device]
) -> None:
    # To what is too large it gives an answer that MQTT does not have, and paho hangs up on that.
    broker = new_broker(["message_size_limit 2000"])
    broker.start()
    reader = Reader(broker, EVENTS)
    one = device(broker.url)
    big = EdgedStopping(subject="edged", reason="x" * 3000)
    one.store.commit(Batch(wall=0.0, now=0.0, events=(("event", EVENT), ("event", big), ("event", EVENT))), encode)
    one.outbox.kick()
    one.drained()
    until(lambda: first_arrivals(reader) == [1, 3])
    reader.close()
    assert one.store.trim(0.0, 2**40, 1e12, 1e12, 2**40) == [(2, 2, 1, "refused")]


@pytest.mark.broker
def test_it_beats_when_idle_and_sends_the_rest_when_stopped(
    broker: Mosquitto, read: Callable[..., Reader], device: Callable[..., Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "IDLE", 0.02)
    reader = read(EVENTS)
    one = device(broker.url)
    until(lambda: one.outbox.stats().connected)
    beat = one.outbox.last_beat
    until(lambda: one.outbox.last_beat > beat)
    record(one.store, 1000)  # nobody kicks: stopping alone sends them
    one.outbox.stop(5.0)
    assert one.store.spool() == (0, 0)
    until(lambda: len(reader.messages) == 1000)


def test_stopping_without_a_connection_does_not_wait(device: Callable[..., Device]) -> None:
    one = device("mqtt://127.0.0.1:1")
    record(one.store, 10)
    until(lambda: one.seen)
    began = time.monotonic()
    one.outbox.stop(5.0)
    assert time.monotonic() - began < PATIENCE
