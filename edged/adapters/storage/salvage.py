"""When the database is damaged: carry over what can still be read, keep the file aside, begin a new one."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ..atomic import sync_folder
from .reserve import Reserve
from .schema import drop_range, open_database, set_meta, transaction

log = logging.getLogger(__name__)
_UNKNOWN = 2**62
"""Stands for the reserve when that is lost as well."""
_EVENT = ("event", "sequence", "sequence, boot, at, wall, size, topic, type, payload")
_AUDIT = ("audit", "number", "number, size, hash, record")
"""Table, key and columns of the long ones."""
_SMALL = {"meta": 2, "state": 2, "journal": 4, "retained": 3, "dropped": 4, "audit_mark": 3, "audit_refused": 2}
"""Columns of the tables that are copied whole. Acknowledged events stay behind, in the file that is kept."""


def begin_anew(path: Path, reserve: Reserve) -> Path:
    """Replaces the damaged database at ``path`` and returns where the old one is now.

    The new file is complete before it takes the place of the old one: after a power cut in between, this is
    done again or completed by ``finish``. Raises ``OSError`` or ``sqlite3.Error`` when it cannot be written.
    """
    draft = path.with_name(path.name + ".new")
    _remove(draft)
    with closing(open_database(draft)) as fresh, transaction(fresh):
        _carry_over(path, fresh, reserve)
    for old in path.parent.glob(path.name + ".damaged-*"):
        old.unlink()  # one is enough to look into, and two could fill the disk
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    path.rename(aside)
    for suffix in ("-shm", "-wal"):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    draft.rename(path)
    sync_folder(path.parent)
    return aside


def finish(path: Path) -> None:
    """Completes a replacement that was cut off between its last two steps."""
    draft = path.with_name(path.name + ".new")
    if not path.exists() and draft.exists():
        _remove(path)  # the old file's WAL must not be taken for the new one's
        draft.rename(path)
        sync_folder(path.parent)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


class _Unreadable(Exception):
    """The old file does not give more. (An error of the new file is another matter, and ends the attempt.)"""


def _carry_over(path: Path, fresh: sqlite3.Connection, reserve: Reserve) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for table, columns in _SMALL.items():
            _copy(old, fresh, table, columns)
        meta = dict(fresh.execute("SELECT key, value FROM meta"))
        acknowledged = max(reserve.acknowledged, meta.get("acknowledged", 0))
        head, lost = _copy_events(old, fresh, acknowledged, reserve.sequence or _UNKNOWN)
        reached, whole = _copy_rows(old, fresh, _AUDIT, -_UNKNOWN, _UNKNOWN, "ASC")
        if not whole:
            _copy_rows(old, fresh, _AUDIT, reached, _UNKNOWN, "DESC")
    set_meta(fresh, floor=head, acknowledged=acknowledged)
    if lost is not None:
        drop_range(fresh, *lost, "damaged")


def _copy(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str, columns: int) -> None:
    marks = ", ".join("?" * columns)
    try:
        for row in _read(old, f"SELECT * FROM {table}"):
            fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
    except _Unreadable as error:
        log.error("table %s: not all of it can be read: %s", table, error)


def _copy_events(
    old: sqlite3.Connection, fresh: sqlite3.Connection, acknowledged: int, reserved: int
) -> tuple[int, tuple[int, int] | None]:
    """Copies the unsent events from both ends towards the damage. Returns the head and the range lost."""
    low, whole = _copy_rows(old, fresh, _EVENT, acknowledged, reserved + 1, "ASC")
    if whole:
        return low, None
    high, _ = _copy_rows(old, fresh, _EVENT, low, reserved + 1, "DESC")
    head = int(fresh.execute("SELECT coalesce(max(sequence), 0) FROM event").fetchone()[0])
    if high > reserved:  # nothing came from the far end: every number up to the reserve may have been used
        head = max(head, acknowledged) if reserved == _UNKNOWN else reserved
    lost = (low + 1, min(high - 1, head))
    return head, lost if lost[0] <= lost[1] else None


def _copy_rows(
    old: sqlite3.Connection, fresh: sqlite3.Connection, what: tuple[str, str, str], low: int, high: int, order: str
) -> tuple[int, bool]:
    """Copies rows between two numbers until one cannot be read: (last number copied, all was read)."""
    table, key, columns = what
    last = low if order == "ASC" else high
    question = f"SELECT {columns} FROM {table} WHERE {key} > ? AND {key} < ? ORDER BY {key} {order}"
    marks = ", ".join("?" * len(columns.split(",")))
    try:
        for row in _read(old, question, (low, high)):
            if (row[0] > last) != (order == "ASC") or row[0] == last:
                raise _Unreadable("rows out of order")  # a broken tree may lead round in circles
            fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
            last = row[0]
    except _Unreadable as error:
        log.error("table %s breaks off beside number %d: %s", table, last, error)
        return last, False
    return last, True


def _read(old: sqlite3.Connection, question: str, parameters: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    try:
        yield from old.execute(question, parameters)
    except sqlite3.Error as error:
        raise _Unreadable(str(error)) from error
