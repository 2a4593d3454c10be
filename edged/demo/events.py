"""What comes over MQTT, read back: events in words, their moments, and whether one is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, get_args

import msgspec

from ..report.journal import sentence
from ..vocabulary.events import AnyEvent, Event

PREFIX = "dev.edged."
KINDS: dict[str, type[Event]] = {kind.type: kind for kind in get_args(AnyEvent)}

SEEN = ("app.changed", "alert.raised", "alert.changed", "config.refused")
DONE = ("action.started",)


class Told(NamedTuple):
    """One event as the console read it."""

    type: str
    """Without the prefix, as in ``alert.raised``."""
    subject: str
    wall: float
    """Unix time, by the device."""
    sequence: int
    data: dict[str, Any]

    @property
    def words(self) -> str:
        """The same sentence as in the daemon's log."""
        kind = KINDS.get(self.type)
        if kind is None:
            return f"{self.subject}: {self.type}"
        return sentence(msgspec.convert(self.data | {"subject": self.subject}, kind))


def read(payload: bytes) -> Told:
    """Reads a CloudEvent. Raises ``ValueError`` when it is none."""
    document = msgspec.json.decode(payload)
    try:
        moment = datetime.fromisoformat(document["time"])
        return Told(
            document["type"].removeprefix(PREFIX),
            document["subject"],
            moment.timestamp(),
            document["sequence"],
            document["data"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an event of edged: {error!r}") from error


def kind(told: Told) -> str:
    """The word in front of the sentence: did edged see, act, or prove something?"""
    match told.type:
        case "recovery.succeeded":
            return "verified"
        case "action.started" | "action.ended" | "recovery.started":
            return "acted"
        case "config.refused":
            return "refused"
        case "deployment.changed":
            return {"committed": "verified", "rolled_back": "verified", "refused": "refused"}.get(
                told.data["new"], "acted"
            )
        case "command.answered":
            return "answered"
        case "app.changed" | "alert.raised" | "alert.changed" | "alert.cleared":
            return "saw"
        case _:
            return "told"


def first(told: Iterable[Told], types: Sequence[str], since: float) -> float | None:
    """Seconds from ``since`` to the first event of one of these types."""
    return next((max(0.0, one.wall - since) for one in told if one.type in types), None)


class Numbering(NamedTuple):
    """What the sequence numbers prove."""

    first: int
    last: int
    missing: tuple[int, ...]
    repeated: int
    """Sent twice: at-least-once delivery may do that."""
    in_order: bool

    @property
    def complete(self) -> bool:
        return self.first == 1 and not self.missing and self.in_order


def check_sequence(numbers: Sequence[int]) -> Numbering:
    """Is every number from 1 on there, in order? Repetitions are allowed."""
    once = list(dict.fromkeys(numbers))
    if not once:
        return Numbering(0, 0, (), 0, True)
    have = set(once)
    missing = tuple(n for n in range(min(once), max(once) + 1) if n not in have)
    return Numbering(min(once), max(once), missing, len(numbers) - len(once), once == sorted(once))
