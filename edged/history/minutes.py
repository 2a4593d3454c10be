"""Numbers added up by minute and by hour. Pure but for what it remembers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from ..ports.history import HOUR, MINUTE, Point
from ..vocabulary.event import Event
from ..vocabulary.facts import Fact
from ..vocabulary.state import State
from .measuring import numbers

MOST_CLOSED = 200
"""Minutes and hours that wait to be fetched; the oldest give way."""
Cells = dict[tuple[str, str], "Cell"]
LONGEST = 120.0
"""Seconds that may lie between two facts while time counts as gone by: else edged was not there."""


class Cell:
    """One series in one span of time."""

    __slots__ = ("count", "last", "max", "min", "sum")

    def __init__(self, value: float) -> None:
        self.count, self.sum = 1, value
        self.min = self.max = self.last = value

    def add(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self.last = value
        if value < self.min:
            self.min = value
        elif value > self.max:
            self.max = value

    def point(self, begin: int) -> Point:
        return Point(begin, self.count, self.min, self.sum / self.count, self.max, self.last)

    def take(self, other: Cell) -> None:
        """``other`` comes later."""
        self.count += other.count
        self.sum += other.sum
        self.min, self.max, self.last = min(self.min, other.min), max(self.max, other.max), other.last


Span = tuple[int, int, Mapping[tuple[str, str], Point]]
"""(step, begin, points by subject and metric)."""


class Minutes:
    """What is under way; whatever is complete is handed out once, by ``closed``."""

    def __init__(self) -> None:
        self._minute: tuple[int, Cells] = (0, {})
        self._hour: tuple[int, Cells] = (0, {})
        self._closed: deque[Span] = deque(maxlen=MOST_CLOSED)
        self._at: float | None = None

    def saw(self, now: float, wall: float, fact: Fact, before: State, after: State, events: tuple[Event, ...]) -> None:
        """``now``: edged's clock; ``wall``: Unix time of the same moment."""
        begin = int(wall // MINUTE) * MINUTE
        if begin != self._minute[0]:
            self._time(now, before)
            self._turn(begin)
        elif after.apps is not before.apps and any(
            (old := before.apps.get(name)) is None or old.condition != app.condition for name, app in after.apps.items()
        ):
            self._time(now, before)
        cells = self._minute[1]
        for subject, metric, value in numbers(fact, before, after, events):
            _add(cells, subject, metric, value)

    def _time(self, now: float, state: State) -> None:
        """Counts the time since the last call for the condition that each app was in."""
        since, self._at = self._at, now
        if since is None or not 0.0 < now - since <= LONGEST:
            return
        for name, app in state.apps.items():
            _add(self._minute[1], name, f"state.{app.condition}", now - since)

    def _turn(self, begin: int) -> None:
        """The wall clock may jump, also backwards: readers add up what there is of one minute."""
        old, cells = self._minute
        self._minute = begin, {}
        hour = old // HOUR * HOUR
        if cells:
            self._closed.append((MINUTE, old, _points(old, cells)))
            if hour != self._hour[0]:
                self._end_hour(hour)
            for key, cell in cells.items():
                known = self._hour[1].setdefault(key, cell)
                if known is not cell:
                    known.take(cell)
        if begin // HOUR * HOUR != hour:
            self._end_hour(begin // HOUR * HOUR)

    def _end_hour(self, begin: int) -> None:
        old, cells = self._hour
        self._hour = begin, {}
        if cells:
            self._closed.append((HOUR, old, _points(old, cells)))

    def closed(self) -> list[Span]:
        """Minutes and hours that are complete, once."""
        spans = list(self._closed)
        self._closed.clear()
        return spans

    def open(self) -> list[Span]:
        """Those that are not, as they stand."""
        spans = ((MINUTE, *self._minute), (HOUR, *self._hour))
        return [(step, begin, _points(begin, cells)) for step, begin, cells in spans if cells]

    def end(self, now: float, state: State) -> list[Span]:
        """Everything, since edged ends."""
        self._time(now, state)
        self._turn(0)
        self._end_hour(0)
        return self.closed()


def _add(cells: Cells, subject: str, metric: str, value: float) -> None:
    cell = cells.get((subject, metric))
    if cell is None:
        cells[subject, metric] = Cell(value)
    else:
        cell.add(value)


def _points(begin: int, cells: Cells) -> dict[tuple[str, str], Point]:
    return {key: cell.point(begin) for key, cell in cells.items()}
