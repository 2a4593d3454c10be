"""Rows made by chance, as numpy arrays, and counted the way the daemon counts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from edged.vocabulary.drift import RUN, Batch, FeatureCounts, FeatureReference, Reference

Values = NDArray[np.float64]
Kind = Literal["none", "mean", "variance", "category", "missing", "ramp"]

FEATURES, CATEGORICAL, GAPPY = 20, 3, 2
"""In all, those with labels (the last ones), and those with 2 % missing (the first ones)."""
BINS = 12
LABELS = ("a", "b", "c", "d", "e")
REFERENCE_ROWS = 20_000
SECONDS_A_ROW = 10.0
MONTH_ROWS = 259_200
"""30 days of a row every 10 s: 259 windows of 1000 rows."""
MOVED = FEATURES // 2
"""The feature that a shift moves; for a shift of labels, the last one."""


def noise(rng: np.random.Generator, rows: int, rho: float) -> Values:
    """Standard normal, each column an AR(1) of its own."""
    steps = rng.standard_normal((rows, FEATURES))
    if not rho:
        return steps
    first = rng.standard_normal((1, FEATURES))
    made, _ = lfilter([np.sqrt(1.0 - rho * rho)], [1.0, -rho], steps, axis=0, zi=rho * first)
    return np.asarray(made)


@dataclass
class Device:
    """One device: its reference, and how its rows are counted."""

    rng: np.random.Generator
    rho: float
    cuts: tuple[float, ...] = tuple(float(cut) for cut in (-0.84, -0.25, 0.25, 0.84))
    reference: Reference = field(init=False)

    def __post_init__(self) -> None:
        values = noise(self.rng, REFERENCE_ROWS, self.rho)
        gaps = self.gaps(REFERENCE_ROWS)
        self.edges: list[Values] = []
        features = []
        for at in range(FEATURES):
            there = values[:, at][~gaps[:, at]]
            labels = at >= FEATURES - CATEGORICAL
            edges = np.asarray(self.cuts) if labels else np.quantile(there, np.arange(1, BINS) / BINS)
            self.edges.append(edges)
            counts = np.bincount(np.searchsorted(edges, there), minlength=len(edges) + 1 + labels)
            centred = values[:, at] - values[:, at].mean()
            features.append(
                FeatureReference(
                    name=f"x{at}",
                    kind="categorical" if labels else "numeric",
                    edges=() if labels else tuple(edges.tolist()),
                    labels=LABELS if labels else (),
                    shares=tuple((counts / counts.sum()).tolist()),
                    missing=float(gaps[:, at].mean()),
                    mean=float(there.mean()),
                    scale=float(there.std()),
                    low=float(there.min()),
                    high=float(there.max()),
                    autocorrelation=float(centred[1:] @ centred[:-1] / (centred @ centred)),
                    n=len(there),
                )
            )
        self.reference = Reference(features=tuple(features), rows=REFERENCE_ROWS)

    def gaps(self, rows: int) -> NDArray[np.bool_]:
        gaps = np.zeros((rows, FEATURES), dtype=np.bool_)
        gaps[:, :GAPPY] = self.rng.random((rows, GAPPY)) < 0.02
        return gaps

    def batch(self, values: Values, gaps: NDArray[np.bool_]) -> Batch:
        """``values`` must be whole runs."""
        rows = len(values)
        features = {}
        which = np.repeat(np.arange(rows // RUN), RUN)
        for at, one in enumerate(self.reference.features):
            width = len(one.shares) + 1
            column = values[:, at]
            codes = np.where(gaps[:, at], width - 1, np.searchsorted(self.edges[at], column))
            runs = np.bincount(which * width + codes, minlength=rows // RUN * width).reshape(-1, width)
            counts = runs.sum(axis=0).tolist()
            numeric = one.kind == "numeric"
            outside = ((column < one.low) | (column > one.high)) & ~gaps[:, at]
            features[one.name] = FeatureCounts(
                counts=tuple(counts[:-1]),
                missing=counts[-1],
                runs=tuple(map(tuple, runs.tolist())),
                outside=int(outside.sum()) if numeric else 0,
                longest_run=1,
            )
        return Batch(rows=rows, seconds=rows * SECONDS_A_ROW, features=features)


def shifted(device: Device, kind: Kind, before: int, after: int) -> tuple[Values, NDArray[np.bool_], int]:
    """Rows whose change begins with row number ``before``, and the column that it is in."""
    values, gaps = noise(device.rng, before + after, device.rho), device.gaps(before + after)
    at = FEATURES - 1 if kind == "category" else MOVED
    column = values[before:, at]
    if kind == "mean":
        column += 1.0
    elif kind == "variance":
        column *= 2.0
    elif kind == "ramp":
        column += np.minimum(2.0, np.arange(after) / 2000.0)  # a standard deviation in 2000 rows, up to 2
    elif kind == "missing":
        gaps[before:, at] |= device.rng.random(after) < 0.2
    elif kind == "category":
        column[device.rng.random(after) < 0.2] = 0.0  # the middle label: 20 % -> 36 %
    return values, gaps, at
