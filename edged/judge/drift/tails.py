"""How rarely chance alone goes so far: the far ends of distributions, where alarms that come once a month live."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt
from statistics import NormalDist

NORMAL = NormalDist()


def weighted_chi_square(x: float, weights: Sequence[float]) -> float:
    """P(sum of weights[j] times a chi-square of one degree of freedom > x), within a fifth of itself.

    Kuonen (1999), Saddlepoint approximations for distributions of quadratic forms in normal variables, Biometrika
    86:929-935, with the tail of Lugannani and Rice (1980). A sum of equal weights is an ordinary chi-square.
    """
    weights = [weight for weight in weights if weight > 0.0]
    mean, top = sum(weights), max(weights, default=0.0)
    if not weights or x <= 0.0:
        return 1.0
    if abs(x / mean - 1.0) < 1e-4:  # the formula is 0 / 0 at the mean
        return 0.5 * (weighted_chi_square(mean * 0.9995, weights) + weighted_chi_square(mean * 1.0005, weights))
    low, high = (0.0, 0.5 / top) if x > mean else (-0.5 * len(weights) / x, 0.0)
    for _ in range(60):  # the derivative of the cumulant function rises from 0 to infinity: bisection always ends
        zeta = 0.5 * (low + high)
        slope = sum(weight / (1.0 - 2.0 * zeta * weight) for weight in weights)
        low, high = (zeta, high) if slope < x else (low, zeta)
    cumulant = -0.5 * sum(log(1.0 - 2.0 * zeta * weight) for weight in weights)
    curve = sum(2.0 * (weight / (1.0 - 2.0 * zeta * weight)) ** 2 for weight in weights)
    w = sqrt(max(1e-300, 2.0 * (zeta * x - cumulant))) * (1.0 if zeta > 0.0 else -1.0)
    v = zeta * sqrt(curve)
    return upper(w + log(v / w) / w)


def upper(z: float) -> float:
    """P(standard normal > z), also where 1 - cdf would be 0 for lack of digits."""
    if z < 6.0:
        return NORMAL.cdf(-z)
    return exp(-0.5 * z * z) / (z * 2.5066282746310002) * (1.0 - 1.0 / (z * z) + 3.0 / z**4)


def beyond(k: float, n: float, m: float) -> float:
    """P(at least ``k`` of ``n`` new values lie above all of ``m`` old ones) when all come from one distribution: the
    highest ``k`` of them all are then new ones. Sizes may be effective ones, hence not whole."""
    chance, taken = 1.0, 0.0
    while taken < k and chance > 1e-30:
        step = min(1.0, k - taken)
        chance *= (max(0.0, n - taken) / (n + m - taken)) ** step
        taken += step
    return chance
