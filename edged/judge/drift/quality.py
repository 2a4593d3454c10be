"""What is wrong with the data itself, apart from drift: missing, outside of what is known, infinite, stuck."""

from __future__ import annotations

from math import ceil, log

from ...vocabulary.drift import FeatureReference
from ...vocabulary.drift_state import FeatureState
from .dependence import effective
from .tails import beyond

MISSING_MORE = 0.05
"""Share of a window's rows, beyond the reference, from which on missing values are a problem."""
OUTSIDE = 0.01
"""The same for values outside of the reference's range."""
STUCK = 30
"""Equal values in a row, at least."""
RATE = 2.0
"""Times more or fewer rows per second than so far."""


def missing(reference: FeatureReference, state: FeatureState, rows: int) -> bool:
    """Whether so many are missing in a window that an alarm of the chart goes on."""
    return rows > 0 and state.missing / rows > reference.missing + MISSING_MORE


def outside(reference: FeatureReference, state: FeatureState, rho: float, level: float) -> bool:
    """More new extremes in a window than exchangeable rows give, at ``level``."""
    n = sum(state.counts)
    if not n or state.outside / n <= OUTSIDE:
        return False
    found = effective(state.outside, rho)
    return 2.0 * beyond(found / 2.0, effective(n, rho), effective(max(1, reference.n), rho)) < level


def stuck_after(reference: FeatureReference, rho: float, level: float, window: int) -> int:
    """Equal values in a row that chance gives in less than a share ``level`` of windows; 0: it may stand still.

    Equal values lie in one bin; the next row stays in it with at most ρ + (1 - ρ) Σ q².
    """
    stay = rho + (1.0 - rho) * sum(share * share for share in reference.shares)
    if reference.kind != "numeric" or reference.scale <= 0.0 or stay >= 0.999:
        return 0
    return max(STUCK, ceil(log(level / window) / log(stay)))


def usual_rate(usual: float, rate: float, windows: int) -> float:
    """Rows per second, averaged over 16 windows. What is out of all proportion counts as what is only just strange: one
    burst, as of a backlog that is made up for, would else be usual for a hundred windows."""
    if not rate or not usual:
        return rate or usual
    return usual + (min(max(rate, usual / RATE), usual * RATE) - usual) / min(16.0, windows + 1.0)


def other_rate(rate: float, usual: float) -> str:
    """``""``: as usual."""
    if not rate or not usual:
        return ""
    return "more rows" if rate > RATE * usual else "fewer rows" if rate < usual / RATE else ""
