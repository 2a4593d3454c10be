"""Room set aside on the disk, for what must be remembered when nothing more fits on it.

A full disk takes no commit, but a file that has its blocks already can be written over. So while the database takes
nothing, the state (not the events) goes here: a restart, or a SIGKILL, then neither forgets what a person wanted nor
charges a budget twice. Two slots are written by turns, so that a power cut spoils one at most.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path

import msgspec

from ..atomic import sync_folder

SLOT = 128 * 1024
"""Bytes of a slot: the compressed state of some thousand apps."""
_HEAD = struct.Struct(">4sIIQ")
"""Mark, length and checksum of the content, number of the writing."""
_MARK = b"ELB1"
log = logging.getLogger(__name__)


class Stowed(msgspec.Struct, frozen=True):
    """What the database has not got, on top of what it has."""

    boot: int = 0
    through: int = 0
    """Events up to this number have happened; those that the database does not have were in memory only."""
    state: dict[str, bytes] = {}
    retained: dict[str, bytes] = {}
    intents: list[tuple[str, float, bytes]] = []
    outcomes: list[tuple[str, bytes]] = []

    def then(self, later: Stowed) -> Stowed:
        """Both, where the later one overrides."""
        return Stowed(
            boot=max(self.boot, later.boot),
            through=max(self.through, later.through),
            state=self.state | later.state,
            retained=self.retained | later.retained,
            intents=[*self.intents, *later.intents],
            outcomes=[*self.outcomes, *later.outcomes],
        )


class Lifeboat:
    """Not thread-safe: the store's lock guards it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self.empty = True

    def read(self) -> Stowed | None:
        """What the last run had to leave here, if anything."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.error("%s cannot be read: %s", self._path, error)
            return None
        found = [slot for slot in (_slot(data[:SLOT]), _slot(data[SLOT:])) if slot is not None]
        if not found:
            return None
        self._number, content = max(found)
        self.empty = not content
        try:
            return msgspec.msgpack.decode(zlib.decompress(content), type=Stowed) if content else None
        except (zlib.error, msgspec.DecodeError) as error:
            log.error("%s is damaged: %s", self._path, error)
            return None

    def prepare(self) -> None:
        """Takes the room, while there is some. Raises ``OSError``."""
        if self._path.exists() and self._path.stat().st_size == 2 * SLOT:
            return
        draft = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(2 * SLOT))  # written, not just allocated: only then a full file system owes us nothing
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._path)
        sync_folder(self._path.parent)

    def write(self, stowed: Stowed) -> None:
        """Raises ``OSError``, also when it does not fit."""
        content = zlib.compress(msgspec.msgpack.encode(stowed), 1)
        if len(content) > SLOT - _HEAD.size:
            raise OSError(f"{len(content)} bytes do not fit into {self._path}")
        self._put(content)
        self.empty = False

    def clear(self) -> None:
        """The database has it all now. Raises ``OSError``."""
        if not self.empty:
            self._put(b"")
            self.empty = True

    def _put(self, content: bytes) -> None:
        number = self._number + 1
        head = _HEAD.pack(_MARK, len(content), zlib.crc32(content), number)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            written = os.pwrite(descriptor, head + content, number % 2 * SLOT)
            if written < len(head) + len(content):
                raise OSError(f"{self._path}: only {written} bytes were written")
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._number = number


def _slot(data: bytes) -> tuple[int, bytes] | None:
    """(number, content) of a slot that is whole."""
    if len(data) < _HEAD.size:
        return None
    mark, length, checksum, number = _HEAD.unpack_from(data)
    content = data[_HEAD.size : _HEAD.size + length]
    if mark != _MARK or len(content) != length or zlib.crc32(content) != checksum:
        return None
    return number, content
