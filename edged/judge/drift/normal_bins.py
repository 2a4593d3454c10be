"""Bins seen as slices of a standard normal distribution, whatever the values in them look like.

Cut at the quantiles that the reference shares give, every feature becomes the same one: heavy tails, skew and lumps of
equal values are gone before any test, and no single value can weigh more than its bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from .tails import NORMAL

FLOOR = 1e-6
"""Of a share: what is impossible by the reference is only very unlikely."""


def smoothed(shares: Sequence[float], n: int) -> tuple[float, ...]:
    """Shares of ``n`` values with half a value more in each bin (Krichevsky and Trofimov 1981), so that none is 0."""
    each = 0.5 / max(1, n)
    total = sum(shares) + each * len(shares)
    return tuple((share + each) / total for share in shares)


def cuts(shares: Sequence[float]) -> tuple[float, ...]:
    """Where the inner borders of the bins lie, in standard deviations."""
    inner = list(accumulate(shares))[:-1]
    return tuple(NORMAL.inv_cdf(min(1.0 - FLOOR, max(FLOOR, share))) for share in inner)


def moved(shares: Sequence[float], shift: float = 0.0, width: float = 1.0) -> tuple[float, ...]:
    """What the shares become when the normal distribution moves by ``shift`` and is stretched by ``width``."""
    below = [0.0, *(NORMAL.cdf((cut - shift) / width) for cut in cuts(shares)), 1.0]
    raw = [max(FLOOR, high - low) for low, high in pairwise(below)]
    return tuple(share / sum(raw) for share in raw)


def middles(shares: Sequence[float]) -> tuple[float, ...]:
    """Mean of the standard normal distribution within each bin: the place of its values, in standard deviations."""
    heights = [0.0, *(NORMAL.pdf(cut) for cut in cuts(shares)), 0.0]
    return tuple((left - right) / share for left, right, share in zip(heights, heights[1:], shares, strict=False))
