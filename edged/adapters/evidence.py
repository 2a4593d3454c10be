"""Evidence records: one compressed file each, in a folder that is bounded in bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Mapping
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


class EvidenceFolder:
    """``<state>/evidence``. The oldest records make room for new ones."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self.max_bytes = max_bytes

    def save(self, name: str, record: Mapping[str, Any]) -> tuple[str, str, int]:
        """Writes ``name``.json.gz and returns (path, sha256 of the file, bytes). Raises ``StorageError``.

        A crash of edged loses nothing from here on; a power cut does until ``settle``.
        """
        data = gzip.compress(msgspec.json.encode(record), compresslevel=3, mtime=0)
        path = self._folder / f"{name}{_SUFFIX}"
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._make_room(len(data))
            write_atomic(path, data, sync=False)
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
        name = which.removeprefix(f"{self._folder}{os.sep}").removesuffix(_SUFFIX) if which else self._latest(app)
        if not _NAME.fullmatch(name):
            raise Refused(f"{which[:100]!r} is not the name of an evidence record")
        try:
            # Never through a link: what it leads to is no record.
            descriptor = os.open(self._folder / f"{name}{_SUFFIX}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
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
        return name, content

    def _latest(self, app: str) -> str:
        """Records are named ``<app>-<run>-<number>``."""
        mine = re.compile(rf"{re.escape(app)}-(\d+)-(\d+)")
        names = (path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        found = [(int(m[1]), int(m[2]), m[0]) for m in map(mine.fullmatch, names) if m]
        if not found:
            raise NotFound(f"no evidence of {app} is kept: none was captured, or it has made room for newer records")
        return max(found)[2]

    def _make_room(self, needed: int) -> None:
        records = sorted((p for p in self._folder.glob("*.json.gz")), key=lambda p: p.stat().st_mtime)
        total = sum(p.stat().st_size for p in records) + needed
        for old in records:
            if total <= self.max_bytes:
                break
            total -= old.stat().st_size
            old.unlink(missing_ok=True)
