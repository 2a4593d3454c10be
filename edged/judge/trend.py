"""Does a value grow steadily? Sen's slope and Kendall's tau over at most ``POINTS`` samples.

Sen, P. K. (1968), Estimates of the regression coefficient based on Kendall's tau, JASA 63:1379-1389;
Kendall, M. (1938), A new measure of rank correlation, Biometrika 30:81-93. Both ignore outliers such as one
large allocation, which least squares does not.
"""

from __future__ import annotations

from statistics import median

from msgspec import Struct

from ..vocabulary.state import Trend

POINTS = 30


class Growth(Struct, frozen=True):
    slope: float
    """Units per second."""
    tau: float
    """-1..1: how monotonic; 1 means every later sample is larger."""
    rise: float
    """Slope times the time that was looked at."""


def add(trend: Trend, at: float, value: float, window: float) -> Trend:
    """Adds a sample if ``window / POINTS`` seconds have gone by since the last one; else returns ``trend`` itself."""
    points = trend.points
    if points and at - points[-1][0] < window / POINTS:
        return trend
    return Trend((*points[-(POINTS - 1) :], (at, value)))


def growth(trend: Trend, window: float) -> Growth | None:
    """``None`` until at least 80 % of ``window`` has been seen with enough samples."""
    points = trend.points
    if len(points) < POINTS // 2 or points[-1][0] - points[0][0] < 0.8 * window:
        return None
    slopes: list[float] = []
    sign = 0
    for i, (t0, v0) in enumerate(points):
        for t1, v1 in points[i + 1 :]:
            slopes.append((v1 - v0) / (t1 - t0))
            sign += (v1 > v0) - (v1 < v0)
    slope = median(slopes)
    return Growth(slope, sign / len(slopes), slope * (points[-1][0] - points[0][0]))
