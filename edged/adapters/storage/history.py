"""The past in numbers, in a database of its own: what is lost with it is only the past.

Minutes are written every half hour, in one transaction; until then they lie in the runtime folder, which is memory.
A power cut takes what was not written yet, a crash of edged the minute under way.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from msgspec.structs import astuple

from ...history.blocks import Compact, Gathered, Key, compact, gather, matches, merged, pack
from ...history.minutes import Span
from ...ports.history import HOUR, MINUTE, Point, Series
from ..atomic import write_atomic
from .schema import CHECKPOINT_PAGES, explain, is_damage, open_to_read, transaction

log = logging.getLogger(__name__)

NAME = "history.db"
NEWEST = "history.newest"
MINUTES_KEPT = 8 * 86400.0
"""Seconds; hours are kept for as long as the configuration says."""
MOST_WAITING = 1500
"""Minutes and hours that wait for the disk."""
SLACK = 0.1
"""A full history is emptied by this share at once."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rollup(
    id INTEGER PRIMARY KEY, step INTEGER NOT NULL, begin INTEGER NOT NULL, until INTEGER NOT NULL,
    at REAL NOT NULL, data BLOB NOT NULL)
"""


Row = tuple[int, int, int, bytes]
"""(step, begin, until, block)."""
Noted = tuple[int, list[Row]]
"""(number of the newest row there was, what comes after it)."""


class RollupStore:
    """Implements ``ports.History``. Thread-safe."""

    def __init__(self, folder: Path, runtime: Path | None) -> None:
        self._path = folder / NAME
        self._note = runtime / NEWEST if runtime is not None else None
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        """Used by the one thread that writes."""
        self._waiting: list[Compact] = []
        """Complete, not written yet."""
        self._open: list[Span] = []
        self._last = 0
        """Number of the newest row."""

    def recover(self, now: float) -> None:
        """Writes what a run before could only leave in the runtime folder. Raises ``StorageError``."""
        self._write([], now)
        if self._note is None:
            return
        try:
            last, rows = msgspec.msgpack.decode(self._note.read_bytes(), type=Noted)
        except FileNotFoundError:
            return
        except OSError as error:
            raise explain(error, self._note) from error
        except msgspec.MsgspecError as error:
            log.warning("%s is damaged, the last minutes before the crash are lost: %s", self._note, error)
            last, rows = -1, []
        if last == self._last:  # else they were written, and edged ended before it could say so
            self._write(rows, now)
        self._note.unlink(missing_ok=True)

    def add(self, closed: Iterable[Span], still_open: Iterable[Span]) -> None:
        with self._lock:
            for span in closed:
                before = self._waiting[-1].keys if self._waiting else ()
                self._waiting.append(compact(*span, before))
            # A disk that takes nothing for a day: some 7 MB with 20 apps.
            del self._waiting[:-MOST_WAITING]
            self._open = list(still_open)

    def note(self) -> None:
        """Leaves what is not written yet where a crash does not reach it. Raises ``StorageError``."""
        if self._note is None:
            return
        with self._lock:
            noted = self._last, _rows([*self._waited(), *self._open])
        try:
            write_atomic(self._note, msgspec.msgpack.encode(noted), 0o600, sync=False)
        except OSError as error:
            raise explain(error, self._note) from error

    def flush(self, now: float, keep: float, max_size: int) -> None:
        """Writes what is complete, and keeps to the bounds. Raises ``StorageError``; then it is tried again."""
        with self._lock:
            last, waiting = self._waiting[-1:], self._waited()
        if not waiting:
            return
        self._write(_rows(waiting), now, keep, max_size)
        with self._lock:
            # More may have come meanwhile, and the oldest may have given way.
            place = next((i for i, one in enumerate(self._waiting) if one is last[0]), -1)
            del self._waiting[: place + 1]

    def _waited(self) -> list[Span]:
        return [(one.step, one.begin, one.points()) for one in self._waiting]

    def rollups(
        self, since: float, until: float, *, subject: str = "", metric: str = "", step: int = HOUR
    ) -> Iterator[Series]:
        found: dict[Key, Gathered] = {}
        for data in self._stored(since, until, step):
            try:
                gather(step, data, found, subject, metric)
            except ValueError as error:
                log.warning("%s: %s", self._path, error)
        with self._lock:
            newest = [span for span in (*self._waited(), *self._open) if span[0] == step]
        for _, begin, points in newest:
            for key, point in points.items():
                if (not subject or key[0] == subject) and matches(key[1], metric):
                    found.setdefault(key, Gathered()).add([begin], [[value] for value in astuple(point)[1:]])
        return _series(found, since, until, step)

    def _stored(self, since: float, until: float, step: int) -> Iterator[bytes]:
        question = "SELECT data FROM rollup WHERE step=? AND begin<? AND until>? ORDER BY id"
        if not self._path.exists():
            return
        try:
            with closing(open_to_read(self._path, immutable=False)) as db:
                for (data,) in db.execute(question, (step, until, since)):
                    yield data
        except sqlite3.Error as error:
            raise explain(error, self._path) from error

    def _write(self, rows: list[Row], now: float, keep: float = 0.0, max_size: int = 0) -> None:
        try:
            with transaction(self._opened()) as db:
                db.executemany(
                    "INSERT INTO rollup(step, begin, until, at, data) VALUES (?, ?, ?, ?, ?)",
                    [(step, begin, until, now, data) for step, begin, until, data in rows],
                )
                if max_size:
                    _trim(db, now, keep, max_size)
                (self._last,) = db.execute("SELECT coalesce(max(id), 0) FROM rollup").fetchone()
        except (sqlite3.Error, OSError) as error:
            with suppress(sqlite3.Error):
                self.close()
            if is_damage(error):
                self._put_aside(error)
            raise explain(error, self._path) from error

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None:
            return self._db
        db = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            self._path.chmod(0o600)
            db.execute("PRAGMA journal_mode=WAL")
            # No sync for each commit: a power cut may take the last ones, nothing before them.
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute(f"PRAGMA journal_size_limit={CHECKPOINT_PAGES * 4096 * 2}")
            db.execute("PRAGMA secure_delete=OFF")
            db.execute(_SCHEMA)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def close(self) -> None:
        """It is opened again when there is something to be written."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _put_aside(self, error: Exception) -> None:
        aside = self._path.with_suffix(".damaged")
        log.error("%s is damaged (%s): kept as %s, only past figures are lost", self._path, error, aside)
        self._path.replace(aside)
        for beside in ("-wal", "-shm"):
            self._path.with_name(self._path.name + beside).unlink(missing_ok=True)


def _series(found: dict[Key, Gathered], since: float, until: float, step: int) -> Iterator[Series]:
    for key in sorted(found):
        points = merged(point for point in found.pop(key).points() if since <= point.begin < until)
        if points:
            yield Series(*key, step, points)


def _rows(spans: list[Span]) -> list[Row]:
    """Minutes of half an hour together, hours alone."""
    grouped: dict[tuple[int, int], dict[Key, list[Point]]] = {}
    for step, begin, points in spans:
        group = grouped.setdefault((step, begin // (30 * MINUTE) if step == MINUTE else begin), {})
        for key, point in points.items():
            group.setdefault(key, []).append(point)
    rows = []
    for (step, _), series in grouped.items():
        series = {key: list(merged(points)) for key, points in series.items()}
        begins = [point.begin for points in series.values() for point in points]
        rows.append((step, min(begins), max(begins) + step, pack(step, series)))
    return rows


def _trim(db: sqlite3.Connection, now: float, keep: float, max_size: int) -> None:
    """Minutes go before hours: an hour says the same of a longer time."""
    db.execute("DELETE FROM rollup WHERE step=? AND at<?", (MINUTE, now - min(keep, MINUTES_KEPT)))
    db.execute("DELETE FROM rollup WHERE at<?", (now - keep,))
    pages, free, page = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    size = (pages - free) * page
    if size <= max_size:
        return
    surplus = size - int(max_size * (1 - SLACK))
    for identity, length in db.execute("SELECT id, length(data) FROM rollup ORDER BY step, id").fetchall():
        if surplus <= 0:
            return
        db.execute("DELETE FROM rollup WHERE id=?", (identity,))
        surplus -= length + page // 4  # what is lost at the ends of pages, about
