"""The database file: claimed, opened, replaced when damaged, never behind its reserve of sequence numbers."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ...ports import StorageError
from . import reserve, salvage
from .lifeboat import Lifeboat, Stowed
from .schema import (
    drop_range,
    explain,
    get_meta,
    is_damage,
    open_database,
    open_to_read,
    set_meta,
    takes_nothing,
    transaction,
)

log = logging.getLogger(__name__)


class DatabaseFile(ABC):
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
        self._boat = Lifeboat(path.with_name(path.name + ".lifeboat"))
        self._lock_file = self._claim()
        self._left = self._boat.read()
        """What the run before could only stow, until the database has it."""
        self._caught_up = False
        self._read_state: dict[str, bytes] | None = None
        """The state as it was, when the file could only be read."""
        try:
            self._begin()
        except BaseException:
            self._release()
            raise

    @abstractmethod
    def _load(self, db: sqlite3.Connection) -> None:
        """Mirrors the file in memory. Writes nothing."""

    @abstractmethod
    def _take_in(self, db: sqlite3.Connection, left: Stowed) -> None:
        """Writes what was stowed, in the transaction that is under way."""

    @abstractmethod
    def _salvaged(self, db: sqlite3.Connection, aside: str) -> None:
        """A damaged file was replaced; the old one is called ``aside``. In the transaction that is under way."""

    def _begin(self) -> None:
        left = self._left.boot if self._left is not None else 0
        try:
            with self._guard() as db:
                self.boot = max(self._reserve.boot, get_meta(db, "boot"), left) + 1
                self._extend_reserve(self._head)
                self._catch_up(db)
                self._boat.prepare()
        except StorageError as error:
            if not takes_nothing(error.__cause__, self._path.parent):
                raise
            if not self.boot:
                self.boot = max(self._reserve.boot, self._begin_reading(error), left) + 1
            # A watchdog that does not start because the disk is full helps nobody.
            log.error("%s; until then nothing new is stored but the state, as far as there is room set aside", error)

    def _begin_reading(self, error: StorageError) -> int:
        """The file cannot be opened for writing: what it says, and its boot number. Raises ``error`` if in vain."""
        if not self._path.exists() or not self._path.stat().st_size:
            return 0
        for immutable in (False, True):
            try:
                with closing(open_to_read(self._path, immutable)) as db:
                    self._load(db)
                    self._read_state = dict(db.execute("SELECT key, value FROM state"))
                    return get_meta(db, "boot")
            except sqlite3.Error as second:
                log.warning("%s cannot be read%s either: %s", self._path, " without its WAL" * immutable, second)
        raise error

    def _catch_up(self, db: sqlite3.Connection) -> None:
        """What could not be written when this run began, or in the run before. Costs nothing when there is nothing."""
        if self._caught_up:
            return
        left = self._left
        if left is not None and left.through < self._head:
            left = None  # it was committed long ago
        with transaction(db):
            set_meta(db, boot=self.boot)
            if left is not None:
                if left.through > self._head:
                    drop_range(db, self._head + 1, left.through, "disk")
                    set_meta(db, floor=left.through)
                self._take_in(db, left)
        self._left, self._caught_up = None, True
        if left is not None:
            self._load(db)
        self._boat.clear()

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

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own: reading through weeks of history must not hold up the loop's commits."""
        try:
            with closing(open_to_read(self._path, immutable=False)) as db:
                yield db
        except sqlite3.Error as error:
            raise explain(error, self._path) from error

    def _claim(self) -> int:
        """Two daemons on one file would give out the same sequence numbers."""
        path = self._path.with_name(self._path.name + ".lock")
        try:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                if error.errno != errno.EROFS:
                    raise
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
        with transaction(db):
            if self.boot:
                set_meta(db, boot=self.boot)
            self._salvaged(db, aside.name)
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
