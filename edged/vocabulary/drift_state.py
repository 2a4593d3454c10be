"""What is remembered of an app's inputs between two batches: a few numbers a feature, never a row."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import astuple


class Chart(Struct, frozen=True, gc=False):
    """One cumulative sum of one feature, looking out for one change."""

    sum: float = 0.0
    rows: int = 0
    """Since the sum last was 0."""
    limit: float = 0.0
    """The sum from which on it is an alarm; 0: not known before the first window is full."""
    inflation: float = 1.0
    """Variance of long sums over what independent rows would give: what is added is divided by it."""
    variance: float = 1.0
    """The same for single runs, …"""
    lag: float = 0.0
    """… and their correlation with the run after, both averaged over windows."""
    runs: int = 0
    """Of this window; the sum of their values, of the squares, and of the products with the one before."""
    total: float = 0.0
    squares: float = 0.0
    products: float = 0.0
    last: float = 0.0


_CHART = struct.Struct("<dq4dq4d")


def packed(charts: Iterable[Chart]) -> bytes:
    """As they are kept: there may be dozens for each feature, and as objects they take four times the memory."""
    return b"".join(_CHART.pack(*astuple(chart)) for chart in charts)


def unpacked(charts: bytes) -> tuple[Chart, ...]:
    """What was ``packed``; nothing if it was by another version of edged."""
    if len(charts) % _CHART.size:
        return ()
    return tuple(Chart(*values) for values in _CHART.iter_unpack(charts))


class FeatureState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    sums: bytes = b""
    """Its charts, ``packed``."""
    counts: tuple[int, ...] = ()
    """Of this window so far, by bin."""
    missing: int = 0
    outside: int = 0
    infinite: int = 0
    longest_run: int = 0
    hits: int = 0
    """One bit a window, the newest lowest: its distribution was another one."""
    drifted_since: float | None = None
    """Edged's clock."""
    why: str = ""
    direction: str = ""
    window: tuple[int, ...] = ()
    """Counts of the last full window."""
    p: float = 1.0
    """Of that window: how likely by chance alone."""
    excess: float = 0.0
    """Its PSI beyond what chance gives."""
    missing_ratio: float = 0.0
    problems: dict[str, float] = {}
    """What is wrong with the data itself, and since when (edged's clock)."""


class DriftState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one app, against one reference."""

    features: dict[str, FeatureState] = {}
    rows: int = 0
    """Of this window so far."""
    seconds: float = 0.0
    timed: int = 0
    """These are the seconds that so many of the rows took; of others it is not known."""
    windows: int = 0
    """Full ones so far."""
    rate: float = 0.0
    """Rows per second, averaged over windows; 0: not known yet."""
    unknown: tuple[str, ...] = ()
    """Columns that the reference does not have."""
    problems: dict[str, float] = {}
    """What is wrong with the rows as a whole, and since when."""
