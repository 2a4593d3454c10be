"""How far two sets of shares over the same bins are apart. All are 0 for equal ones; shares add up to 1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import atanh, log, log1p, sqrt

Shares = Sequence[float]


def shares(counts: Sequence[float], prior: float = 0.0) -> tuple[float, ...]:
    """Counts as shares, each bin first given ``prior`` more. Nothing counted: all 0."""
    total = sum(counts) + prior * len(counts)
    return tuple((count + prior) / total for count in counts) if total > 0.0 else tuple(0.0 for _ in counts)


def psi(p: Shares, q: Shares) -> float:
    """Population stability index: sum of (p - q) ln(p / q), Jeffreys' divergence. No share may be 0."""
    return sum((a - b) * log(a / b) for a, b in zip(p, q, strict=True))


def jensen_shannon(p: Shares, q: Shares) -> float:
    """The distance (root of the divergence, to base 2), 0..1. Lin (1991), IEEE Trans. Inf. Theory 37:145-151.

    With m the middle of a and b and t = (a - b) / 2m, a ln(a / m) + b ln(b / m) is m (ln(1 - t²) + 2t artanh t): no
    digits are lost where the two are nearly equal, and a root makes much of what is lost.
    """
    divergence = 0.0
    for a, b in zip(p, q, strict=True):
        if a <= 0.0 or b <= 0.0:
            divergence += max(0.0, a, b) * log(2.0)
        else:
            t = (a - b) / (a + b)
            divergence += 0.5 * (a + b) * (log1p(-t * t) + 2.0 * t * atanh(t))
    return sqrt(max(0.0, 0.5 * divergence / log(2.0)))


def kolmogorov_smirnov(p: Shares, q: Shares) -> float:
    """Largest gap between the two cumulative shares, 0..1."""
    return max(abs(a - b) for a, b in zip(accumulate(p), accumulate(q), strict=True))


def wasserstein(p: Shares, q: Shares, at: Sequence[float]) -> float:
    """Work to turn one into the other, each bin's mass sitting ``at`` its place (ascending). Unit: that of ``at``."""
    gaps = [abs(a - b) for a, b in zip(accumulate(p), accumulate(q), strict=True)]
    return sum(gap * (right - left) for gap, left, right in zip(gaps, at, at[1:], strict=False))
