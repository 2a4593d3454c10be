"""What edged keeps in its state folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from ..vocabulary.events import Event


class EvidenceStore(Protocol):
    """Bounded folder of evidence records."""

    def save(self, name: str, record: Mapping[str, Any], incident: str = "") -> tuple[str, str, int]:
        """Writes a record into the folder of its incident and returns (path, digest, bytes). Oldest ones make room."""

    def settle(self, path: str) -> None:
        """Makes a record safe against a power cut too; takes as long as the medium needs."""

    def read(self, app: str, which: str) -> tuple[str, bytes]:
        """(name, content as JSON) of the record ``which`` (its name, or its path in the folder), or the app's latest.

        Raises ``NotFound``, ``Refused`` for what is no name of a record, ``StorageError``.
        """

    def read_incident(self, incident: str, paths: Sequence[str], most: int) -> bytes:
        """All records of an incident as JSON ``{"incident", "records": {name: …}, "left_out": [name, …]}``.

        ``paths``: further records of it. ``most``: bytes, packed; what does not fit is left out. Raises ``NotFound``.
        """

    def prune(self) -> int:
        """The older half of what is kept goes. Returns the bytes that are free now."""


class Readings(Protocol):
    """What edged itself knows, as JSON, for whoever asks from afar."""

    def status(self, app: str) -> bytes:
        """As ``edged status --json``; with an app: of that one alone."""

    def moment(self, subject: str) -> dict[str, Any]:
        """All that edged knows of now and of the last minutes, for the evidence. ``subject``: app, engine or host."""

    def report(self, since: float) -> bytes:
        """What happened in the last so many seconds. Raises ``StorageError``."""


class StoredEvent(Struct, frozen=True):
    """One row of the event log."""

    sequence: int
    boot: int
    wall: float
    """Unix time at which it happened."""
    topic: str
    """Below ``edged/v1/<device>/``: ``event``, later ``res/<type>/<id>``."""
    payload: bytes


class Retained(Struct, frozen=True):
    """The wanted content of one retained topic. An empty payload clears it."""

    topic: str
    payload: bytes
    version: int


class Batch(Struct, frozen=True, kw_only=True):
    """What one turn of the loop wants on disk, all or nothing."""

    wall: float
    now: float
    state: dict[str, bytes] = {}
    """Encoded durable state by key; an empty value deletes the key."""
    events: tuple[tuple[str, Event], ...] = ()
    """(topic, event) in order."""
    retained: dict[str, bytes] = {}
    intents: tuple[tuple[str, bytes], ...] = ()
    """(action id, encoded action) about to begin."""
    outcomes: tuple[tuple[str, bytes], ...] = ()
    """(action id, encoded outcome) of ended actions."""
    skipped: int = 0
    """Events before these that could not be kept: their numbers are given up, and ``trim`` reports them."""


class Store(Protocol):
    """All that edged keeps. One SQLite file; every commit is synced. Raises ``StorageError``."""

    def commit(self, batch: Batch, encode: Callable[[int, int, float, Event], bytes]) -> int:
        """Writes a batch in one transaction and returns the highest sequence number given out so far.

        ``encode(sequence, boot, wall, event)`` makes an event's payload. Sequence numbers have no gaps.
        """

    def stow(self, batch: Batch, waiting: int) -> None:
        """While no commit succeeds: everything but the events of all that could not be committed, to room set aside.

        ``waiting``: events that are kept in memory only. If the process dies they are reported as given up.
        """

    def settle(self) -> None:
        """What was stowed has been committed."""

    def load_state(self) -> dict[str, bytes]: ...

    def open_intents(self) -> list[tuple[str, bytes]]:
        """Actions that had begun and were not seen to end."""

    def unsent(self, after: int, limit: int) -> list[StoredEvent]:
        """Events not yet acknowledged by the broker with ``sequence > after``, in order."""

    def acknowledge(self, through: int) -> None:
        """Every event up to and including this sequence number has been acknowledged by the broker."""

    def unsent_retained(self, limit: int) -> list[Retained]: ...

    def acknowledge_retained(self, topic: str, version: int) -> None: ...

    def forget_retained_acks(self, topic: str | None = None) -> None:
        """The broker may have lost this retained message, or all of them: send again."""

    def give_up(self, sequence: int, reason: str) -> None:
        """The broker will never take this event; ``trim`` reports it. The caller acknowledges it as well."""

    def trim(
        self, now: float, spool_size: int, spool_age: float, keep: float, max_size: int
    ) -> list[tuple[int, int, int, str]]:
        """Enforces the bounds, a limited amount of work per call. ``now``: edged's own clock, as in ``Batch``.

        Returns (first, last, count, reason) of events given up unsent, once; the reason is ``size``, ``age``,
        ``refused``, ``damaged``, ``disk`` or ``lost``. After a crash it returns again what no committed
        ``EventsDropped`` has told yet.
        """

    def spool(self) -> tuple[int, int]:
        """(messages, bytes) not yet acknowledged."""

    def history(self, since_wall: float, types: Sequence[str], limit: int) -> list[StoredEvent]:
        """The newest ``limit`` events of these types (none given: of all), oldest first. May take seconds."""

    def log(self, after: int, since_wall: float, limit: int) -> list[StoredEvent]:
        """The oldest ``limit`` events (and answers to commands) above sequence number ``after``, oldest first."""

    def close(self) -> None: ...
