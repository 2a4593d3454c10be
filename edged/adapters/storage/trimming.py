"""Keeping the event log within its bounds.

Each row's ``size`` counts the bytes of all rows up to it, so the size of any range is one subtraction and the row
at which a bound is reached is found by halving: no sums over the table, whatever its length.
"""

from __future__ import annotations

import math
import sqlite3

from .schema import cost, transaction

SLACK = 0.05
"""A full spool is emptied by this share at once: one event tells of thousands dropped, not one of each."""
AGE_SLACK = 0.01
CHUNK = 1_000
"""Rows deleted per transaction."""
CHUNKS = 4
"""Transactions per call, so that a call stays short after a bound was lowered."""
WORTHWHILE = 256
"""Rows to delete at least: deleting one by one would rewrite the first page of the log again and again."""


def size_through(db: sqlite3.Connection, sequence: int) -> int:
    """Bytes of all events up to and including this number, deleted ones too."""
    row = db.execute(
        "SELECT size FROM event WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1", (sequence,)
    ).fetchone()
    if row is not None:
        return int(row[0])
    row = db.execute("SELECT size, topic, payload FROM event ORDER BY sequence LIMIT 1").fetchone()
    return int(row[0]) - cost(row[1], row[2]) if row is not None else 0


def spool_bound(
    db: sqlite3.Connection, acknowledged: int, last: int, now: float, max_size: int, max_age: float
) -> tuple[int, str]:
    """Up to which number unsent events must be given up, and why ("": none)."""
    # Numbers without a row were given up before, and told of: they are neither old nor large.
    acknowledged = _first_since(db, acknowledged, -math.inf, last) - 1
    through, reason = acknowledged, ""
    total = size_through(db, last)
    if total - size_through(db, acknowledged) > max_size:
        through, reason = _reaching(db, total - int(max_size * (1 - SLACK)), acknowledged, last), "size"
    if _first_since(db, acknowledged, now - max_age, last) > acknowledged + 1:
        too_old = _first_since(db, acknowledged, now - max_age * (1 - AGE_SLACK), last) - 1
        if too_old > through:
            through, reason = too_old, "age"
    return through, reason


def rows_between(db: sqlite3.Connection, first: int, last: int) -> tuple[int, int]:
    """The first number that there is between these two, and how many there are."""
    question = "SELECT coalesce(min(sequence), 0), count(*) FROM event WHERE sequence BETWEEN ? AND ?"
    found, count = db.execute(question, (first, last)).fetchone()
    return int(found), int(count)


def trim_history(db: sqlite3.Connection, through: int, now: float, keep: float, max_size: int) -> None:
    """Deletes the oldest events, ``through`` at most: those past their time and those beyond the size."""
    (first,) = db.execute("SELECT coalesce(min(sequence), 0) FROM event").fetchone()
    if first == 0 or first > through:
        return
    bound = _first_since(db, first - 1, now - keep, through) - 1
    end = size_through(db, through)
    if end - size_through(db, first - 1) > max_size:
        bound = max(bound, _reaching(db, end - int(max_size * (1 - SLACK)), first - 1, through))
    if bound - first + 1 < WORTHWHILE:
        return
    for low in range(first, min(bound + 1, first + CHUNK * CHUNKS), CHUNK):
        db.execute("DELETE FROM event WHERE sequence <= ?", (min(low + CHUNK - 1, bound),))


def untold_ranges(db: sqlite3.Connection) -> list[tuple[int, int, int, str]]:
    """Ranges given up of which no event tells yet, joined where one goes on where the other ends."""
    rows = db.execute("SELECT first, last, count, reason FROM dropped ORDER BY first").fetchall()
    joined: list[tuple[int, int, int, str]] = []
    for first, last, count, reason in rows:
        if joined and joined[-1][1] + 1 == first and joined[-1][3] == reason:
            before = joined.pop()
            first, count = before[0], before[2] + count
        joined.append((first, last, count, reason))
    writable = not db.execute("PRAGMA query_only").fetchone()[0]
    if len(joined) < len(rows) and writable:  # a device without a broker would gather them for years
        with transaction(db):
            db.execute("DELETE FROM dropped")
            db.executemany("INSERT INTO dropped VALUES (?, ?, ?, ?)", joined)
    return joined


def trim_journal(db: sqlite3.Connection, keep: int) -> None:
    """Keeps the newest ``keep`` ended actions, and some more: not one delete for each new one."""
    (ended,) = db.execute("SELECT count(*) FROM journal WHERE outcome IS NOT NULL").fetchone()
    if ended > keep + WORTHWHILE:
        db.execute(
            "DELETE FROM journal WHERE action_id IN ("
            "SELECT action_id FROM journal WHERE outcome IS NOT NULL ORDER BY at LIMIT ?)",
            (ended - keep,),
        )


def _first_since(db: sqlite3.Connection, after: int, at: float, last: int) -> int:
    """The first event after ``after`` that is not older than ``at``; ``last`` + 1 when there is none."""
    question = "SELECT sequence FROM event WHERE sequence > ? AND sequence <= ? AND at >= ?"
    row = db.execute(f"{question} ORDER BY sequence LIMIT 1", (after, last, at)).fetchone()
    return int(row[0]) if row else last + 1


def _reaching(db: sqlite3.Connection, size: int, low: int, high: int) -> int:
    """The smallest number in (low, high] up to which the log has at least ``size`` bytes."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if size_through(db, middle) >= size else (middle, high)
    return high
