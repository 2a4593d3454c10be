"""Evidence records: one compressed file each, in a folder that is bounded in bytes."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..ports import StorageError
from .atomic import sync_file, write_atomic


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
        path = self._folder / f"{name}.json.gz"
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

    def _make_room(self, needed: int) -> None:
        records = sorted((p for p in self._folder.glob("*.json.gz")), key=lambda p: p.stat().st_mtime)
        total = sum(p.stat().st_size for p in records) + needed
        for old in records:
            if total <= self.max_bytes:
                break
            total -= old.stat().st_size
            old.unlink(missing_ok=True)
