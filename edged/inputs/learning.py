"""Rows to a reference: for ``edged bundle new --reference``, and for an app whose model brings none."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from ..vocabulary.drift import FeatureReference, Reference
from .counting import Values, numbers
from .reference import MOST_FEATURES
from .rows import Table, text_of

MOST_LABELS = 64
ABSENT = frozenset({"NaN", "nan", "NA", "N/A", "n/a", "<NA>", "NULL", "null", "None", "#N/A"})
"""What tables write for a missing value, much as pandas reads them: among numbers they are none."""
MANY = 16
"""Different numbers that are no labels any more, when there are only a few rows to go by."""
BINS = 10
"""Of a numeric feature: tenths."""
HUGE = 1e150
"""Values are cut to this for sums, so that no square is infinite."""
MOST_VALUES = 1_000_000
"""Numbers that are held at a time, 8 bytes each."""


class Labelled(Struct, frozen=True):
    counts: dict[str, int]
    others: int
    missing: int


class Unfinished(Struct, frozen=True):
    """What was learned so far, as it is kept while edged is away."""

    rows: int
    numbers: dict[str, bytes]
    """Doubles of this machine, one for each row."""
    labels: dict[str, Labelled]


class Learner:
    """Takes rows in until there are enough of them."""

    def __init__(self, most: int, values: int = MOST_VALUES) -> None:
        """``most``: rows that are wanted; fewer are taken when there are very many features."""
        self.most, self.rows, self._values = most, 0, values
        self._features: dict[str, _Numbers | _Labels] = {}
        self.left_out: set[str] = set()
        """Columns beyond ``MOST_FEATURES``, some of them."""

    @property
    def full(self) -> bool:
        return self.rows >= min(self.most, self._values // max(1, len(self._features)))

    @property
    def features(self) -> int:
        """That were found so far."""
        return len(self._features)

    def add(self, seen: Table, *, csv: bool) -> None:
        for name, column in seen.columns.items():
            feature = self._features.get(name)
            if feature is None:
                feature = self._new(name, column, csv)
            if feature is not None:
                feature.add(column)
        self.rows += seen.rows
        for name in self._features.keys() - seen.columns.keys():
            self._features[name].add((None,) * seen.rows)

    def unfinished(self) -> bytes:
        return msgspec.msgpack.encode(
            Unfinished(
                self.rows,
                {name: one.values.tobytes() for name, one in self._features.items() if isinstance(one, _Numbers)},
                {name: one.counted() for name, one in self._features.items() if isinstance(one, _Labels)},
            )
        )

    def go_on(self, unfinished: bytes) -> None:
        """From where another one stood. Raises ``ValueError`` for what is not whole; then it learned nothing."""
        try:
            kept = msgspec.msgpack.decode(unfinished, type=Unfinished)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None
        sound = len(kept.numbers) + len(kept.labels) <= MOST_FEATURES and kept.rows >= 0
        if not sound or any(len(values) != 8 * kept.rows for values in kept.numbers.values()):
            raise ValueError("its parts do not go together")
        self.rows = kept.rows
        self._features = {name: _Numbers(values) for name, values in kept.numbers.items()}
        self._features |= {name: _Labels(labels) for name, labels in kept.labels.items()}

    def _new(self, name: str, column: Sequence[Any], csv: bool) -> _Numbers | _Labels | None:
        if len(self._features) >= MOST_FEATURES:
            if len(self.left_out) < MOST_FEATURES:
                self.left_out.add(name)
            return None
        there = [value for value in column if value is not None]
        if not there:
            return None  # nobody knows yet what it is; its rows so far will count as missing
        feature = _Numbers() if _numeric(there, csv) else _Labels()
        feature.add((None,) * self.rows)
        self._features[name] = feature
        return feature

    def reference(self, *, learned: bool) -> Reference:
        """Of all rows so far. Features that nothing can be said of are not in it."""
        made = [feature.described(name) for name, feature in sorted(self._features.items())]
        return Reference(features=tuple(one for one in made if one is not None), rows=self.rows, learned=learned)


def _numeric(there: Sequence[Any], csv: bool) -> bool:
    """Numbers, but for some that are missing; or more different ones than labels could tell: a sensor may answer
    ``ERR`` now and then, or have its numbers quoted."""
    known = [value for value in there if value not in ABSENT]
    found = numbers(known)
    found = found[~np.isnan(found)]
    if csv:
        typed = len(found) == len(known)
        alone = typed and all(value.lower() == "nan" for value in there if value in ABSENT)
    else:
        typed = all(type(value) in (int, float) for value in known)
        alone = typed and len(known) == len(there)
    many = max(MANY, min(MOST_LABELS, len(there) // 2))
    return alone or (2 * len(found) > len(there) and (typed or len(set(found.tolist())) > many))


class _Numbers:
    def __init__(self, values: bytes = b"") -> None:
        self.values = array("d", values)

    def add(self, column: Sequence[Any]) -> None:
        self.values.frombytes(numbers(column).tobytes())

    def described(self, name: str) -> FeatureReference | None:
        values = np.frombuffer(self.values, dtype=np.float64)
        there = values[~np.isnan(values)]
        finite = np.clip(there[np.isfinite(there)], -HUGE, HUGE)
        if not len(finite):
            return None
        edges = _edges(finite)
        bins = np.bincount(np.searchsorted(edges, there, side="right"), minlength=len(edges) + 1)
        mean, scale = float(finite.mean()), float(finite.std())
        return FeatureReference(
            name=name,
            kind="numeric",
            edges=tuple(edges.tolist()),
            shares=tuple((bins / len(there)).tolist()),
            missing=1.0 - len(there) / len(values),
            mean=mean,
            scale=scale if scale > 1e-12 * abs(mean) else 0.0,
            low=float(finite.min()),
            high=float(finite.max()),
            autocorrelation=_autocorrelation(np.clip(values, -HUGE, HUGE), mean),
            n=len(there),
        )


def _edges(finite: Values) -> Values:
    """Quantiles that are values themselves, each once, and none below which there is nothing.

    By hand: numpy's own functions for it import a part of numpy that takes megabytes.
    """
    ordered = np.sort(finite)
    least = ordered[0]
    if least == ordered[-1]:  # a constant: less, that, more
        return np.array([least, np.nextafter(least, np.inf)])
    at = [-(-number * len(ordered) // BINS) - 1 for number in range(1, BINS)]
    edges = sorted({float(edge) for edge in ordered[at] if edge > least})
    return np.array(edges or [ordered[np.searchsorted(ordered, least, side="right")]])


def _autocorrelation(values: Values, mean: float) -> float:
    """Lag 1, over neighbours that are both there."""
    away = values - mean
    pairs = away[1:] * away[:-1]
    known = pairs[~np.isnan(pairs)]
    there = away[~np.isnan(away)]
    spread = float(np.square(there).mean()) if len(there) else 0.0
    if not len(known) or spread == 0.0 or not np.isfinite(spread):
        return 0.0
    return float(np.clip(known.mean() / spread, -1.0, 1.0))


class _Labels:
    def __init__(self, known: Labelled | None = None) -> None:
        self._counts: Counter[str] = Counter(known.counts if known is not None else {})
        self._others, self._missing = (known.others, known.missing) if known is not None else (0, 0)

    def counted(self) -> Labelled:
        return Labelled(dict(self._counts), self._others, self._missing)

    def add(self, column: Sequence[Any]) -> None:
        for value in column:
            if value is None or value != value:
                self._missing += 1
                continue
            label = text_of(value)
            # Twice as many as are kept: a rare one that came first must not take the place of a frequent one.
            if label in self._counts or len(self._counts) < 2 * MOST_LABELS:
                self._counts[label] += 1
            else:
                self._others += 1

    def described(self, name: str) -> FeatureReference | None:
        there = self._counts.total() + self._others
        if not there:
            return None
        kept = sorted(self._counts.most_common(MOST_LABELS))
        shares = [number / there for _, number in kept]
        return FeatureReference(
            name=name,
            kind="categorical",
            labels=tuple(label for label, _ in kept),
            shares=(*shares, max(0.0, 1.0 - sum(shares))),
            missing=self._missing / (there + self._missing),
            n=there,
        )
