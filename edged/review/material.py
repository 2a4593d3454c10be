"""What a review is made from, as the daemon tells it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypedDict

import msgspec
from msgspec import Struct

from ..history.advice import Limit
from ..history.advice import Told as Sign
from ..ports import StoredEvent
from ..ports.history import Series
from ..report.summary import summary

MOST_ALERTS = 5000
MOST_GAPS = 100
MOST_SIGNS = 20_000
_SIGNS = ("alert.raised", "alert.changed", "alert.cleared", "recovery.started")
_FIRED = ("alert.raised", "alert.changed", "alert.cleared")


class Firing(Struct, frozen=True):
    """One time that an alert fired."""

    name: str
    subject: str
    begin: float
    """Unix time."""
    end: float | None = None
    """``None``: it fires, or its end is not told."""
    worst: str = "warning"
    threshold: float | None = None


class Proof(Struct, frozen=True):
    """Of the event numbers of that time: is each of them there, or told to be lost?"""

    first: int = 0
    last: int = 0
    count: int = 0
    told_lost: int = 0
    """Given up, as ``spool.dropped`` told. They may still be here, in the history."""
    missing: tuple[tuple[int, int], ...] = ()
    """Ranges that nothing tells of."""

    @property
    def whole(self) -> bool:
        return not self.missing


class Drill(Struct, frozen=True):
    app: str
    kind: str
    passed: bool
    time: str
    data: dict[str, Any] = {}


class Backups(Struct, frozen=True):
    made: int = 0
    failed: int = 0
    last_ok: bool = True
    last: str = ""
    """Why the last one failed."""


class Told(Struct, frozen=True):
    """What the events of that time come to."""

    counted: dict[str, Any]
    """As ``report.summary`` counts."""
    firings: tuple[Firing, ...] = ()
    proof: Proof = Proof()
    deployments: tuple[dict[str, Any], ...] = ()
    """Those that came to their end."""
    drills: tuple[Drill, ...] = ()
    backups: dict[str, Backups] = {}
    """By app."""
    acted: dict[str, list[float]] = {}
    """By subject: Unix times at which edged began to do something about it."""
    signs: tuple[Sign, ...] = ()
    """Alerts and recoveries, for advice on thresholds."""


class Material(Struct, frozen=True):
    since: float
    """Unix time."""
    until: float
    status: dict[str, Any]
    """As ``edged status --json``."""
    told: Told
    hours: tuple[Series, ...] = ()
    """By hour; of a short time by minute."""
    minutes: tuple[Series, ...] = ()
    """Only what advice is made from."""
    incidents: dict[str, Any] = {}
    """As ``edged incidents --since --json``."""
    audit: dict[str, Any] = {}
    """``ok``, ``records``, ``head``, ``faults``."""
    limits: dict[str, dict[str, float]] = {}
    """By app or ``host``: thresholds in force, ``memory.warn`` and so on."""
    advisable: tuple[Limit, ...] = ()
    oldest: tuple[int, str] | None = None
    """Number and time (RFC 3339) of the oldest event that is kept."""


class _Named(TypedDict, total=False):
    """As much as advice needs of an alert."""

    name: str
    severity: str


class _Event(Struct):
    type: str
    time: str
    sequence: int
    boot: int = 0
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


_decode = msgspec.json.Decoder(_Event).decode


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def told(lines: Iterable[bytes], since: float, until: float, states: dict[str, str]) -> Told:
    """``lines``: every event of that time as JSON, in order. Raises ``ValueError`` when one cannot be read."""
    reader = _Reader()
    counted = summary(reader.rows(lines), since, until, states)
    return reader.told(counted)


class _Reader:
    """Looks at each event as it goes by: a week of them is not held in memory."""

    def __init__(self) -> None:
        self._firings: list[Firing] = []
        self._open: dict[tuple[str, str], int] = {}
        self._first = self._last = self._count = 0
        self._gaps: list[tuple[int, int]] = []
        self._lost: list[tuple[int, int, int]] = []
        self._deployments: list[dict[str, Any]] = []
        self._drills: list[Drill] = []
        self._backups: dict[str, Backups] = {}
        self._acted: dict[str, list[float]] = {}
        self._signs: list[Sign] = []

    def rows(self, lines: Iterable[bytes]) -> Iterator[StoredEvent]:
        for line in lines:
            try:
                event = _decode(line)
                wall = unix(event.time)
            except (msgspec.MsgspecError, ValueError) as error:
                raise ValueError(f"an event of the daemon cannot be read: {error}") from None
            self._number(event.sequence)
            kind = event.type.removeprefix("dev.edged.")
            self._look(kind, event, wall)
            yield StoredEvent(event.sequence, event.boot, wall, "event", line)

    def _number(self, sequence: int) -> None:
        if self._count == 0:
            self._first = sequence
        elif sequence > self._last + 1 and len(self._gaps) < MOST_GAPS:
            self._gaps.append((self._last + 1, sequence - 1))
        self._last, self._count = max(self._last, sequence), self._count + 1

    def _look(self, kind: str, event: _Event, wall: float) -> None:
        if kind in _SIGNS and len(self._signs) < MOST_SIGNS:
            self._signs.append((wall, kind, event.subject, msgspec.json.decode(event.data, type=_Named)))
        if kind in _FIRED:
            self._alert(kind, event.subject, msgspec.json.decode(event.data), wall)
        elif kind == "spool.dropped":
            data = msgspec.json.decode(event.data)
            self._lost.append((int(data["first"]), int(data["last"]), int(data["count"])))
        elif kind == "deployment.changed":
            data = msgspec.json.decode(event.data)
            if data.get("new") in ("committed", "rolled_back", "refused", "failed"):
                self._deployments.append({"time": event.time, "app": event.subject} | data)
        elif kind == "drill.ended":
            data = msgspec.json.decode(event.data)
            self._drills.append(
                Drill(event.subject, str(data.get("kind", "")), data.get("ok") is True, event.time, data)
            )
        elif kind == "action.started":
            self._acted.setdefault(event.subject, []).append(wall)
        elif kind == "data.backed_up":
            data, known = msgspec.json.decode(event.data), self._backups.get(event.subject, Backups())
            self._backups[event.subject] = Backups(
                known.made + data["ok"], known.failed + (not data["ok"]), data["ok"], str(data["reason"])
            )

    def _alert(self, kind: str, subject: str, data: dict[str, Any], wall: float) -> None:
        key = data["name"], subject
        at = self._open.get(key)
        if kind == "alert.raised":
            if len(self._firings) >= MOST_ALERTS:
                return
            self._open[key] = len(self._firings)
            firing = Firing(data["name"], subject, wall, None, data["severity"], data.get("threshold"))
            self._firings.append(firing)
        elif at is not None and kind == "alert.changed":
            if data["severity"] == "critical":
                self._firings[at] = msgspec.structs.replace(self._firings[at], worst="critical")
        elif at is not None:
            self._firings[at] = msgspec.structs.replace(self._firings[at], end=wall)
            del self._open[key]

    def told(self, counted: dict[str, Any]) -> Told:
        missing = tuple(gap for gap in self._gaps if not self._is_told(gap))
        return Told(
            counted=counted,
            firings=tuple(self._firings),
            proof=Proof(self._first, self._last, self._count, sum(n for _, _, n in self._lost), missing),
            deployments=tuple(self._deployments),
            drills=tuple(self._drills),
            backups=self._backups,
            acted=self._acted,
            signs=tuple(self._signs),
        )

    def _is_told(self, gap: tuple[int, int]) -> bool:
        return any(first <= gap[0] and gap[1] <= last for first, last, _ in self._lost)
