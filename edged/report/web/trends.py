"""Where the page's lines come from: the history's minutes, or what is in memory while that knows little."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from msgspec import Struct

from ...ports import StorageError
from ...ports.history import MINUTE, History, Series
from .numbers import count
from .recent import EVERY, Recent

SPAN = 10_800
"""Seconds that a line shows."""
ENOUGH = 20
"""Minutes from which on the history is asked, and not the memory."""
FRESH = 60.0
METRICS = ("memory", "memory.share", "cpu.share", "latency", "temperature")
log = logging.getLogger(__name__)


class Line(Struct, frozen=True):
    values: list[float]
    """Oldest first, NaN where nothing is known."""
    span: str
    """How long that is, in words."""


class Trends:
    """The history is asked once a minute at most, however many look at the page."""

    def __init__(self, recent: Recent, history: History | None, wall: Callable[[], float]) -> None:
        self._recent, self._history, self._wall = recent, history, wall
        self._lines: dict[tuple[str, str], list[float]] = {}
        self._read_at = -math.inf
        self._reading = threading.Lock()

    def line(self, subject: str, metric: str) -> Line:
        self._read()
        found = self._lines.get((subject, metric), [])
        if sum(map(math.isfinite, found)) >= ENOUGH:
            return Line(found, f"last {SPAN // 3600} hours")
        values = self._recent.line(subject, metric)
        return Line(values, f"last {count(max(1, round(len(values) * EVERY / 60)), 'minute')}")

    def _read(self) -> None:
        if (
            self._history is None
            or time.monotonic() - self._read_at < FRESH
            or not self._reading.acquire(blocking=False)
        ):
            return
        try:
            until = self._wall()
            begin = (int(until) - SPAN) // MINUTE * MINUTE
            lines = {}
            for metric in METRICS:
                for series in self._history.rollups(begin, until, metric=metric, step=MINUTE):
                    lines[series.subject, series.metric] = laid_out(series, begin)
            self._lines = lines
        except StorageError as error:
            log.debug("no lines from the history: %s", error)
        finally:
            self._read_at = time.monotonic()
            self._reading.release()


def laid_out(series: Series, begin: int) -> list[float]:
    """One value for each minute since ``begin``."""
    values = [math.nan] * (SPAN // MINUTE)
    for point in series.points:
        place = (point.begin - begin) // MINUTE
        if 0 <= place < len(values):
            values[place] = point.mean
    return values
