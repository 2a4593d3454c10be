"""Rows from a topic of a real mosquitto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.adapters.inputs import row_mqtt
from edged.adapters.inputs.row_mqtt import DROPPED, MqttRows, broker_of, rows_of
from edged.config import Mqtt
from edged.ports import Chunk, PortError, Unreachable
from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.engine import eventually


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path / "broker")
    made.start()
    yield made
    made.stop()


def publish(broker: Mosquitto, *payloads: bytes) -> None:
    writer = Reader(broker, "nothing")
    for payload in payloads:
        writer.publish("plant/rows", payload)
    writer.close()


def collect(rows: MqttRows, count: int) -> list[Chunk]:
    chunks: list[Chunk] = []

    def enough() -> bool:
        chunks.append(rows.read(2**20))
        return sum(len(chunk.lines) for chunk in chunks) >= count

    eventually(enough, 15.0)
    return chunks


@pytest.mark.broker
def test_objects_and_lists(broker: Mosquitto) -> None:
    rows = MqttRows(*broker_of(f"{broker.url}/plant/rows", None), "edged-test")
    try:
        eventually(lambda: rows._link is not None and rows._link.up, 10.0)
        publish(broker, b'{"n": 1}', b'[{"n": 2}, {"n": 3}]', b"garbage")
        lines = [line for chunk in collect(rows, 4) for line in chunk.lines]
        assert [json.loads(line)["n"] for line in lines[:3]] == [1, 2, 3] and lines[3] == b"garbage"
    finally:
        rows.close()


@pytest.mark.broker
def test_a_flood_is_dropped_and_counted(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_mqtt, "MOST_MESSAGES", 3)
    rows = MqttRows(*broker_of(f"{broker.url}/plant/rows", None), "edged-test")
    try:
        eventually(lambda: rows._link is not None and rows._link.up, 10.0)
        for number in range(5):
            rows._take("plant/rows", json.dumps({"n": number}).encode(), number, False)
        chunk = rows.read(2**20)
        assert (len(chunk.lines), chunk.refused, chunk.position) == (3, {DROPPED: 2}, "")
    finally:
        rows.close()


def test_no_broker_is_said() -> None:
    rows = MqttRows(Mqtt(url="mqtt://127.0.0.1:1"), "plant/rows", "edged-test")
    try:
        eventually(lambda: bool(rows._trouble), 10.0)
        with pytest.raises(Unreachable, match="plant/rows"):
            rows.read(2**20)
    finally:
        rows.close()


def test_which_broker() -> None:
    own = Mqtt(url="mqtts://fleet:8883", username="me")
    assert broker_of("plant/a/b", own) == (own, "plant/a/b")
    assert broker_of("mqtt://127.0.0.1:1883/plant/a/b", own) == (Mqtt(url="mqtt://127.0.0.1:1883"), "plant/a/b")
    with pytest.raises(PortError, match="not configured"):
        broker_of("plant/a/b", None)


def test_lists_that_are_none() -> None:
    assert rows_of([b"[1", b'[{"a":1},{"a":', b"[]", b" [ {} ] "]) == ([b"[1", b'[{"a":1},{"a":', b"{}"], {})
