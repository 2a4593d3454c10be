"""What devices answer to commands. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from . import topics

FINAL = frozenset({"succeeded", "failed", "rejected", "expired"})
PASSING = frozenset({"rate_limited", "queue_full", "busy", "starting", "stopping", "replayed", "counter_too_old"})
"""Reasons of a rejection that say nothing of the command itself: the same id, sent again later, may well be taken."""
_RANK = {"sent": 0, "accepted": 1, "running": 2} | dict.fromkeys(FINAL, 3)


class Answer(Struct, frozen=True, kw_only=True):
    """One message below ``res/``."""

    device: str
    id: str
    """Of the command."""
    type: str
    state: str
    phase: str = ""
    progress: float | None = None
    """0 to 1, when the device can tell."""
    reason: str = ""
    """Code for programs."""
    message: str = ""
    result: dict[str, Any] = {}
    boot: int = 0
    sequence: int = 0
    time: str = ""

    @property
    def final(self) -> bool:
        return self.state in FINAL and not self.passing

    @property
    def passing(self) -> bool:
        """Rejected for now: to be sent again."""
        return self.state == "rejected" and self.reason in PASSING


class _Data(Struct):
    state: str = ""
    status: str = ""
    phase: str = ""
    progress: float | None = None
    reason: str = ""
    message: str = ""
    result: dict[str, Any] = {}


class Told(Struct, frozen=True):
    """The CloudEvents envelope, of events and of answers."""

    type: str
    boot: int
    sequence: int
    time: str = ""
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


def read(where: topics.Topic, payload: bytes) -> Answer | None:
    """``None``: this is not an answer, or cannot be read."""
    if where.kind != "res" or len(where.rest) != 2:
        return None
    try:
        told = _told.decode(payload)
        data = _data.decode(told.data)
    except (msgspec.MsgspecError, RecursionError):
        return None
    state, inner = data.state or data.status, data.result
    if state not in _RANK or state == "sent":
        return None
    phase = data.phase or (inner["phase"] if isinstance(inner.get("phase"), str) else "")
    progress = data.progress if data.progress is not None else inner.get("progress")
    return Answer(
        device=where.device,
        id=where.rest[1],
        type=where.rest[0],
        state=state,
        phase=phase,
        progress=float(progress) if isinstance(progress, int | float) else None,
        reason=data.reason,
        message=data.message,
        result=inner,
        boot=told.boot,
        sequence=told.sequence,
        time=told.time,
    )


def sequence_of(payload: bytes) -> tuple[int, int] | None:
    """(boot, sequence) of an event or answer."""
    try:
        told = _told.decode(payload)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return told.boot, told.sequence


def later(old: Answer | None, new: Answer) -> bool:
    """``new`` says more than ``old``: nothing follows a final answer, and nothing goes back."""
    if old is None:
        return True
    return not old.final and _RANK[new.state] >= _RANK[old.state]


_told = msgspec.json.Decoder(Told)
_data = msgspec.json.Decoder(_Data)
