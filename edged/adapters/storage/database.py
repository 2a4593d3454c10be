"""The database file: claimed, opened, replaced when damaged, never behind its reserve of sequence numbers."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...ports import StorageError
from . import reserve, salvage
from .schema import drop_range, explain, get_meta, is_damage, open_database, set_meta, transaction

log = logging.getLogger(__name__)


class DatabaseFile:
    """Base of the store. Subclasses mirror parts of the file in memory and renew that in ``_load``."""

    def __init__(self, path: Path) -> None:
        self.boot = 0
        """How often edged has started in this device's life, this time included."""
        self.recovered: str | None = None
        """What had to be done about a damaged or lost database, for the operator."""
        self._path = path
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._head = 0
        """The highest sequence number given out."""
        self._acknowledged = 0
        """The broker has every event up to this number, or it was given up."""
        self._reserve = reserve.Reserve()
        self._reserve_path = path.with_name(path.name + ".reserve")
        self._lock_file = self._claim()
        try:
            with self._guard() as db:
                self.boot = max(self._reserve.boot, get_meta(db, "boot")) + 1
                self._extend_reserve(self._head)
                with transaction(db):
                    set_meta(db, boot=self.boot)
        except BaseException:
            self._release()
            raise

    def _load(self, db: sqlite3.Connection) -> None:
        raise NotImplementedError

    @contextmanager
    def _guard(self) -> Iterator[sqlite3.Connection]:
        """The connection, opened if need be. Errors become ``StorageError``; a damaged file is replaced."""
        with self._lock:
            if self._lock_file < 0:
                raise StorageError(f"{self._path}: closed")
            try:
                yield self._db or self._open()
            except (sqlite3.Error, OSError) as error:
                if is_damage(error) and self._db is not None:
                    self._replace(error)
                    raise StorageError(f"{self.recovered}; what was just being written was not") from error
                if self._db is not None and self._db.in_transaction:  # not even the rollback worked
                    self._db.close()
                    self._db = None
                raise explain(error, self._path) from error

    def _claim(self) -> int:
        """Two daemons on one file would give out the same sequence numbers."""
        path = self._path.with_name(self._path.name + ".lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain(error, path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"{self._path}: another edged is using it") from error
        return descriptor

    def _release(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def _open(self) -> sqlite3.Connection:
        known = reserve.read(self._reserve_path)
        if known.sequence > self._reserve.sequence:
            self._reserve = known
        salvage.finish(self._path)
        db: sqlite3.Connection | None = None
        try:
            db = open_database(self._path)
            self._load(db)
            if known.sequence > self._head + reserve.STEP:
                self._jump(db, known)
        except BaseException as error:
            if db is not None:
                db.close()
            if not is_damage(error):
                raise
            return self._replace(error)
        self._db = db
        return db

    def _replace(self, error: BaseException) -> sqlite3.Connection:
        """The file is damaged: begin a new one with what can be read of the old."""
        log.error("%s is damaged (%s): beginning a new one", self._path, error)
        known = self._reserve
        if self._db is not None:  # it was in use: memory knows exactly
            known = reserve.Reserve(self.boot, self._head, self._acknowledged)
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        try:
            aside = salvage.begin_anew(self._path, known)
            db = open_database(self._path)
        except (sqlite3.Error, OSError) as second:
            raise explain(second, self._path) from second
        self._load(db)
        if self.boot:
            with transaction(db):
                set_meta(db, boot=self.boot)
        self._db = db
        self.recovered = f"{self._path} was damaged ({error}): kept as {aside.name}, a new one begun"
        return db

    def _jump(self, db: sqlite3.Connection, known: reserve.Reserve) -> None:
        """The database is older than its reserve: deleted, or put back from a backup."""
        first = max(self._head, known.acknowledged) + 1
        with transaction(db):
            set_meta(db, floor=known.sequence, acknowledged=max(self._acknowledged, known.acknowledged))
            drop_range(db, first, known.sequence, "lost")
        self.recovered = f"{self._path} was lost or put back: events {first} to {known.sequence} may be gone"
        log.error("%s", self.recovered)
        self._load(db)

    def _extend_reserve(self, head: int) -> None:
        """Before a number above the reserve is used, a higher reserve is on disk."""
        # Counted from what is committed: otherwise a crash before the commit would look like a loss.
        extended = reserve.Reserve(self.boot, max(self._head + reserve.STEP, head), self._acknowledged)
        reserve.write(self._reserve_path, extended)
        self._reserve = extended
