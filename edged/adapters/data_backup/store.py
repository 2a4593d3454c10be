"""``ports.DataBackups``: each call finds everything on disk and in the container, and keeps nothing in memory."""

from __future__ import annotations

import posixpath
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from ...ports import ArtifactError, Containers, PortError, StorageError
from ...vocabulary.data import LATEST, Stored
from ..artifacts.container import Inside
from . import packing, restoring, verifying
from .shelf import Record, Shelf


class BackupStore:
    """Thread-safe; an app's data is handled by one thread at a time, which the runner of actions sees to."""

    def __init__(
        self,
        state: Path,
        containers: Containers,
        wall: Callable[[], float] = time.time,
        flush: Callable[[], None] = restoring.flush,
    ) -> None:
        self._state, self._containers, self._wall, self._flush = state, containers, wall, flush
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    def back_up(self, app: str, container_id: str, data: Stored, timeout: float) -> dict[str, Any]:
        end = time.monotonic() + timeout
        with self._shelf(app) as shelf:
            if shelf.journal() is not None:
                raise ArtifactError("half", f"the data of {app} is half restored: edged data {app} restore ends that")
            last = next(iter(shelf.records("backup")), None)
            shelf.check_room(last.bytes if last is not None else 0)
            # First: what the app itself finds bad must not push out what was good.
            verified = verifying.in_container(self._containers, container_id, data, timeout / 2)
            inside = Inside(self._containers, container_id, end - time.monotonic())
            place = restoring.find(inside, self._path(container_id, data))
            record = restoring.take(shelf, inside, place, "backup", data)
            try:
                packing.check(shelf.file(record.name), record.digest, record.tree)
                verified = verified or verifying.on_copy(shelf, record.name, data, end - time.monotonic())
            except ArtifactError:
                shelf.file(record.name).unlink(missing_ok=True)
                raise
            record = replace(record, verified=verified)
            shelf.keep(record)
            shelf.rotate(data.keep, data.max_size)
            return _told(record)

    def find(self, app: str, data: Stored, which: str, timeout: float) -> dict[str, Any]:
        with self._shelf(app) as shelf:
            begun = shelf.journal()
            if begun is not None and which == LATEST:
                return {"name": begun.backup}  # what an attempt began with is ended, with whatever is good then
            shelf.check_room()  # for what is kept aside
            record, _ = restoring.choose(shelf, data, which, timeout)
            return {"name": record.name}

    def restore(self, app: str, container_id: str, data: Stored, which: str, timeout: float) -> dict[str, Any]:
        with self._shelf(app) as shelf:
            try:
                return self._restore(shelf, app, container_id, data, which, timeout)
            except PortError as error:
                if shelf.journal() is None:
                    raise
                raise ArtifactError("half", f"the data of {app} holds a part of a backup only: {error}") from error

    def _restore(
        self, shelf: Shelf, app: str, container_id: str, data: Stored, which: str, timeout: float
    ) -> dict[str, Any]:
        container, _ = self._containers.inspect(container_id)
        if container.status in ("running", "paused", "restarting"):
            raise ArtifactError("running", f"{app} runs, and would read and write while its data is replaced")
        inside = Inside(self._containers, container_id, timeout)
        path = self._path(container_id, data)
        return restoring.restore(shelf, inside, data, path, which, timeout / 2, self._flush)

    def listing(self, app: str) -> list[dict[str, Any]]:
        return [_told(record) for record in Shelf(self._state, app, self._wall).records()]

    def prune(self) -> int:
        folder, freed = self._state / "backups", 0
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            freed += self._prune(path.name)
        return freed

    def _prune(self, app: str) -> int:
        freed = 0
        with self._lock:
            if app in self._busy:
                return 0  # what is just being made, or put in place, stays
            shelf = Shelf(self._state, app, self._wall)
            journal = shelf.journal()
            spared = {journal.backup, journal.aside} if journal is not None else set()
            good = next((r for r in shelf.records("backup") if not r.damaged), None)
            for record in shelf.records():
                if record != good and record.name not in spared:
                    freed += shelf.drop(record)
        return freed

    def _path(self, container_id: str, data: Stored) -> str:
        """Where the container has it. Raises ``ArtifactError`` for a mount within, which is none of the copy's."""
        _, about = self._containers.inspect(container_id)
        mounts: dict[str, dict[str, Any]] = {m.get("Destination", ""): m for m in about.get("Mounts") or ()}
        path = posixpath.normpath(data.path)
        if data.volume:
            path = next((where for where, m in mounts.items() if m.get("Name") == data.volume), "")
            if not path:
                raise ArtifactError("no_volume", f"the container has no volume {data.volume} mounted")
        within = sorted(where for where in mounts if where.startswith(f"{path.rstrip('/')}/"))
        if within:
            raise ArtifactError(
                "mount_within", f"{within[0]} is a mount of its own within {path}: name a folder without"
            )
        return path

    @contextmanager
    def _shelf(self, app: str) -> Iterator[Shelf]:
        """The app's folder, and everything that goes wrong with it as a ``PortError``."""
        try:
            shelf = Shelf(self._state, app, self._wall)
            with self._lock:
                self._busy.add(app)
            shelf.prepare()
            yield shelf
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise ArtifactError("no_room", f"the disk of {self._state} is full; make room, then again") from error
            raise StorageError(f"{self._state / 'backups'} cannot be used: {error}") from error
        finally:
            with self._lock:
                self._busy.discard(app)


def _told(record: Record) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(record)
    return {k: v for k, v in told.items() if k != "tree"} | {"aside": record.name.startswith("aside")}
