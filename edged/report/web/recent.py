"""The last half hour of some numbers in memory, for the page's lines before the history knows more."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

from ..snapshot import Snapshot

EVERY = 10.0
KEEP = 180
APPS = 64
"""More are not kept: the page does not draw them either."""


class Recent:
    """One writer (the loop's thread), any reader. Some 0.7 KB for each line. Metrics are called as in the history."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], array[float]] = {}
        self._next = 0.0

    def take(self, shot: Snapshot) -> None:
        """Called after each turn; keeps one point every ``EVERY`` seconds."""
        if shot.now < self._next:
            return
        self._next = shot.now + EVERY
        lines = {}
        for key, value in _numbers(shot):
            line = self._lines.get(key)
            if line is None:
                line = array("f")
            if len(line) >= KEEP:
                del line[0]
            line.append(math.nan if value is None else value)
            lines[key] = line
        self._lines = lines

    def line(self, subject: str, metric: str) -> list[float]:
        """Oldest first, NaN where nothing was known."""
        found = self._lines.get((subject, metric))
        return [] if found is None else list(found)


def _numbers(shot: Snapshot) -> Iterator[tuple[tuple[str, str], float | None]]:
    host = shot.state.host.sample
    if host is not None:
        yield ("host", "memory.share"), host.memory_used_share
        yield ("host", "cpu.share"), host.cpu_busy
        yield ("host", "temperature"), host.temperature
    for _, (name, app) in zip(range(APPS), sorted(shot.state.apps.items()), strict=False):
        yield (name, "memory"), float(app.usage.memory) if app.usage is not None else None
        yield (name, "cpu.share"), app.cpu.share
        yield (name, "latency"), app.inference.latency
