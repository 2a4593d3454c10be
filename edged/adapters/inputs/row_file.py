"""Rows from a file that an app appends to, and that something else rotates.

Where reading stood is known by content, not by name: by what is at the beginning of the file and right before the
position. So it does not matter whether the file was renamed, copied and truncated, or replaced by its own copy.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from ...ports import Chunk, PortError
from .lines import MOST_LINE, TOO_LONG, cut

PRINT = 256
"""Bytes at the beginning and before the position by which a file is known again."""
CATCH_UP = 32 * 2**20
"""Bytes that may wait unread. Beyond them the oldest are left out: newer inputs matter more."""
MOST_OLD = 16
"""Rotated files that are looked at, those last written to."""
PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
SKIPPED = "rotated or written faster than it could be read"


class Position(Struct, frozen=True):
    inode: int
    offset: int
    print: str
    """Of what was read; empty: nothing yet."""
    inside: bool = False
    """Within a line that is too long."""
    changed: int = 0
    """When the file had last been written to, ns."""


class Found(Struct, frozen=True):
    """An open file."""

    descriptor: int
    inode: int
    size: int
    changed: int
    """ns"""


class FileRows:
    """Implements ``RowSource``. Opens the file anew each time and holds none open."""

    def __init__(self, path: Path, *, csv: bool, position: str, catch_up: int = CATCH_UP) -> None:
        self._path, self._csv, self._catch_up = path, csv, catch_up
        self._at = _decode(position)

    def read(self, most: int) -> Chunk:
        opened: list[Found] = []
        try:
            files = self._unread(opened)
            return self._read(files, most) if files else Chunk(position=_encode(self._at))
        except OSError as error:
            raise PortError(f"{self._path} cannot be read: {error.strerror or error}") from error
        finally:
            for one in opened:
                os.close(one.descriptor)

    def close(self) -> None:
        """Nothing is held."""

    def _unread(self, opened: list[Found]) -> list[tuple[Found, Position]]:
        """The files from where reading stands up to the present one, the oldest first, with where to begin."""
        present = _open(self._path, opened)
        at = self._at
        if at is None:
            if present is None:
                return []
            skip = max(0, present.size - self._catch_up // 2)
            return [(present, Position(present.inode, skip, "", inside=skip > 0))]
        if present is not None and present.inode == at.inode and _known(present, at):
            return [(present, at)]
        # The same file, if it is still what it was, comes before another one with the same content.
        candidates = sorted(
            [*([present] if present is not None else []), *self._old(opened)], key=lambda one: one.inode != at.inode
        )
        stood = next((one for one in candidates if _known(one, at)), None)
        if stood is not None and (present is None or stood is present):
            return [(stood, at)]
        # If it is gone, it was read to its end, or what was left of it is lost.
        since = stood.changed if stood is not None else at.changed
        later = [one for one in candidates if one not in (stood, present) and one.changed > since]
        later = [*sorted(later, key=lambda one: one.changed), *([present] if present is not None else [])]
        return [*([(stood, at)] if stood is not None else []), *((one, _begin(one)) for one in later)]

    def _old(self, opened: list[Found]) -> Iterator[Found]:
        name = self._path.name
        try:
            with os.scandir(self._path.parent) as entries:
                others = [
                    (_changed(entry), entry.name)
                    for entry in entries
                    if entry.name.startswith((f"{name}.", f"{name}-"))
                    and not entry.name.endswith(PACKED)
                    and entry.is_file()
                ]
        except FileNotFoundError:
            return
        for _, other in sorted(others, reverse=True)[:MOST_OLD]:
            try:
                found = _open(self._path.with_name(other), opened)
            except PermissionError:
                continue  # whatever it is, the file itself may well be read
            if found is not None:
                yield found

    def _read(self, files: list[tuple[Found, Position]], most: int) -> Chunk:
        refused: dict[str, int] = {}
        waiting = sum(max(0, one.size - at.offset) for one, at in files)
        while len(files) > 1 and waiting > self._catch_up:
            waiting -= files[0][0].size - files[0][1].offset
            files, refused[SKIPPED] = files[1:], refused.get(SKIPPED, 0) + 1
        one, at = files[0]
        if waiting > self._catch_up:
            at = msgspec.structs.replace(at, offset=one.size - self._catch_up // 2, inside=True)
            refused[SKIPPED] = refused.get(SKIPPED, 0) + 1
        header = _header(one) if self._csv else b""
        if self._csv and at.offset < (first := len(header) + 1):
            if not header:
                return Chunk(position=_encode(self._at))
            at = msgspec.structs.replace(at, offset=min(first, one.size))
        data = os.pread(one.descriptor, max(most, 2 * MOST_LINE), at.offset)
        # A file that is no longer written to may end without a line break.
        over = len(files) > 1 and at.offset + len(data) >= one.size and files[1][0].size > 0
        found = cut(data, inside=at.inside, last=over)
        if found.too_long:
            refused[TOO_LONG] = found.too_long
        offset = at.offset + found.used
        self._at = Position(one.inode, offset, _print(one.descriptor, offset), found.inside, one.changed)
        if over:
            self._at = Position(files[1][0].inode, 0, "", changed=one.changed)
        more = over or (found.used > 0 and offset < one.size)
        return Chunk(lines=found.lines, header=header, position=_encode(self._at), refused=refused, more=more)


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _begin(one: Found) -> Position:
    return Position(one.inode, 0, "")


def _open(path: Path, opened: list[Found]) -> Found | None:
    """``None``: there is none, or what is there is no plain file. Raises ``OSError``."""
    try:
        # Non-blocking, so that a pipe in its place does not stop us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):
            return None
        raise
    status = os.fstat(descriptor)
    found = Found(descriptor, status.st_ino, status.st_size, status.st_mtime_ns)
    opened.append(found)
    if not stat.S_ISREG(status.st_mode):
        raise PortError(f"{path} is no plain file, so no inputs are read from it")
    return found


def _known(one: Found, at: Position) -> bool:
    """Whether what was read is there as it was."""
    if at.offset == 0:
        return one.inode == at.inode
    return one.size >= at.offset and _print(one.descriptor, at.offset) == at.print


def _print(descriptor: int, offset: int) -> str:
    if not offset:
        return ""
    head = os.pread(descriptor, min(PRINT, offset), 0)
    tail = os.pread(descriptor, min(PRINT, offset), max(0, offset - PRINT))
    return hashlib.sha256(head + b"\0" + tail).hexdigest()[:16]


def _header(one: Found) -> bytes:
    """The first line; empty: it is not complete yet. Raises ``PortError`` for one that is no header."""
    data = os.pread(one.descriptor, MOST_LINE, 0)
    end = data.find(b"\n")
    if end < 0 and len(data) == MOST_LINE:
        raise PortError("the first line of the CSV file is too long to be its header")
    return data[:end] if end >= 0 else b""


def _encode(at: Position | None) -> str:
    return msgspec.json.encode(at).decode() if at is not None else ""


def _decode(position: str) -> Position | None:
    """``None``: nothing was read before, or what was kept of it cannot be used."""
    try:
        at = msgspec.json.decode(position or "null", type=Position | None)
    except msgspec.MsgspecError:
        return None
    return at if at is None or at.offset >= 0 else None
