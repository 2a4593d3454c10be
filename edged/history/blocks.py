"""Points of many series as one compressed block, and back. Pure.

Column by column in single precision; gauges to four digits, since nobody looks at the fifth, amounts as they are.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from ..ports.history import AMOUNT, METRICS, Point

Key = tuple[str, str]
_COLUMNS = 5


def kind_of(metric: str) -> str:
    """``gauge`` for one that this version does not know."""
    known = METRICS.get(metric) or METRICS.get(metric.partition(":")[0]) or METRICS.get(metric.partition(".")[0])
    return known.kind if known is not None else "gauge"


def pack(step: int, series: Mapping[Key, Iterable[Point]]) -> bytes:
    """``series``: points by subject and metric, in order."""
    first = min(point.begin for points in series.values() for point in points)
    rows: list[Any] = []
    for (subject, metric), points in sorted(series.items()):
        points = list(points)
        offsets = [(point.begin - first) // step for point in points]
        columns = [value for column in list(zip(*map(astuple, points), strict=True))[1:] for value in column]
        data = struct.pack(f"<{len(columns)}f", *map(_bounded, columns))
        rows.append([subject, metric, offsets, data if kind_of(metric) == AMOUNT else _shortened(data)])
    return zlib.compress(msgspec.msgpack.encode([first, rows]), 9)


def unpack(step: int, data: bytes, subject: str = "", metric: str = "") -> dict[Key, list[Point]]:
    """Raises ``ValueError`` when it was not ``pack`` that wrote it."""
    gathered: dict[Key, Gathered] = {}
    gather(step, data, gathered, subject, metric)
    return {key: list(points.points()) for key, points in gathered.items()}


class Gathered:
    """Points of one series, packed: a month of all series is read at once."""

    def __init__(self) -> None:
        self.begins, self.values = array("q"), array("f")

    def add(self, begins: Iterable[int], columns: Iterable[Iterable[float]]) -> None:
        self.begins.extend(begins)
        for row in zip(*columns, strict=True):
            self.values.extend(row)

    def points(self) -> Iterator[Point]:
        for index, begin in enumerate(self.begins):
            count, *rest = self.values[index * _COLUMNS : (index + 1) * _COLUMNS]
            yield Point(begin, int(count), *rest)


def gather(step: int, data: bytes, found: dict[Key, Gathered], subject: str = "", metric: str = "") -> None:
    """Adds what is in a block to ``found``. Raises ``ValueError`` when it was not ``pack`` that wrote it."""
    try:
        first, rows = msgspec.msgpack.decode(zlib.decompress(data))
        for name, what, offsets, packed in rows:
            if (subject and name != subject) or not matches(what, metric):
                continue
            n = len(offsets)
            flat = struct.unpack(f"<{n * _COLUMNS}f", packed)
            columns = [flat[n * i : n * (i + 1)] for i in range(_COLUMNS)]
            known = found.setdefault((name, what), Gathered())
            known.add([first + offset * step for offset in offsets], columns)
    except (zlib.error, msgspec.MsgspecError, struct.error, TypeError, LookupError) as error:
        raise ValueError(f"a block of the history is damaged: {error}") from error


class Compact(Struct, frozen=True):
    """One minute or hour of many series while it waits to be written: a fiftieth of the memory of its points."""

    step: int
    begin: int
    keys: tuple[Key, ...]
    data: bytes

    def points(self) -> dict[Key, Point]:
        flat = struct.iter_unpack(f"<{_COLUMNS}f", self.data)
        return {key: Point(self.begin, int(count), *rest) for key, (count, *rest) in zip(self.keys, flat, strict=True)}


def compact(step: int, begin: int, points: Mapping[Key, Point], before: tuple[Key, ...] = ()) -> Compact:
    """``before``: keys of another one; the same ones are not held twice."""
    keys = tuple(points)
    data = b"".join(struct.pack(f"<{_COLUMNS}f", *map(_bounded, astuple(point)[1:])) for point in points.values())
    return Compact(step, begin, before if keys == before else keys, data)


def matches(metric: str, wanted: str) -> bool:
    """``disk.share`` means ``disk.share:/`` too, and ``state`` all conditions."""
    return not wanted or metric == wanted or metric.startswith((wanted + ":", wanted + "."))


def merged(points: Iterable[Point]) -> tuple[Point, ...]:
    """In order of time, those of one time as one: edged may have been started anew within it."""
    found: dict[int, Point] = {}
    for point in points:
        known = found.get(point.begin)
        if known is not None:
            count = known.count + point.count
            point = Point(
                point.begin,
                count,
                min(known.min, point.min),
                (known.mean * known.count + point.mean * point.count) / count,
                max(known.max, point.max),
                point.last,
            )
        found[point.begin] = point
    return tuple(found[begin] for begin in sorted(found))


def _bounded(value: float) -> float:
    return max(-3e38, min(3e38, value)) if value == value else 0.0


def _shortened(data: bytes) -> bytes:
    """The lowest 10 of 23 bits of each number rounded away: they do not compress."""
    numbers = struct.unpack(f"<{len(data) // 4}I", data)
    return struct.pack(f"<{len(numbers)}I", *((number + 0x200) & 0xFFFFFC00 for number in numbers))
