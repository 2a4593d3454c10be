"""The tables of ``edged.db``, how the file is opened, and what SQLite's errors mean for an operator."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...ports import StorageError
from ..atomic import sync_folder

BUSY_TIMEOUT = 5.0
"""Seconds."""
CHECKPOINT_PAGES = 1_000
"""Pages of 4 KiB in the WAL before they go to the database. Hot pages are rewritten often: a longer WAL
merges more of them into one write of the database, a shorter one takes less space."""

MIGRATIONS = (
    """
    CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE state(key TEXT PRIMARY KEY, value BLOB NOT NULL);
    -- size: bytes of all events up to and including this one. The size of any range is one subtraction.
    CREATE TABLE event(
        sequence INTEGER PRIMARY KEY, boot INTEGER NOT NULL, at REAL NOT NULL, wall REAL NOT NULL,
        size INTEGER NOT NULL, topic TEXT NOT NULL, type TEXT NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE journal(
        action_id TEXT PRIMARY KEY, at REAL NOT NULL, action BLOB NOT NULL, outcome BLOB) WITHOUT ROWID;
    CREATE TABLE retained(topic TEXT PRIMARY KEY, version INTEGER NOT NULL, payload BLOB NOT NULL);
    -- Ranges of events given up unsent, until the event that tells of it has been written.
    CREATE TABLE dropped(
        first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, reason TEXT NOT NULL);
    """,
    """
    -- hash: SHA-256 of the hash before and of the record. size: bytes of all records up to and including this one.
    CREATE TABLE audit(
        number INTEGER PRIMARY KEY, size INTEGER NOT NULL, hash BLOB NOT NULL, record BLOB NOT NULL);
    -- 'head': the record written last. 'anchor': the newest one that was removed by age.
    CREATE TABLE audit_mark(name TEXT PRIMARY KEY, number INTEGER NOT NULL, hash BLOB NOT NULL) WITHOUT ROWID;
    -- Refusals of a flood that no record tells of yet.
    CREATE TABLE audit_refused(code TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
    """,
)
"""Entry n brings a database from ``user_version`` n to n + 1. Never change one that was released."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# A bad sector: without this, edged would never start again on that file.
_UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space; edged goes on by itself",
    sqlite3.SQLITE_READONLY: "it is read-only: check the file system's mount and the file's owner",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that the folder exists and belongs to edged's user",
    sqlite3.SQLITE_PERM: "permission denied: check the file's owner",
    sqlite3.SQLITE_BUSY: "another process holds it locked",
    sqlite3.SQLITE_LOCKED: "another process holds it locked",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error: it may be failing",
    sqlite3.SQLITE_NOMEM: "out of memory",
}
_SYSTEM_ADVICE = {
    errno.ENOSPC: _ADVICE[sqlite3.SQLITE_FULL],
    errno.EDQUOT: _ADVICE[sqlite3.SQLITE_FULL],
    errno.EROFS: _ADVICE[sqlite3.SQLITE_READONLY],
    errno.EACCES: _ADVICE[sqlite3.SQLITE_PERM],
    errno.EIO: _ADVICE[sqlite3.SQLITE_IOERR],
}


def is_damage(error: BaseException) -> bool:
    """True when the file's content is broken, as opposed to: cannot be written just now."""
    code = getattr(error, "sqlite_errorcode", 0) if isinstance(error, sqlite3.Error) else 0
    return code & 0xFF in _DAMAGED or code in _UNREADABLE


def takes_nothing(error: BaseException | None, folder: Path) -> bool:
    """True when the disk is full, read-only or failing: nothing can be written, and what is there is right."""
    if isinstance(error, sqlite3.Error):
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return True
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return True
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def explain(error: sqlite3.Error | OSError, path: Path) -> StorageError:
    if isinstance(error, OSError):
        return StorageError(f"{path}: {_SYSTEM_ADVICE.get(error.errno or 0, error.strerror or str(error))}")
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    # Of the shared memory beside the database: a full disk has no room for it.
    kind = sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR_SHMSIZE else code & 0xFF
    return StorageError(f"{path}: {_ADVICE.get(kind, str(error))} ({name})")


def cost(topic: str, payload: bytes) -> int:
    """Bytes an event takes on disk, near enough: its text and the other columns."""
    return len(topic) + len(payload) + 64


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; after an error nothing of it is left open, so that the next attempt can succeed."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself after some errors
            db.execute("ROLLBACK")
        raise


def open_database(path: Path) -> sqlite3.Connection:
    """Opens or creates the file (mode 0600) and brings its schema up to date.

    Raises ``sqlite3.Error``, ``OSError``, and ``StorageError`` for a schema of the future.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    db = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        db.execute("PRAGMA journal_mode=WAL")
        # NORMAL may lose the last commits in a power cut: sequence numbers would be given out twice.
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit={CHECKPOINT_PAGES * 4096 * 2}")
        # Distributions switch it on; zeroing deleted rows only wears the flash.
        db.execute("PRAGMA secure_delete=OFF")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path, immutable: bool) -> sqlite3.Connection:
    """The database of a disk that takes nothing. ``immutable``: without its WAL, which is right after a clean end.

    Raises ``sqlite3.Error``.
    """
    option = "immutable=1" if immutable else "mode=ro"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{option}", uri=True, timeout=BUSY_TIMEOUT)
    db.execute("PRAGMA query_only=ON")
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{path}: written by a newer edged (schema {version}, this one knows {len(MIGRATIONS)}): "
            "install that version again, or move the file away to begin anew"
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with transaction(db):
            for statement in script.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={number}")
    if version < len(MIGRATIONS):
        sync_folder(path.parent)


def get_meta(db: sqlite3.Connection, key: str) -> int:
    row = db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
    return int(row[0]) if row else 0


def set_meta(db: sqlite3.Connection, **values: int) -> None:
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))


def drop_range(db: sqlite3.Connection, first: int, last: int, reason: str, count: int = 0) -> None:
    """Notes events given up unsent; the note goes when the event that tells of them is written.

    ``count``: when some of the range were given up, and told of, before.
    """
    db.execute("INSERT INTO dropped VALUES (?, ?, ?, ?)", (first, last, count or last - first + 1, reason))
