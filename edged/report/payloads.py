"""What goes over the wire, as bytes. Pure: the same arguments always give the same bytes."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..vocabulary.events import CommandAnswered, CommandPiece, Event
from ..vocabulary.times import rfc3339 as rfc3339
from ..vocabulary.trust import REMOTE

PREFIX = "edged/v1"
CLOUD_EVENT = "application/cloudevents+json"
"""Content type of events and answers: the CloudEvents binding for MQTT 5 demands it of events in structured mode."""
LEVEL = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
"""What may stand in a topic as it is."""
_encoder = msgspec.json.Encoder(order="deterministic")


class CloudEvent(msgspec.Struct, frozen=True):
    """CloudEvents 1.0 in JSON, in this order of keys; ``boot`` and ``sequence`` are extension attributes."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    subject: str
    boot: int
    sequence: int
    data: dict[str, Any]


class Status(msgspec.Struct, frozen=True):
    state: str
    boot: int
    since: str
    config: str


def topic_prefix(device: str) -> str:
    """Everything a device publishes is below this, and it is the ``source`` of its events."""
    return f"{PREFIX}/{device}"


def full_topic(prefix: str, topic: str) -> str:
    """With a slash in front it is not below the device's own: what others look for has a place of its own."""
    return topic[1:] if topic.startswith("/") else f"{prefix}/{topic}"


def topic(event: Event) -> str:
    """Below ``edged/v1/<device>/``: answers to orders of the console have a topic each. Empty: it is not stored."""
    if isinstance(event, CommandAnswered) and event.origin.startswith(REMOTE) and LEVEL.match(event.command):
        return f"res/{event.command}/{event.id}"
    if isinstance(event, CommandPiece):
        return ""
    return "event"


def encode_event(sequence: int, boot: int, wall: float, event: Event, *, device: str) -> bytes:
    data: dict[str, Any] = {name: getattr(event, name) for name in event.__struct_fields__}
    return _encoder.encode(
        CloudEvent(
            specversion="1.0",
            id=f"{boot}-{sequence}",
            source=topic_prefix(device),
            type=f"dev.edged.{event.type}",
            time=rfc3339(wall),
            datacontenttype="application/json",
            subject=event.subject,
            boot=boot,
            sequence=sequence,
            data=data,
        )
    )


def status_payload(state: str, boot: int, since: float, config_digest: str) -> bytes:
    """``state``: ``online``, ``stopping`` or ``offline``. ``since``: Unix time."""
    return _encoder.encode(Status(state=state, boot=boot, since=rfc3339(since), config=config_digest))
