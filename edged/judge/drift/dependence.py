"""Neighbouring rows are alike, so n of them say less than n: inflation of the variance of their sums, under AR(1)."""

from __future__ import annotations

from collections.abc import Callable

HIGHEST = 0.999
"""Autocorrelation beyond which nothing can be told from the rows of a window."""


def inflation(rho: float, n: float) -> float:
    """Variance of the sum of ``n`` neighbouring rows over that of ``n`` independent ones; (1 + ρ) / (1 - ρ) for many.

    Only positive autocorrelation is allowed for: a negative one would make tests bolder than its estimate is good for.
    """
    rho = min(HIGHEST, rho)
    if rho <= 0.0 or n <= 1.0:
        return 1.0
    far = (1.0 + rho) / (1.0 - rho)
    forgotten: float = rho**n
    return max(1.0, far - 2.0 * rho * (1.0 - forgotten) / (n * (1.0 - rho) ** 2))


def neighbours(rho: float, n: int) -> float:
    """Correlation between the sums of two adjacent runs of ``n`` rows each."""
    rho = min(HIGHEST, rho)
    if rho <= 0.0:
        return 0.0
    return rho * ((1.0 - rho**n) / (1.0 - rho)) ** 2 / (n * inflation(rho, n))


def autocorrelation(variance: float, lag: float, n: int) -> float:
    """Of neighbouring rows (0..1), from the sums of runs of ``n``: their ``variance`` over that of independent rows and
    their correlation with the run after (``lag``).

    The first tells most while it is well below ``n``, which it never exceeds; the second where rows hardly change.
    """
    by_variance = _solve(lambda rho: inflation(rho, n), variance)
    weight = min(1.0, max(0.0, (variance / n - 0.5) / 0.3))
    if not weight:
        return by_variance
    return (1.0 - weight) * by_variance + weight * _solve(lambda rho: neighbours(rho, n), lag)


def _solve(function: Callable[[float], float], value: float) -> float:
    low, high = 0.0, HIGHEST
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) < value else (low, middle)
    return low


def effective(n: float, rho: float) -> float:
    """How many independent rows ``n`` neighbouring ones are worth."""
    return n / inflation(rho, n)


def modes(rho: float, n: float, count: int) -> tuple[float, ...]:
    """Inflations of a chi-square's ``count`` components over ``n`` rows.

    Of a normal AR(1) seen through any bins, the component of degree j (Hermite polynomials) has autocorrelation ρ^j.
    """
    return tuple(inflation(rho**degree, n) for degree in range(1, count + 1))
