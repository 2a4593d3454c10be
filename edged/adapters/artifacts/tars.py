"""Tars as a stream, both ways: never more than a block of them in memory."""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from ...ports import StorageError, Unreachable

BLOCK = 256 * 1024


class Reader:
    """What ``tarfile`` reads a stream from."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._rest = b""
        self._tail = b""

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0:
            if not self._rest:
                self._rest = next(self._stream, b"")
                self._tail = (self._tail + self._rest)[-1024:]
                if not self._rest:
                    break
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def finish(self) -> None:
        """Raises ``Unreachable`` when the tar has no end: what was got is only a part of it."""
        while self.read(BLOCK):
            pass
        if self._tail != bytes(1024):
            raise Unreachable("the engine broke off while it sent files of the container")


class Entry(Struct, frozen=True):
    """One thing to be made in a container. A ``link`` is a hard link to another name in the same folder."""

    name: str
    """Below the folder that the tar is unpacked in."""
    mode: int
    uid: int
    gid: int
    content: Path | None = None
    link: str = ""
    folder: bool = False


def write(entries: list[Entry]) -> Iterator[bytes]:
    """The tar. Raises ``StorageError`` when a file cannot be read."""
    for entry in entries:
        info = tarfile.TarInfo(entry.name)
        info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, int(time.time())
        if entry.folder:
            info.type = tarfile.DIRTYPE
        elif entry.content is None:
            info.type, info.linkname = tarfile.LNKTYPE, entry.link
        if entry.content is None:
            yield info.tobuf(tarfile.PAX_FORMAT)
        else:
            yield from _file(info, entry.content)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(info: tarfile.TarInfo, path: Path) -> Iterator[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            info.size = os.fstat(descriptor).st_size
            yield info.tobuf(tarfile.PAX_FORMAT)
            left = info.size
            while left and (part := os.read(descriptor, min(BLOCK, left))):
                left -= len(part)
                yield part
            if left:
                raise StorageError(f"{path} became shorter while it was read")
            yield bytes(-info.size % tarfile.BLOCKSIZE)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
