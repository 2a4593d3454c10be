"""Looking into the database of a daemon that may be running, without writing to it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec

from .schema import BUSY_TIMEOUT, MIGRATIONS, explain, get_meta, is_damage

_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: a few milliseconds."""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    damage: tuple[str, ...] = ()
    """What ``PRAGMA quick_check`` has found."""
    complete: bool = True
    """The check came to its end in time."""
    schema: int = 0
    newest_schema: int = len(MIGRATIONS)
    """The newest that this edged knows."""
    boot: int = 0
    events: int = 0
    waiting: int = 0
    """Events that the broker has not acknowledged."""


def inspect_database(path: Path, timeout: float) -> Inspection:
    """Ends within about ``timeout`` seconds. Raises ``StorageError`` when the file cannot be opened."""
    try:
        with closing(_open(path)) as db:
            (schema,) = db.execute("PRAGMA user_version").fetchone()
            if schema > len(MIGRATIONS):
                return Inspection(schema=schema)
            (events,) = db.execute("SELECT count(*) FROM event").fetchone()
            first = (get_meta(db, "acknowledged") + 1,)
            (waiting,) = db.execute("SELECT count(*) FROM event WHERE sequence >= ?", first).fetchone()
            damage, complete = _check(db, timeout)
            boot = get_meta(db, "boot")
            return Inspection(
                damage=damage, complete=complete, schema=schema, boot=boot, events=events, waiting=waiting
            )
    except (sqlite3.Error, OSError) as error:
        if is_damage(error):
            return Inspection(damage=(str(error),))
        raise explain(error, path) from error


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=min(BUSY_TIMEOUT, 2.0))
    db.execute("PRAGMA query_only=ON")
    return db


def _check(db: sqlite3.Connection, timeout: float) -> tuple[tuple[str, ...], bool]:
    until = time.monotonic() + timeout
    db.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
    try:
        rows = [str(text) for (text,) in db.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return (), False
        raise
    finally:
        db.set_progress_handler(None, 0)
    return tuple(row for row in rows if row != "ok"), True
