"""Where a number is going. Pure.

Sen's slope over hourly means (Sen 1968, JASA 63:1379-1389): one full disk that was emptied does not bend it. A trend
counts when Kendall's tau is significant (normal approximation of its null, Kendall 1938) and a straight line fits what
is left to the limit within a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from statistics import median

from msgspec import Struct

LEAST = 24
"""Points below which nothing is said."""
SPAN = 20 * 3600.0
"""Seconds that they have to cover: what grows through a morning is no trend."""
MOST = 168
"""Points that are compared; more are thinned out."""
SIGNIFICANT = 3.29
"""Standard deviations: once in 1000 by chance, for each of a few dozen series a week."""
LONGEST = 365 * 86400.0
TAU = 0.5
"""Daily cycles make small trends significant: only what mostly goes one way counts."""


class Forecast(Struct, frozen=True):
    per_day: float
    """Units a day."""
    seconds: float | None
    """From the last point until the limit is reached; ``None``: it is not going there within a year."""


def forecast(points: Sequence[tuple[float, float]], limit: float) -> Forecast | None:
    """``points``: (Unix time, value), rising in time. ``None``: too few or too short a time of them, or no trend."""
    if len(points) < LEAST or points[-1][0] - points[0][0] < SPAN:
        return None
    step = -(-len(points) // MOST)
    thin = points[::-1][::step][::-1]
    slopes: list[float] = []
    sign = 0
    for (t0, v0), (t1, v1) in combinations(thin, 2):
        slopes.append((v1 - v0) / (t1 - t0))
        sign += (v1 > v0) - (v1 < v0)
    n = len(thin)
    deviation = sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    if abs(sign) < SIGNIFICANT * deviation or abs(sign) < TAU * len(slopes):
        return None
    slope = median(slopes)
    level = median(value for _, value in thin[-LEAST // 4 :])
    left = (limit - level) / slope if slope > 0.0 else None
    seconds = max(0.0, left) if left is not None and left <= LONGEST else None
    return Forecast(slope * 86400.0, seconds)
