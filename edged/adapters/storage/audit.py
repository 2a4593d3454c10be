"""The audit in the database: appended in the transaction of the batch it tells of, bounded, and never changed.

Whoever reaches the broker can be refused as often as he likes, and a viewer may look as often as he likes. So few
refusals and few reads have a record of their own: the rest is counted on disk until one record tells of them all.
Otherwise they would push out what the audit is for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ...audit import Entry, Head, Span, link
from ...ports import StorageError
from ...report.payloads import rfc3339
from ...vocabulary.events import Event
from .schema import explain, open_to_read

MOST = 20_000
MOST_BYTES = 8 * 2**20
ROUND = 500
"""Records that are removed at once."""
LARGEST = 4096
"""Bytes of a record; of a longer one only the short parts are kept."""
BURST = 100.0
PER_SECOND = 1 / 300
"""Refusals that have a record each, and as many reads; beyond that they are counted."""
COUNTED = ("refused", "read")
"""Kinds of records. Reads are counted under codes with a mark in front."""
MARK = "read "

Audited = Callable[[Event], dict[str, Any] | None]
_encode = msgspec.json.Encoder(order="deterministic").encode


class Told(Struct, frozen=True):
    """What one event, or the store itself, has for the audit."""

    content: dict[str, Any]
    sequence: int = 0
    """Of the event; 0: there is none."""


class AuditTrail:
    """Not thread-safe: the store's lock guards it. ``head`` is replaced as a whole, for any reader."""

    def __init__(self, audited: Audited | None) -> None:
        self._audited = audited
        self.head = Head()
        self._before = self.head
        """As memory knew it when the file was read again."""
        self._size = 0
        self._next = (self.head, 0)
        self._tokens: dict[str, tuple[float, float]] = {}
        """Left, and since when, of each kind that is counted."""
        self._untold: dict[str, int] = {}
        self._still_untold: dict[str, int] = {}

    def load(self, db: sqlite3.Connection) -> None:
        """Mirrors the file. Where it was tampered with, the chain goes on such that it never fits again."""
        self._before = self.head
        if not has_audit(db):
            return
        span = read_span(db)
        last = db.execute(
            "SELECT number, CAST(size AS INTEGER) FROM audit ORDER BY number DESC LIMIT 1"
        ).fetchone() or (0, 0)
        self._size = int(last[1])
        self.head = Head(max(span.head.number, int(last[0])), span.head.hash)
        self._untold = dict(db.execute("SELECT code, CAST(count AS INTEGER) FROM audit_refused"))

    def told(self, events: Sequence[tuple[int, Event]], now: float) -> list[Told]:
        """What of this is for the audit. Empty, nearly always."""
        self._still_untold = self._untold
        if self._audited is None:
            return []
        found = [Told(about, number) for number, event in events if (about := self._audited(event)) is not None]
        told = [one for one in found if self._allowed(one.content, now)]
        for what in COUNTED:
            counts = {code: n for code, n in self._still_untold.items() if code.startswith(MARK) == (what == "read")}
            if counts and self._token(what, now):
                named = {code.removeprefix(MARK): n for code, n in counts.items()}
                told.append(Told({"what": what, "counts": named, "count": sum(counts.values())}))
                self._still_untold = {code: n for code, n in self._still_untold.items() if code not in counts}
        return told

    def _allowed(self, content: dict[str, Any], now: float) -> bool:
        what = content["what"]
        if what not in COUNTED or self._token(what, now):
            return True
        code = f"{MARK if what == 'read' else ''}{content['code']}"
        self._still_untold = {**self._still_untold, code: self._still_untold.get(code, 0) + int(content["count"])}
        return False

    def _token(self, what: str, now: float) -> bool:
        left, since = self._tokens.get(what, (BURST, now))
        left = min(BURST, left + max(0.0, now - since) * PER_SECOND)
        self._tokens[what] = (left - 1.0 if left >= 1.0 else left, now)
        return left >= 1.0

    def write(self, db: sqlite3.Connection, told: Sequence[Told], boot: int, wall: float) -> None:
        """In the transaction that is under way; ``written`` when it has succeeded."""
        number, digest, size = self.head.number, bytes.fromhex(self.head.hash), self._size
        rows = []
        for one in told:
            number += 1
            record = _record(number, one, boot, wall)
            digest, size = link(digest, record), size + len(record)
            rows.append((number, size, digest, record))
        if rows:
            db.executemany("INSERT INTO audit VALUES (?, ?, ?, ?)", rows)
            _mark(db, "head", number, digest)
            _prune(db, number, size)
        if self._still_untold is not self._untold:
            db.execute("DELETE FROM audit_refused")
            db.executemany("INSERT INTO audit_refused VALUES (?, ?)", list(self._still_untold.items()))
        self._next = (Head(number, digest.hex()), size)

    def written(self) -> None:
        self.head, self._size = self._next
        self._untold = self._still_untold

    def salvaged(self, db: sqlite3.Connection, boot: int, wall: float, kept: str) -> None:
        """A damaged database was replaced by what could be read of it: the chain goes on from where it was, and says
        so. The new one was loaded already."""
        if self._audited is None:
            return
        span = read_span(db)
        last = db.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
        ends = [self._before, span.head, *([Head(int(last[0]), _bytes(last[1]).hex())] if last is not None else [])]
        self.head = max(ends, key=lambda head: head.number)
        (count,) = db.execute("SELECT count(*) FROM audit").fetchone()
        lost = self.head.number - span.anchor.number - int(count)
        self._still_untold = self._untold
        content = {"what": "damaged", "kept": kept, "lost": lost}
        self.write(db, [Told(content)], boot, wall)
        self.written()


def has_audit(db: sqlite3.Connection) -> bool:
    """An older file that can only be read does not have it."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name='audit_mark'").fetchone() is not None


def read_span(db: sqlite3.Connection) -> Span:
    marks = {
        name: Head(int(number), _bytes(digest).hex())
        for name, number, digest in db.execute("SELECT name, CAST(number AS INTEGER), hash FROM audit_mark")
    }
    return Span(marks.get("anchor", Head()), marks.get("head", Head()))


def read_page(db: sqlite3.Connection, after: int, limit: int) -> tuple[Span, list[Entry]]:
    """Records with a number above ``after``, and what they lie between at this very moment."""
    db.execute("BEGIN")
    try:
        span = read_span(db)
        question = "SELECT number, hash, record FROM audit WHERE number > ? ORDER BY number LIMIT ?"
        rows = db.execute(question, (after, limit)).fetchall()
    finally:
        db.execute("ROLLBACK")
    return span, [Entry(int(number), _bytes(digest), _bytes(record)) for number, digest, record in rows]


def read_stopped(path: Path, after: int, limit: int) -> tuple[Span, list[Entry]]:
    """A page of a database whose daemon does not answer. Raises ``StorageError``."""
    for immutable in (False, True):
        try:
            with closing(open_to_read(path, immutable)) as db:
                if not has_audit(db):
                    raise StorageError(f"{path} was written by an edged that kept no audit")
                return read_page(db, after, limit)
        except sqlite3.Error as error:
            failed = error
    raise explain(failed, path) from failed


def _bytes(value: Any) -> bytes:
    """Whatever somebody else may have put there."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def _record(number: int, told: Told, boot: int, wall: float) -> bytes:
    frame: dict[str, Any] = {"number": number, "time": rfc3339(wall), "boot": boot}
    if told.sequence:
        frame["sequence"] = told.sequence
    record = _encode(told.content | frame)
    if len(record) > LARGEST:
        short = {k: v for k, v in told.content.items() if not isinstance(v, dict | list) and len(str(v)) <= 64}
        record = _encode(short | {"cut": len(record)} | frame)
    return record


def _mark(db: sqlite3.Connection, name: str, number: int, digest: bytes) -> None:
    question = "INSERT INTO audit_mark VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET number=?2, hash=?3"
    db.execute(question, (name, number, digest))


def _prune(db: sqlite3.Connection, last: int, size: int) -> None:
    """Keeps the bounds: the oldest go, and the hash of the last of them stays as the anchor."""
    first, before = db.execute("SELECT number, size - length(record) FROM audit ORDER BY number LIMIT 1").fetchone()
    if last - first < MOST and size - before <= MOST_BYTES:
        return
    question = "SELECT number, hash FROM audit WHERE number < ? ORDER BY number DESC LIMIT 1"
    row = db.execute(question, (min(first + ROUND, last),)).fetchone()
    if row is not None:
        _mark(db, "anchor", int(row[0]), _bytes(row[1]))
        db.execute("DELETE FROM audit WHERE number <= ?", (row[0],))
