"""Quantiles of histograms and bounds of shares. Pure formulas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import copysign, inf, isclose, sqrt

Buckets = Sequence[tuple[float, float]]
"""(upper bound, cumulative count) in rising order; the last bound is infinite."""

Z95 = 1.6448536269514722
"""Of the standard normal distribution: 95 % lie below."""


def tidy(buckets: Iterable[tuple[float, float]]) -> Buckets:
    """In order, equal edges added up, and forced to rise, as Prometheus does before it looks for a quantile: buckets of
    one scrape may have been counted at slightly different moments."""
    buckets = list(buckets)
    if all(lower[0] < upper[0] and lower[1] <= upper[1] for lower, upper in pairwise(buckets)):
        return buckets
    summed: dict[float, float] = {}
    for bound, count in buckets:
        summed[bound] = summed.get(bound, 0.0) + count
    rising: list[tuple[float, float]] = []
    for bound, count in sorted(summed.items()):
        rising.append((bound, max(count, rising[-1][1]) if rising else count))
    return rising


def quantile(q: float, buckets: Buckets) -> float | None:
    """As PromQL's ``histogram_quantile`` for classic histograms: linear within a bucket, whose first one begins at 0
    (or is its own bound when that is not positive); the last finite bound for what lies in the infinite bucket. A ``q``
    below 0 or above 1 is infinitely small or large.

    ``None``, where PromQL says NaN: nothing was counted, there is no infinite bucket or no finite one. Unit: that of
    the bounds.
    """
    if not 0.0 <= q <= 1.0:
        return copysign(inf, q) if q == q else None
    buckets = tidy(buckets)
    if len(buckets) < 2 or buckets[-1][0] != inf or not buckets[-1][1] > 0.0:
        return None
    rank = q * buckets[-1][1]
    index = next((i for i, (_, count) in enumerate(buckets[:-1]) if count >= rank), len(buckets) - 1)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    upper, count = buckets[index]
    if index == 0 and upper <= 0.0:
        return upper
    lower, below = buckets[index - 1] if index else (0.0, 0.0)
    inside = count - below
    return lower + (upper - lower) * ((rank - below) / inside) if inside > 0.0 else None


def share_above(limit: float, buckets: Buckets) -> float | None:
    """Share of the observations above ``limit``, linear within the bucket that holds it; ``None``: nothing counted."""
    buckets = tidy(buckets)
    total = buckets[-1][1] if buckets else 0.0
    if not total > 0.0:
        return None
    lower, below = 0.0, 0.0
    for upper, count in buckets:
        if limit < upper:
            inside = count - below
            at = below + (inside * max(0.0, limit - lower) / (upper - lower) if lower < upper < inf else inside * 0.0)
            return min(1.0, max(0.0, 1.0 - at / total))
        lower, below = upper, count
    return 0.0


def around(limit: float, buckets: Buckets) -> tuple[float, float] | None:
    """The edges between which ``limit`` lies; ``None``: it is an edge itself, so shares above it are exact."""
    lower = 0.0
    for upper, _ in buckets:
        if isclose(upper, limit, rel_tol=1e-9):
            return None
        if limit < upper:
            return lower, upper
        lower = upper
    return None


def at_least(hits: float, n: float, z: float = Z95) -> float:
    """Lower end of Wilson's score interval (1927) for a share of which ``hits`` of ``n`` were seen, one-sided at ``z``.

    Conservative for few samples: 1 of 1 is at least 27 %, 0 of anything is at least 0.
    """
    if n <= 0.0 or hits <= 0.0:
        return 0.0
    p = min(1.0, hits / n)
    middle = p + z * z / (2.0 * n)
    spread = z * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n))
    return max(0.0, (middle - spread) / (1.0 + z * z / n))
