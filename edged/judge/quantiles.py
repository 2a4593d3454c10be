"""Quantiles of histograms and bounds of shares. Pure formulas."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

Buckets = Sequence[tuple[float, float]]
"""(upper bound, cumulative count) in rising order; the last bound is infinite."""

Z95 = 1.6448536269514722
"""Of the standard normal distribution: 95 % lie below."""


def quantile(q: float, buckets: Buckets) -> float | None:
    """As Prometheus' ``histogram_quantile`` for classic histograms: linear within a bucket, whose first one begins at
    0 (or is its own bound when that is not positive); the last finite bound for what lies in the infinite bucket.

    ``None``: nothing was counted, or there is no finite bucket. Unit: that of the bounds.
    """
    if len(buckets) < 2 or buckets[-1][0] != inf or not buckets[-1][1] > 0.0:
        return None
    rank = q * buckets[-1][1]
    index = next(i for i, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    upper, count = buckets[index]
    if index == 0 and upper <= 0.0:
        return upper
    lower, below = buckets[index - 1] if index else (0.0, 0.0)
    inside = count - below
    return upper if inside <= 0.0 else lower + (upper - lower) * (rank - below) / inside


def share_above(limit: float, buckets: Buckets) -> float | None:
    """Share of the observations above ``limit``, linear within the bucket that holds it; ``None``: nothing counted."""
    total = buckets[-1][1] if buckets else 0.0
    if not total > 0.0:
        return None
    lower, below = 0.0, 0.0
    for upper, count in buckets:
        if limit < upper:
            inside = count - below
            at = below + (inside * (limit - lower) / (upper - lower) if upper < inf else inside * 0.0)
            return max(0.0, 1.0 - at / total)
        lower, below = upper, count
    return 0.0


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
