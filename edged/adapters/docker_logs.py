"""Follows the log of one container over a connection of its own, without ever waiting for it.

What is not read stays in the engine: its reader stops at a full socket, its writer goes on. So the container does not
feel how fast, or whether, somebody reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from ..ports import Refused
from ..ports.logs import LogLine, LogRead
from .docker_http import Exchange

KEPT = 4096
"""Bytes of a line, or of a piece of one, that are kept."""
_PATIENCE = 10.0
"""Seconds of nothing but old lines, after which they are not taken for repetitions any more."""
_STAMP = 64
"""More than the longest timestamp."""


class Frame(NamedTuple):
    """One message of a multiplexed stream."""

    stream: int
    """1: stdout, 2: stderr, 3: the engine itself says what is wrong."""
    head: bytes
    """Its beginning."""
    whole: bool
    """It ends with a line's end."""


class Frames:
    """Cuts a multiplexed stream into its messages: 8 bytes of header, then so much. Memory is bounded."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._buffer = b""
        self._open: tuple[int, bytes] | None = None
        self._left = 0
        """Bytes of the open message that are still to come."""

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that ``data`` completes. Raises ``Refused`` when this is no such stream."""
        frames: list[Frame] = []
        position = 0
        if self._open is not None:
            position = self._more(data, frames)
        elif self._buffer:
            data, self._buffer = self._buffer + data, b""
        size = len(data)
        while position + 8 <= size:
            stream = data[position]
            if stream > 3 or data[position + 1 : position + 4] != b"\0\0\0":
                raise Refused("what the engine sends is no log stream")
            begin = position + 8
            length = int.from_bytes(data[position + 4 : begin], "big")
            position = begin + length
            head = data[begin : min(position, begin + self._kept)]
            if position > size:
                self._open, self._left = (stream, head), position - size
                return frames
            frames.append(Frame(stream, head, length > 0 and data[position - 1] == 0x0A))
        self._buffer = data[position:]
        return frames

    def _more(self, data: bytes, frames: list[Frame]) -> int:
        """Goes on with the open message; how much of ``data`` belongs to it."""
        assert self._open is not None
        stream, head = self._open
        taken = min(self._left, len(data))
        if len(head) < self._kept:
            head += data[: min(taken, self._kept - len(head))]
        self._left -= taken
        self._open = (stream, head) if self._left else None
        if not self._left:
            frames.append(Frame(stream, head, taken > 0 and data[taken - 1] == 0x0A))
        return taken


class Onward:
    """Leaves out what the engine tells twice: engines reopen a file that was rotated, and begin it anew (20.10 does).

    The times of one stream rise. A line from before the last one was told already, unless the clock was set back: then
    the last one is in the future. Whatever its clock says, an engine that tells nothing else for long is believed.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._last: dict[int, tuple[str, bytes]] = {}
        self._since: float | None = None
        """When it began to tell only what is old."""
        self._future = ""
        """A little after that, by our clock."""

    def new(self, stream: int, line: LogLine) -> bool:
        at, text = self._last.get(stream, ("", b""))
        if line.at <= at and line.at and (line.at < at or line.text == text) and self._twice(at):
            return False
        self._since = None
        self._last[stream] = line
        return True

    def _twice(self, last: str) -> bool:
        now = self._monotonic()
        if self._since is None:
            self._since = now
            self._future = datetime.fromtimestamp(self._wall() + 1.0, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return last <= self._future and now < self._since + _PATIENCE


class Multiplexed:
    """The lines of a container without a terminal.

    The engine sends a line of more than 16 KiB in pieces that carry the same time; the first one stands for the line.
    Not every driver sends the end of such a line, so another time begins another one.
    """

    def __init__(self, onward: Onward | None = None) -> None:
        self._frames = Frames()
        self._onward = onward or Onward()
        self._cut = {1: b"", 2: b""}
        """By stream: the time of a line that goes on."""
        self.trouble = ""
        """What the engine says instead of a line."""

    def feed(self, data: bytes) -> list[LogLine]:
        lines: list[LogLine] = []
        for stream, head, whole in self._frames.feed(data):
            if stream == 3:
                self.trouble = head.decode(errors="replace").strip()
                continue
            stamp, text = stamped(head)
            before = self._cut.get(stream, b"")
            if before or not whole:
                self._cut[stream] = b"" if whole else stamp
                if before and before == stamp:
                    continue
            line = LogLine(stamp.decode("ascii"), text)
            if self._onward.new(stream, line):
                lines.append(line)
        return lines

    def rest(self) -> list[LogLine]:
        """What has no end yet, when there will be none: a line is told with its first piece."""
        return []


class Terminal:
    """The lines of a container with a terminal: its log comes as it is."""

    def __init__(self, onward: Onward | None = None) -> None:
        self._onward = onward or Onward()
        self._line = b""
        self._skipping = False
        self.trouble = ""

    def feed(self, data: bytes) -> list[LogLine]:
        *complete, last = data.split(b"\n")
        lines: list[LogLine] = []
        for piece in complete:
            line = self._line if self._skipping else self._line + piece
            self._line, self._skipping = b"", False
            lines += self._new(line)
        if not self._skipping:
            self._line = (self._line + last)[:KEPT]
            self._skipping = len(self._line) == KEPT
        return lines

    def rest(self) -> list[LogLine]:
        line, self._line, self._skipping = self._line, b"", False
        return self._new(line) if line else []

    def _new(self, line: bytes) -> list[LogLine]:
        stamp, text = stamped(line[:KEPT])
        told = LogLine(stamp.decode("ascii"), text)
        return [told] if self._onward.new(1, told) else []


def stamped(line: bytes) -> tuple[bytes, bytes]:
    """The timestamp and what follows; nothing and the line, where there is none."""
    end = line.find(b" ", 19, _STAMP)
    stamp = line[:end] if end > 0 else line.rstrip(b"\r\n")
    if not 20 <= len(stamp) < _STAMP or stamp[10:11] != b"T" or not stamp[:4].isdigit() or not stamp.isascii():
        return b"", line
    return stamp, line[end + 1 :] if end > 0 else b""


class ContainerLog:
    """``ports.LogStream`` over a connection on which the log was asked for."""

    def __init__(self, exchange: Exchange, *, terminal: bool) -> None:
        self._exchange = exchange
        self._form = Terminal() if terminal else Multiplexed()

    def read(self, most: int) -> LogRead:
        lines: list[LogLine] = []
        size = 0
        while size < most and (data := self._exchange.ready()) is not None:
            if not data:
                if self._form.trouble:
                    raise Refused(self._form.trouble)
                return LogRead(lines + self._form.rest(), size, True)
            size += len(data)
            lines += self._form.feed(data)
        return LogRead(lines, size, False)

    def close(self) -> None:
        self._exchange.__exit__(None, None, None)
