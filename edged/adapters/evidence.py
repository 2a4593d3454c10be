"""Evidence records: one compressed file each, in a folder for each incident; bounded for each of them, and in all."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import threading
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ..ports import NotFound, Refused, StorageError
from .atomic import sync_file, write_atomic

_SUFFIX = ".json.gz"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
"""No slash and no dot in front: it names nothing outside the folder."""
_MOST = 16 * 2**20
"""Bytes of one record, unpacked."""
_SHARE = 8
"""One incident gets this part of the whole room at most."""
_FIRST = 2
"""Records of an incident that stay longest: how it began tells most."""


class EvidenceFolder:
    """``<state>/evidence``. The oldest records make room for new ones. Thread-safe."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: dict[Path, int] | None = None
        """Bytes by folder; ``None``: nobody has looked. An app that is down does not wait for a look at thousands of
        files; what somebody else removed only makes the next look come early."""

    def look(self) -> None:
        """Counts what is there, so that the first one who saves need not. What cannot be read is told by that one."""
        with self._lock, suppress(OSError):
            if self._sizes is None:
                self._count(self._records())

    def save(self, name: str, record: Mapping[str, Any], incident: str = "") -> tuple[str, str, int]:
        """Writes ``name``.json.gz and returns (path, sha256 of the file, bytes). Raises ``StorageError``.

        A crash of edged loses nothing from here on; a power cut does until ``settle``.
        """
        data = gzip.compress(msgspec.json.encode(record), compresslevel=3, mtime=0)
        folder = self._folder / incident if _NAME.fullmatch(incident) else self._folder
        path = folder / f"{name}{_SUFFIX}"
        try:
            with self._lock:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                if not self._fits(folder, len(data)):
                    self._make_room(folder, len(data))
                    folder.mkdir(mode=0o750, exist_ok=True)
                write_atomic(path, data, sync=False)
                assert self._sizes is not None
                self._sizes[folder] = self._sizes.get(folder, 0) + len(data)
        except OSError as error:
            raise StorageError(f"cannot keep evidence in {self._folder}: {error.strerror or error}") from error
        return str(path), f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)

    def settle(self, path: str) -> None:
        """Syncs a record to the medium. Raises ``StorageError``."""
        try:
            sync_file(Path(path))
        except FileNotFoundError:
            return  # it has made room for a newer one
        except OSError as error:
            raise StorageError(f"cannot sync {path}: {error.strerror or error}") from error

    def read(self, app: str, which: str) -> tuple[str, bytes]:
        """(name, JSON) of a record: by its name, by its path in the folder, or the app's latest.

        Raises ``NotFound``, ``Refused`` for what is no name of a record, ``StorageError``.
        """
        wanted = which.removeprefix(f"{self._folder}{os.sep}").removesuffix(_SUFFIX) if which else self._latest(app)
        group, _, name = wanted.rpartition("/")
        if not _NAME.fullmatch(name) or (group and not _NAME.fullmatch(group)):
            raise Refused(f"{which[:100]!r} is not the name of an evidence record")
        path = self._folder / group / f"{name}{_SUFFIX}"
        if not group and not path.exists():
            path = next(iter(self._folder.glob(f"*/{name}{_SUFFIX}")), path)
        return name, _content(path, name)

    def read_incident(self, incident: str, paths: Sequence[str], most: int) -> bytes:
        """The first record, then the newest ones, as many as fit."""
        own = self._folder / incident if _NAME.fullmatch(incident) else self._folder / "none"
        found = {path: path.stat() for path in (*own.glob(f"*{_SUFFIX}"), *self._known(paths)) if path.is_file()}
        if not found:
            raise NotFound(f"no evidence of {incident} is kept: none was captured, or it has made room for newer ones")
        ordered = sorted(found, key=lambda path: (found[path].st_mtime_ns, path.name))
        records: dict[str, Any] = {}
        left_out: list[str] = []
        for path in (ordered[0], *reversed(ordered[1:])):
            name = path.name.removesuffix(_SUFFIX)
            if found[path].st_size > most:
                left_out.append(name)
                continue
            with suppress(NotFound):
                records[name] = msgspec.Raw(_content(path, name))
                most -= found[path].st_size
        names = [path.name.removesuffix(_SUFFIX) for path in ordered]
        shown = {name: records[name] for name in names if name in records}
        return msgspec.json.encode({"incident": incident, "records": shown, "left_out": left_out})

    def prune(self) -> int:
        """The older half goes, never the newest record."""
        try:
            with self._lock:
                if not self._folder.is_dir():
                    return 0
                records = self._records()
                half, freed = sum(size for _, size, _ in records) // 2, 0
                for path, size, _ in records:
                    if freed + size > half:
                        break
                    path.unlink(missing_ok=True)
                    freed += size
                self._sweep()
                self._sizes = None
                return freed
        except OSError as error:
            raise StorageError(f"cannot remove evidence in {self._folder}: {error.strerror or error}") from error

    def _known(self, paths: Sequence[str]) -> list[Path]:
        """Those that lie in the folder: a name from elsewhere leads nowhere."""
        names = [path.removeprefix(f"{self._folder}{os.sep}").removesuffix(_SUFFIX) for path in paths]
        good = [name for name in names if all(_NAME.fullmatch(part) for part in name.split("/")) and "//" not in name]
        return [self._folder / f"{name}{_SUFFIX}" for name in good if name.count("/") <= 1]

    def _latest(self, app: str) -> str:
        """Records are named ``<app>-<run>-<number>``."""
        mine = re.compile(rf"{re.escape(app)}-(\d+)-(\d+)")
        names = (path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"**/*{_SUFFIX}"))
        found = [(int(m[1]), int(m[2]), m[0]) for m in map(mine.fullmatch, names) if m]
        if not found:
            raise NotFound(f"no evidence of {app} is kept: none was captured, or it has made room for newer records")
        return max(found)[2]

    def _records(self) -> list[tuple[Path, int, float]]:
        """(path, bytes, time), the oldest first."""
        found: list[tuple[Path, int, float]] = []
        folders = [self._folder]
        while folders:
            try:
                entries = list(os.scandir(folders.pop()))
            except FileNotFoundError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.name.endswith(_SUFFIX):
                    about = entry.stat(follow_symlinks=False)
                    found.append((Path(entry.path), about.st_size, about.st_mtime))
        return sorted(found, key=lambda one: one[2])

    def _fits(self, folder: Path, needed: int) -> bool:
        if self._sizes is None or sum(self._sizes.values()) + needed > self.max_bytes:
            return False
        return folder == self._folder or self._sizes.get(folder, 0) + needed <= self.max_bytes // _SHARE

    def _make_room(self, folder: Path, needed: int) -> None:
        records = self._records()
        if folder != self._folder:
            mine = [one for one in records if one[0].parent == folder]
            records = self._drop(records, mine[_FIRST:] + mine[:_FIRST][::-1], self.max_bytes // _SHARE - needed, mine)
        records = self._drop(records, list(records), self.max_bytes - needed, records)
        self._sweep()
        self._count(records)

    def _count(self, records: list[tuple[Path, int, float]]) -> None:
        self._sizes = {}
        for path, size, _ in records:
            self._sizes[path.parent] = self._sizes.get(path.parent, 0) + size

    def _drop(
        self,
        records: list[tuple[Path, int, float]],
        order: list[tuple[Path, int, float]],
        room: int,
        counted: list[tuple[Path, int, float]],
    ) -> list[tuple[Path, int, float]]:
        """Those that remain when ``counted`` are to fit into ``room``."""
        total, gone = sum(size for _, size, _ in counted), set[Path]()
        for path, size, _ in order:
            if total <= room:
                break
            path.unlink(missing_ok=True)
            gone.add(path)
            total -= size
        return [one for one in records if one[0] not in gone] if gone else records

    def _sweep(self) -> None:
        """Folders of incidents that nothing is left of."""
        for entry in list(os.scandir(self._folder)):
            if entry.is_dir(follow_symlinks=False):
                with suppress(OSError):  # there is something in it
                    Path(entry.path).rmdir()


def _content(path: Path, name: str) -> bytes:
    try:
        # Never through a link: what it leads to is no record.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            packed = file.read(_MOST + 1)
        inflate = zlib.decompressobj(wbits=31)
        content = inflate.decompress(packed, _MOST)
    except FileNotFoundError:
        raise NotFound(f"there is no evidence {name} any more: older records make room for newer ones") from None
    except OSError as error:
        raise StorageError(f"cannot read the evidence {name}: {error.strerror or error}") from error
    except zlib.error as error:
        raise StorageError(f"the evidence {name} is damaged: {error}") from error
    if not inflate.eof:
        raise StorageError(f"the evidence {name} is cut off, or larger than {_MOST} bytes")
    return content
