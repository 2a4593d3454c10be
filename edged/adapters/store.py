"""All that edged keeps, in one SQLite file. The outbox is the tail of the event log: docs/decisions/0002."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..audit import Entry, Head, Span
from ..ports import Batch, Retained, StorageError, StoredEvent
from ..vocabulary.events import Event, EventsDropped
from .storage import log as events
from .storage import trimming
from .storage.audit import Audited, AuditTrail, read_page
from .storage.database import DatabaseFile
from .storage.lifeboat import Stowed
from .storage.retained import RetainedTopics
from .storage.schema import cost, drop_range, explain, get_meta, set_meta, transaction

FLUSH_ACKS = 200
"""Acknowledged events after which the watermark is written …"""
FLUSH_PAUSE = 0.25
"""… but not sooner than this many seconds after the last time: syncs would slow a fast drain."""
FLUSH_LATEST = 300.0
"""Seconds a watermark waits for company at most: a commit of its own wears the flash as much as the event did. A crash
before that only sends those events again."""
KEEP_ACTIONS = 1_000

log = logging.getLogger(__name__)


class SqliteStore(DatabaseFile):
    """Thread-safe. Every method may raise ``StorageError``; the next call tries afresh."""

    def __init__(
        self, path: Path, monotonic: Callable[[], float] = time.monotonic, audited: Audited | None = None
    ) -> None:
        """``audited``: what of an event is for the audit. None: no audit."""
        self._monotonic = monotonic
        self._audit = AuditTrail(audited)
        self._last = 0
        """Number of the newest row: the head, unless numbers were skipped after a loss."""
        self._size = 0
        self._acknowledged_size = 0
        self._written = 0
        """The watermark on disk."""
        self._flushed = monotonic()
        self._spool = (0, 0)
        self._retained = RetainedTopics()
        self._stowed: dict[str, Retained] = {}
        """Retained topics that are in the lifeboat, and not in the database."""
        self._dropped: list[tuple[int, int, int, str]] = []
        super().__init__(path)

    def _load(self, db: sqlite3.Connection) -> None:
        last = db.execute("SELECT sequence, size FROM event ORDER BY sequence DESC LIMIT 1").fetchone()
        self._last, self._size = last or (0, 0)
        self._head = max(self._last, get_meta(db, "floor"))
        self._written = get_meta(db, "acknowledged")
        self._set_watermark(db, max(self._written, self._acknowledged))
        self._retained.load(db.execute("SELECT topic, payload, version FROM retained").fetchall())
        self._retained.update(list(self._stowed.values()))
        self._dropped = trimming.untold_ranges(db)
        self._audit.load(db)
        db.execute("SELECT key, value FROM state").fetchall()  # shows damage now rather than later

    def _set_watermark(self, db: sqlite3.Connection, through: int) -> None:
        # Behind the newest row there is nothing to send, even if numbers were skipped.
        self._acknowledged = self._head if through >= self._last else max(through, self._acknowledged)
        self._acknowledged_size = trimming.size_through(db, self._acknowledged)
        self._count()

    def _count(self) -> None:
        # One assignment of one tuple: readers need no lock, so a slow sync never delays them.
        self._spool = (self._head - self._acknowledged, self._size - self._acknowledged_size)

    def commit(self, batch: Batch, encode: Callable[[int, int, float, Event], bytes]) -> int:
        with self._guard() as db:
            self._catch_up(db)
            head, size = self._head + batch.skipped, self._size
            rows = []
            told = self._audit.told([(head + n, event) for n, (_, event) in enumerate(batch.events, 1)], batch.now)
            for topic, event in batch.events:
                head += 1
                payload = encode(head, self.boot, batch.wall, event)
                size += cost(topic, payload)
                rows.append((head, self.boot, batch.now, batch.wall, size, topic, event.type, payload))
            retained = [*self._stowed.values(), *self._retained.changed(batch.retained)]
            if not (rows or batch.state or retained or batch.intents or batch.outcomes or batch.skipped):
                return head
            if head > self._reserve.sequence:
                self._extend_reserve(head)
            with transaction(db):
                if batch.skipped:
                    skipped = (self._head + 1, self._head + batch.skipped)
                    drop_range(db, *skipped, "disk")
                    set_meta(db, floor=skipped[1])
                db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
                _write_state(db, batch)
                self._retained.write(db, retained)
                for _, event in batch.events:
                    if isinstance(event, EventsDropped):
                        db.execute("DELETE FROM dropped WHERE first>=? AND last<=?", (event.first, event.last))
                self._write_watermark(db)
                self._audit.write(db, told, self.boot, batch.wall)
            self._audit.written()
            self._watermark_written()
            self._retained.update(retained)
            self._stowed.clear()
            if batch.skipped:
                self._dropped.append((*skipped, batch.skipped, "disk"))
            if rows:
                self._last = head
            self._head, self._size = head, size
            self._count()
            return head

    # A disk that takes nothing

    def stow(self, batch: Batch, waiting: int) -> None:
        with self._lock:
            changed = self._retained.changed(batch.retained)
            new = Stowed(
                self.boot,
                max(self._head, self._left.through if self._left else 0) + waiting,
                batch.state,
                {one.topic: one.payload for one in (*self._stowed.values(), *changed)},
                [(identity, batch.now, action) for identity, action in batch.intents],
                list(batch.outcomes),
            )
            try:
                self._boat.write(self._left.then(new) if self._left is not None else new)
            except OSError as error:
                raise explain(error, self._path) from error
            self._retained.update(changed)
            self._stowed |= {one.topic: one for one in changed}

    def settle(self) -> None:
        with self._lock:
            try:
                self._boat.clear()
            except OSError as error:
                raise explain(error, self._path) from error

    def _take_in(self, db: sqlite3.Connection, left: Stowed) -> None:
        _write_state(db, Batch(wall=0.0, now=0.0, state=left.state, outcomes=tuple(left.outcomes)), left.intents)
        self._retained.write(db, self._retained.changed(left.retained))

    def _salvaged(self, db: sqlite3.Connection, aside: str) -> None:
        boot = self.boot or max(self._reserve.boot, get_meta(db, "boot")) + 1
        self._audit.salvaged(db, boot, time.time(), aside)

    # The watermark: what the broker has

    def acknowledge(self, through: int) -> None:
        """Cheap, also when called again and again: it goes to disk with the next commit, or in batches."""
        with self._guard() as db:
            if through > self._acknowledged:
                self._set_watermark(db, through)
            age = self._monotonic() - self._flushed
            many = self._acknowledged - self._written >= FLUSH_ACKS
            if (many and age >= FLUSH_PAUSE) or (self._unwritten() and age >= FLUSH_LATEST):
                self._flush(db)

    def _unwritten(self) -> bool:
        return self._acknowledged != self._written or self._retained.has_cleared

    def _flush(self, db: sqlite3.Connection) -> None:
        self._flushed = self._monotonic()  # also when it fails: a bad disk is not tried at every call
        with transaction(db):
            self._write_watermark(db)
        self._watermark_written()

    def _write_watermark(self, db: sqlite3.Connection) -> None:
        if self._acknowledged != self._written:
            set_meta(db, acknowledged=self._acknowledged)
        self._retained.delete_cleared(db)

    def _watermark_written(self) -> None:
        self._written, self._flushed = self._acknowledged, self._monotonic()
        self._retained.cleared_deleted()

    def unsent(self, after: int, limit: int) -> list[StoredEvent]:
        with self._guard() as db:
            return events.oldest(db, max(after, self._acknowledged), limit)

    def spool(self) -> tuple[int, int]:
        return self._spool

    # Bounds

    def give_up(self, sequence: int, reason: str) -> None:
        with self._guard() as db:
            with transaction(db):
                drop_range(db, sequence, sequence, reason)
            self._dropped.append((sequence, sequence, 1, reason))

    def trim(
        self, now: float, spool_size: int, spool_age: float, keep: float, max_size: int
    ) -> list[tuple[int, int, int, str]]:
        with self._guard() as db:
            through, reason = trimming.spool_bound(db, self._acknowledged, self._last, now, spool_size, spool_age)
            if reason:
                first, count = trimming.rows_between(db, self._acknowledged + 1, through)
                with transaction(db):
                    drop_range(db, first, through, reason, count)
                    set_meta(db, acknowledged=through)
                self._written = through
                self._set_watermark(db, through)
                self._dropped.append((first, through, count, reason))
            # Never the newest row: the head of the sequence is read from it.
            trimming.trim_history(db, min(self._acknowledged, self._last - 1), now, keep, max_size)
            trimming.trim_journal(db, KEEP_ACTIONS)
            reported, self._dropped = self._dropped, []
            return reported

    # Reading

    def load_state(self) -> dict[str, bytes]:
        left = self._left.state if self._left is not None else {}
        if self._read_state is not None:
            return _without_empty(self._read_state | left)
        with self._guard() as db:
            return _without_empty(dict(db.execute("SELECT key, value FROM state")) | left)

    def open_intents(self) -> list[tuple[str, bytes]]:
        left = self._left or Stowed()
        rows: list[tuple[str, bytes]] = []
        if self._read_state is None:
            with self._guard() as db:
                question = "SELECT action_id, action FROM journal WHERE outcome IS NULL ORDER BY at"
                rows = db.execute(question).fetchall()
        ended = {identity for identity, _ in left.outcomes}
        begun = [*rows, *((identity, action) for identity, _, action in left.intents)]
        return [(identity, action) for identity, action in begun if identity not in ended]

    def history(self, since_wall: float, types: Sequence[str], limit: int) -> list[StoredEvent]:
        with self._reading() as db:
            return events.newest(db, since_wall, types, limit)

    def log(self, after: int, since_wall: float, limit: int) -> list[StoredEvent]:
        with self._reading() as db:
            return events.oldest(db, after, limit, since_wall)

    def audit_head(self) -> Head:
        """Where the audit stands. Waits for nothing."""
        return self._audit.head

    def audit_page(self, after: int, limit: int) -> tuple[Span, list[Entry]]:
        """The audit's records with a number above ``after``, oldest first."""
        with self._reading() as db:
            return read_page(db, after, limit)

    # Retained topics

    def unsent_retained(self, limit: int) -> list[Retained]:
        with self._lock:
            return self._retained.unsent(limit)

    def acknowledge_retained(self, topic: str, version: int) -> None:
        with self._lock:
            self._retained.acknowledge(topic, version)

    def forget_retained_acks(self, topic: str | None = None) -> None:
        with self._lock:
            self._retained.forget(topic)

    def close(self) -> None:
        with self._lock:
            if self._lock_file < 0:
                return
            try:
                with self._guard() as db:
                    if self._unwritten():
                        self._flush(db)
                    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except StorageError as error:
                log.warning("not closed cleanly, some events will be sent again: %s", error)
            finally:
                self._release()


def _without_empty(state: dict[str, bytes]) -> dict[str, bytes]:
    return {key: value for key, value in state.items() if value}


def _write_state(db: sqlite3.Connection, batch: Batch, intents: Sequence[tuple[str, float, bytes]] = ()) -> None:
    deleted = [(key,) for key, value in batch.state.items() if not value]
    db.executemany("DELETE FROM state WHERE key=?", deleted)
    # The condition keeps a page clean, and the flash whole, when nothing changed.
    db.executemany(
        "INSERT INTO state VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value=?2 WHERE value IS NOT ?2",
        [(key, value) for key, value in batch.state.items() if value],
    )
    begun = [*intents, *((identity, batch.now, action) for identity, action in batch.intents)]
    db.executemany("INSERT OR REPLACE INTO journal VALUES (?, ?, ?, NULL)", begun)
    outcomes = [(outcome, identity) for identity, outcome in batch.outcomes]
    db.executemany("UPDATE journal SET outcome=? WHERE action_id=?", outcomes)
