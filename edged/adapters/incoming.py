"""Bundles that are handed over through the socket: the daemon has a /tmp of its own, and no way into /root.

They lie in ``<state>/incoming/`` until the deployment that they are for has staged them.
"""

from __future__ import annotations

import os
import stat
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..ports import Refused, StorageError
from .atomic import sync_folder

FOLDER = "incoming"
MOST_BYTES = 4 * 2**30
MOST_FILES = 8
ROOM = 64 * 2**20
"""Bytes that stay free in any case."""
OLD = 86400.0
"""Seconds after which what nobody fetched goes."""
_PART = 2**20


class Incoming:
    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def sees(self, path: str) -> dict[str, int]:
        """Device and inode of what the daemon finds and may read there; empty: nothing."""
        try:
            found, bundle = Path(path).stat(), Path(path)
            manifest = bundle / "manifest.json" if stat.S_ISDIR(found.st_mode) else bundle
            os.close(os.open(manifest, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except (OSError, ValueError):
            return {}
        return {"device": found.st_dev, "inode": found.st_ino}

    def take(self, stream: BinaryIO, length: int) -> str:
        """Writes ``length`` bytes down and returns where. Raises ``Refused`` and ``StorageError``."""
        if not 0 < length <= MOST_BYTES:
            raise Refused(f"a bundle of {length} bytes is not taken through the socket; the most is {MOST_BYTES}")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._check(length)
            return str(self._write(stream, length))
        except TimeoutError as error:
            raise Refused("whoever sends the bundle has stopped in the middle of it") from error
        except OSError as error:
            raise StorageError(f"the bundle cannot be kept in {self._folder}: {error.strerror or error}") from error

    def drop(self, path: str) -> bool:
        """Removes what was taken. Whether there was anything to remove."""
        file = Path(path)
        if file.parent != self._folder or not file.name.endswith(".tar"):
            return False
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"{file} cannot be removed: {error.strerror or error}") from error
        return True

    def _check(self, length: int) -> None:
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < time.time() - OLD:
                    file.unlink()
        if len(list(self._folder.iterdir())) >= MOST_FILES:
            raise Refused(f"{MOST_FILES} bundles wait in {self._folder} already; wait until they are deployed")
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < length + ROOM:
            raise StorageError(f"there is no room for {length} bytes in {self._folder}; make room, then again")

    def _write(self, stream: BinaryIO, length: int) -> Path:
        temporary = self._folder / f"{uuid.uuid4()}.part"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                while length and (part := stream.read(min(_PART, length))):
                    file.write(part)
                    length -= len(part)
                if length:
                    raise Refused(f"the bundle ended {length} bytes too early")
                os.fsync(file.fileno())
            final = temporary.with_suffix(".tar")
            temporary.rename(final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(self._folder)
        return final
