"""The demo on paper: plain lines with seconds in front, coloured only when a person looks."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from typing import TextIO

COLOURS = {
    "injected": "1;31",
    "saw": "33",
    "refused": "33",
    "acted": "36",
    "verified": "32",
    "checked": "32",
    "FAILED": "1;31",
    "heading": "1",
}
KIND_WIDTH = max(map(len, COLOURS)) + 2


def coloured(out: TextIO) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(out: TextIO) -> int:
    """A terminal's own; wide where nobody knows it, since a log can be read with any."""
    return max(80, shutil.get_terminal_size().columns) if out.isatty() else 160


def clip(text: str, width: int) -> str:
    """One line of at most ``width`` characters, with nothing in it that steers a terminal."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """A table as lines; the last column runs on."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return [
        indent + "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip() for row in rows
    ]


class Timeline:
    """Prints as things happen."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._out, self._clock = out, clock
        self._began = clock()
        self._colours = coloured(out)
        self.width = width_of(out)

    def elapsed(self, wall: float | None = None) -> float:
        """Seconds since the demo began."""
        return (self._clock() if wall is None else wall) - self._began

    def blank(self, *lines: str) -> None:
        """Lines without a time."""
        for line in lines or ("",):
            print(line, file=self._out, flush=True)

    def heading(self, text: str) -> None:
        self.blank("", self._paint(text, "heading"))

    def line(self, kind: str, text: str, wall: float | None = None) -> None:
        """``12.34  saw       text``"""
        head = f"{self.elapsed(wall):7.2f}  "
        room = self.width - len(head) - KIND_WIDTH
        self.blank(head + self._paint(kind.ljust(KIND_WIDTH), kind) + clip(text, room))

    def _paint(self, text: str, kind: str) -> str:
        colour = COLOURS.get(kind, "") if self._colours else ""
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text
