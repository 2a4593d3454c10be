"""Byte streams of the engine, cut into what they carry. Pure; memory is bounded whatever arrives."""

from __future__ import annotations

_TRIM_EVERY = 64 * 1024


class Lines:
    """Cuts a byte stream into lines. A line longer than ``limit`` bytes is skipped and counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skipping = False
        self.skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends."""
        *complete, last = data.split(b"\n")
        lines = []
        for piece in complete:
            if not self._skipping and len(self._buffer) + len(piece) <= self._limit:
                lines.append(bytes(self._buffer) + piece)
            elif not self._skipping:
                self.skipped += 1
            self._buffer.clear()
            self._skipping = False
        if not self._skipping:
            self._buffer += last
            if len(self._buffer) > self._limit:
                self._buffer.clear()
                self._skipping = True
                self.skipped += 1
        return lines


class Demultiplexer:
    """Takes the engine's 8-byte frame headers out of a log stream that carries stdout and stderr together."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """The payload in ``data``, wherever it was cut."""
        payload = []
        while data:
            if self._left:
                payload.append(data[: self._left])
                data = data[self._left :]
                self._left -= len(payload[-1])
                continue
            missing = 8 - len(self._header)
            self._header, data = self._header + data[:missing], data[missing:]
            if len(self._header) == 8:
                self._left = int.from_bytes(self._header[4:], "big")
                self._header = b""
        return b"".join(payload)


class Tail:
    """The last ``limit`` bytes of a stream, from the beginning of a line where that is possible."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._cut = False

    def feed(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > 2 * self._limit + _TRIM_EVERY:  # not at every call: cutting copies
            self._trim()

    def _trim(self) -> None:
        if (excess := len(self._buffer) - self._limit) > 0:
            # A cut right behind a line's end leaves whole lines.
            self._cut = self._buffer[excess - 1] != 0x0A
            del self._buffer[:excess]

    def bytes(self) -> bytes:
        self._trim()
        end = self._buffer.find(b"\n") + 1 if self._cut else 0
        return bytes(self._buffer[end:] if end < len(self._buffer) else self._buffer)
