from __future__ import annotations

import json
import math

import msgspec
import pytest

from edged.report.payloads import encode_event, rfc3339, status_payload
from edged.vocabulary import events
from edged.vocabulary.events import AlertRaised, CommandAnswered, EdgedStopping


def test_an_event_is_a_cloudevent() -> None:
    event = AlertRaised(subject="detector", name="MemoryHigh", severity="warning", summary="83 %", value=0.83)
    assert encode_event(42, 7, 1_790_000_000.1239, event, device="press-7") == (
        b'{"specversion":"1.0","id":"7-42","source":"edged/v1/press-7","type":"dev.edged.alert.raised",'
        b'"time":"2026-09-21T14:13:20.124Z","datacontenttype":"application/json","subject":"detector",'
        b'"boot":7,"sequence":42,"data":{"advice":"","name":"MemoryHigh","severity":"warning",'
        b'"subject":"detector","summary":"83 %","threshold":null,"value":0.83}}'
    )


def test_the_same_event_always_gives_the_same_bytes() -> None:
    def answered(result: dict[str, object]) -> bytes:
        event = CommandAnswered(subject="a", id="1", command="restart", origin="x", status="succeeded", result=result)
        return encode_event(1, 1, 0.0, event, device="d")

    assert answered({"b": 1, "a": {"d": 1, "c": 2}}) == answered({"a": {"c": 2, "d": 1}, "b": 1})


def test_values_that_json_does_not_know() -> None:
    event = AlertRaised(subject="a", name="n", severity="info", summary="\x00é\n", value=math.nan, threshold=math.inf)
    data = json.loads(encode_event(1, 1, 0.0, event, device="d"))["data"]
    assert (data["value"], data["threshold"], data["summary"]) == (None, None, "\x00é\n")


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1.9996, "1970-01-01T00:00:02.000Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
        (253_402_300_799.0, "9999-12-31T23:59:59.000Z"),
        (math.nan, "1970-01-01T00:00:00.000Z"),
        (math.inf, "1970-01-01T00:00:00.000Z"),
        (1e18, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_times(wall: float, text: str) -> None:
    assert rfc3339(wall) == text


def test_every_event_can_be_told_apart_by_its_type() -> None:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
    types = [kind.type for kind in kinds if kind is not events.Event]
    assert len(types) == len(set(types)) > 10
    decoded = json.loads(encode_event(1, 1, 0.0, EdgedStopping(subject="edged", reason="r"), device="d"))
    assert decoded["type"] == "dev.edged.edged.stopping"
    assert decoded["data"] == {"subject": "edged", "reason": "r"}


def test_status() -> None:
    assert msgspec.json.decode(status_payload("online", 12, 0.0, "sha256:ab")) == {
        "state": "online",
        "boot": 12,
        "since": "1970-01-01T00:00:00.000Z",
        "config": "sha256:ab",
    }
