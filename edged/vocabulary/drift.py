"""Inputs of a model, counted: what they were when it was trained, and what they are now. No row is ever kept.

Bins of a numeric feature: below the first edge, between the edges, from the last one on; a value at an edge belongs
above it. ``edges`` are the inner quantiles of the training data, so each bin held about the same share. Bins of a
categorical one: its labels in order, then everything else. Missing values (absent, null, NaN, no number) are counted
beside the bins; infinite ones fall into the outer bins and are counted.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

FeatureKind = Literal["numeric", "categorical"]

RUN = 10
"""Neighbouring rows that are counted together, for changes that come fast."""


class FeatureReference(Struct, frozen=True, kw_only=True):
    """One feature as the training data had it."""

    name: str
    kind: FeatureKind
    edges: tuple[float, ...] = ()
    """Of a numeric one, ascending, all different."""
    labels: tuple[str, ...] = ()
    """Of a categorical one."""
    shares: tuple[float, ...]
    """Of all values that are there, by bin: one more than edges or labels. They add up to 1."""
    missing: float = 0.0
    """Share of rows without a value."""
    mean: float = 0.0
    scale: float = 0.0
    """Standard deviation; 0: constant."""
    low: float = 0.0
    high: float = 0.0
    """The smallest and the largest finite value."""
    autocorrelation: float = 0.0
    """Of neighbouring rows (lag 1)."""
    n: int = 0
    """Values that are there."""


class Reference(Struct, frozen=True, kw_only=True, dict=True):
    """``reference.json`` of a bundle, or what edged learned itself. (``dict``: ``drift_packed`` has a place in it.)"""

    format: Literal[1] = 1
    features: tuple[FeatureReference, ...]
    rows: int = 0
    learned: bool = False
    """By edged on this device, from the first rows it saw."""
    without: tuple[str, ...] | UnsetType = UNSET
    """Columns that were left out on purpose, as patterns: rows may well have them."""


class FeatureCounts(Struct, frozen=True, kw_only=True):
    """One feature within a batch of rows."""

    counts: tuple[int, ...]
    """By bin, as in ``FeatureReference.shares``."""
    missing: int = 0
    runs: tuple[tuple[int, ...], ...] = ()
    """The same rows by runs of ``RUN`` neighbouring ones, oldest first: counts by bin, then how many are missing. Rows
    of a run that is not full yet wait for the next batch."""
    infinite: int = 0
    outside: int = 0
    """Finite values below ``low`` or above ``high`` of the reference."""
    longest_run: int = 0
    """Equal values in a row, up to now: a sensor that is stuck."""


class Batch(Struct, frozen=True, kw_only=True):
    """Some rows of an app, one after the other."""

    rows: int
    seconds: float = 0.0
    """In which they came, as far as that is known."""
    features: dict[str, FeatureCounts]
    """One for each feature of the reference."""
    unknown: tuple[str, ...] = ()
    """Columns that the reference does not have, some of them."""


class DriftFeature(Struct, frozen=True, kw_only=True):
    """One feature before and after."""

    name: str
    direction: str
    why: str
    psi: float
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    before: tuple[float, ...]
    after: tuple[float, ...]
    """Shares by bin, of the reference and of the last full window."""
