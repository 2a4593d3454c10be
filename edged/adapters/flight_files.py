"""The files of the flight recorder: segments in the state folder, and what is newest in the runtime folder."""

from __future__ import annotations

import logging
import os
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from ..flight.segment import HEAD, MAGIC, PACKED, RAW, TAIL, Damaged, encode, frame, frames, row

log = logging.getLogger(__name__)

FOLDER = "flight"
NEWEST = "flight.newest"
SUFFIX = ".flight"


class File(Struct, frozen=True):
    """One segment."""

    number: int
    began: float
    """edged's clock, whole seconds."""
    path: Path
    size: int


class Newest(Struct, frozen=True):
    """What a runtime folder has of the segment ``name`` beyond its first ``size`` bytes."""

    name: str
    size: int
    data: bytes
    """Frames that belong there."""


class FlightFiles:
    """Raises ``OSError``."""

    def __init__(self, folder: Path, runtime: Path | None) -> None:
        self._folder = folder
        self._note = runtime / NEWEST if runtime is not None else None
        self._path: Path | None = None
        self._noted = False
        self.size = 0
        """Bytes of the segment under way."""

    def recover(self) -> None:
        """What a run before could only leave in the runtime folder goes to its segment."""
        if self._note is None:
            return
        newest = read_newest(self._note)
        if newest is not None:
            path = self._folder / newest.name
            if _size(path) == newest.size:  # else it was written, and edged ended before it could say so
                self._folder.mkdir(mode=0o700, exist_ok=True)
                _append(path, newest.data if newest.size else MAGIC + newest.data)
        self._note.unlink(missing_ok=True)

    def next(self, now: float) -> int:
        """Begins a segment; its number."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        files = segments(self._folder)
        number = files[-1].number + 1 if files else 1
        self._path, self.size, self._noted = self._folder / f"{number:08d}-{int(now)}{SUFFIX}", 0, False
        # Empty, so that its number is taken: a note speaks of it before it has any content.
        self._path.touch(mode=0o600)
        return number

    def note(self, head: bytes, items: bytes) -> None:
        """What is new, where a crash of edged does not reach it. ``head``: the segment's, as long as it has none."""
        if self._note is None or self._path is None:
            return
        mark = b"" if self._noted else MAGIC + frame(TAIL, encode([self._path.name, self.size])) + head
        _append(self._note, mark + items, anew=not self._noted)
        self._noted = True

    def append(self, data: bytes) -> None:
        """To the segment; what was noted is in it now."""
        assert self._path is not None
        self.size += _append(self._path, data if self.size else MAGIC + data)
        if self._note is not None:
            self._note.unlink(missing_ok=True)
        self._noted = False

    def trim(self, since: float, max_size: int) -> None:
        """Removes what ended before ``since`` on edged's clock, and the oldest beyond ``max_size`` bytes."""
        files = segments(self._folder)
        total = sum(file.size for file in files)
        for file, following in pairwise(files):
            if following.began >= since and total <= max_size:
                return
            file.path.unlink(missing_ok=True)
            total -= file.size


def segments(folder: Path) -> list[File]:
    """Oldest first."""
    found: list[File] = []
    for path in folder.glob(f"*{SUFFIX}"):
        number, _, began = path.stem.partition("-")
        if number.isdecimal() and began.isdecimal():
            found.append(File(int(number), float(began), path, _size(path)))
    return sorted(found, key=lambda file: file.number)


def contents(folder: Path, runtime: Path | None) -> list[tuple[str, bytes]]:
    """(name, content) of every segment, oldest first, with what the running edged has not written there yet."""
    newest = read_newest(runtime / NEWEST) if runtime is not None else None
    rows = []
    for file in segments(folder):
        data = file.path.read_bytes()
        if newest is not None and newest.name == file.path.name and len(data) == newest.size:
            data += newest.data if data else MAGIC + newest.data
        if data:
            rows.append((file.path.name, data))
    return rows


def read_newest(path: Path) -> Newest | None:
    """``None``: there is none, or nothing in it can be read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if not data.startswith(MAGIC):
        return None
    name, size, kept = "", -1, b""
    items = bytearray()
    count = 0
    try:
        for kind, content in frames(data[len(MAGIC) :]):
            if kind == TAIL:
                name, size = content
            elif kind == HEAD:
                kept = frame(HEAD, encode(content))
            elif kind == RAW:
                count += len(content)
                items += b"".join(map(encode, content))
    except Damaged as damage:
        log.warning("the end of %s is left out: %s", path, damage)
    if size < 0 or not count or "/" in str(name):
        return None
    return Newest(str(name), int(size), kept + frame(PACKED, row(count, bytes(items))))


def _append(path: Path, data: bytes, *, anew: bool = False) -> int:
    mode = os.O_TRUNC if anew else os.O_APPEND
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        return file.write(data)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
