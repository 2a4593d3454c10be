"""Values to counts, held against a reference. What is carried from batch to batch is a few numbers a feature."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import Columns
from ..vocabulary.drift import RUN, FeatureCounts, FeatureReference, Reference
from ..vocabulary.drift_packed import Packed, unpack
from .reference import MOST_FEATURES
from .rows import Table, chosen_by, text_of

NEW_NAMES = 8

Values = NDArray[np.float64]
Codes = NDArray[np.intp]


class Counts:
    """One app's features, batch by batch."""

    def __init__(self, reference: Reference) -> None:
        self._features = {
            one.name: Numeric(one) if one.kind == "numeric" else Categorical(part)
            for one, part in zip(reference.features, Packed.of(reference).parts, strict=True)
        }
        self._expected = Columns(exclude=reference.without) if reference.without else Columns()

    def add(self, seen: Table) -> tuple[dict[str, FeatureCounts], tuple[str, ...]]:
        """The counts by feature, and columns with values that the reference does not have. One that has as many as
        there may be was made of some of them only, so that nobody knows which are new."""
        absent = (None,) * seen.rows
        found = {name: feature.add(seen.columns.get(name, absent)) for name, feature in self._features.items()}
        if len(self._features) >= MOST_FEATURES:
            return found, ()
        unknown = (name for name, column in seen.columns.items() if self._is_new(name) and _some(column))
        return found, tuple(islice(unknown, NEW_NAMES))

    def _is_new(self, name: str) -> bool:
        return name not in self._features and chosen_by(name, self._expected)


def _some(column: Sequence[Any]) -> bool:
    return any(value is not None for value in column)


class _Runs:
    """Bins of neighbouring rows, a run at a time. What does not fill a run waits."""

    __slots__ = ("_waiting", "_width")

    def __init__(self, bins: int) -> None:
        self._width = bins + 1
        self._waiting: list[int] = []

    def add(self, codes: Codes) -> tuple[tuple[int, ...], ...]:
        """``codes``: the bin of each row; the one after the last is for rows without a value."""
        if self._waiting:
            codes = np.concatenate((np.array(self._waiting, dtype=np.intp), codes))
        runs = len(codes) // RUN
        self._waiting = codes[runs * RUN :].tolist()
        if not runs:
            return ()
        spread = codes[: runs * RUN] + np.repeat(np.arange(runs) * self._width, RUN)
        counts = np.bincount(spread, minlength=runs * self._width).reshape(runs, self._width)
        return tuple(map(tuple, counts.tolist()))


class Categorical:
    """Labels that the training data did not have are all one bin, the last."""

    __slots__ = ("_part", "_runs")

    def __init__(self, part: bytes) -> None:
        """``part``: the feature, packed; its labels are only looked up while a batch is counted."""
        self._part = part
        self._runs = _Runs(len(unpack(part).shares))

    def add(self, column: Sequence[Any]) -> FeatureCounts:
        if bool in set(map(type, column)):  # to Python True is 1
            column = [None if value is None or value != value else text_of(value) for value in column]
        bins = {label: number for number, label in enumerate(unpack(self._part).labels)}
        others = len(bins)
        known = {
            value: others + 1 if value is None or value != value else bins.get(text_of(value), others)
            for value in set(column)
        }
        codes = np.fromiter(map(known.__getitem__, column), dtype=np.intp, count=len(column))
        counts = np.bincount(codes, minlength=others + 2).tolist()
        return FeatureCounts(counts=tuple(counts[:-1]), missing=counts[-1], runs=self._runs.add(codes))


class Numeric:
    __slots__ = ("_edges", "_high", "_low", "_run", "_runs", "_value")

    def __init__(self, reference: FeatureReference) -> None:
        self._edges = np.asarray(reference.edges, dtype=np.float64)
        self._low, self._high = reference.low, reference.high
        self._runs = _Runs(len(self._edges) + 1)
        self._value, self._run = nan, 0
        """Of the row before, and how many in a row were equal to it."""

    def add(self, column: Sequence[Any]) -> FeatureCounts:
        values = numbers(column)
        absent = np.isnan(values)
        codes = np.searchsorted(self._edges, values, side="right")
        codes[absent] = len(self._edges) + 1
        bins = np.bincount(codes, minlength=len(self._edges) + 2).tolist()
        finite = values[np.isfinite(values)]
        outside = int(np.count_nonzero((finite < self._low) | (finite > self._high)))
        return FeatureCounts(
            counts=tuple(bins[:-1]),
            missing=bins[-1],
            runs=self._runs.add(codes),
            infinite=len(values) - bins[-1] - len(finite),
            outside=outside,
            longest_run=self._longest(values),
        )

    def _longest(self, values: Values) -> int:
        if not len(values):
            return self._run
        starts = np.flatnonzero(values[1:] != values[:-1]) + 1
        bounds = np.concatenate(([0], starts, [len(values)]))
        runs = np.diff(bounds)
        if values[0] == self._value:
            runs[0] += self._run
        self._value, self._run = float(values[-1]), int(runs[-1])
        return int(runs.max()) if not np.isnan(values).all() else 0


def numbers(column: Sequence[Any]) -> Values:
    """The column as floats; what is no number is as good as missing: NaN."""
    types = set(map(type, column))
    try:
        if types <= {int, float, type(None)}:
            return np.array(column, dtype=np.float64)
        if types == {str}:
            return np.fromiter(map(float, column), dtype=np.float64, count=len(column))
    except (OverflowError, ValueError):
        pass
    return np.fromiter(map(_number, column), dtype=np.float64, count=len(column))


def _number(value: Any) -> float:
    try:
        return float(value) if value is not None else np.nan
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except ValueError:
        return np.nan
