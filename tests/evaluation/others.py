"""Detectors to hold ours against: river's, a fixed limit for PSI, and the two that need no data at all.

River's see every row of a feature by itself: its value in standard deviations (labels by their place), and as a second
stream whether it is missing. Their answer is taken at the end of a batch, like ours. Their one setting that trades
false alarms for delay is calibrated on rows without change: alarms are counted at looser settings, and the line of the
logarithm of their rate is prolonged to the rate that one stream of a device may have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import inf, log
from typing import Any

import numpy as np
from river import drift
from river.drift import kswin
from scipy import stats

from edged.judge.drift.distances import psi, shares
from edged.judge.drift.normal_bins import smoothed

from .ours import EVERY
from .streams import FEATURES, MONTH_ROWS, Device, Kind, Values, noise, shifted

WINDOW = 1000


@lru_cache(maxsize=4096)
def _p_of(distance: float, n: int) -> float:
    """Of two samples of ``n`` values without ties: it depends on nothing but the distance."""
    low = np.arange(n) + 0.5
    return float(stats.ks_2samp(low, low + round(distance * n), method="auto").pvalue)


class _QuickTest:
    """scipy's two-sample test, each p-value computed once: KSWIN makes one of them a row."""

    @staticmethod
    def ks_2samp(a: list[float], b: list[float], method: str = "auto") -> tuple[float, float]:
        first, second = np.sort(a), np.sort(b)
        both = np.concatenate((first, second))
        gaps = first.searchsorted(both, side="right") / len(a) - second.searchsorted(both, side="right") / len(b)
        distance = float(np.abs(gaps).max())
        return distance, _p_of(round(distance * len(a)) / len(a), len(a))


kswin.stats = _QuickTest

Maker = Callable[[float], Any]
RIVER: dict[str, tuple[Maker, tuple[float, ...], int]] = {
    "ADWIN": (lambda s: drift.ADWIN(delta=10.0**-s), tuple(0.25 * k for k in range(28)), 1),
    "KSWIN": (lambda s: drift.KSWIN(alpha=10.0**-s, seed=1), tuple(1.5 + 0.5 * k for k in range(8)), 8),
    "KSWIN 100 of 300": (
        lambda s: drift.KSWIN(alpha=10.0**-s, window_size=300, stat_size=100, seed=1),
        tuple(1.5 + 0.5 * k for k in range(8)), 8,
    ),
    "PageHinkley": (lambda s: drift.PageHinkley(threshold=s), tuple(20.0 * 1.2**k for k in range(28)), 1),
    "PageHinkley, tuned": (
        lambda s: drift.PageHinkley(delta=0.5, threshold=s, alpha=1.0), tuple(3.0 * 1.15**k for k in range(32)), 1,
    ),
}  # fmt: skip
"""How to make one by its strictness, stricter and stricter settings, and by how much less is affordable of it. The
tuned one knows the size of the shift in advance and forgets nothing."""
FEWEST = 12
"""Alarms that a setting must have raised for its rate to be believed."""
TIGHTENED = 8
"""Times, at most."""


def alarms(make: Maker, strictness: float, values: list[float]) -> int:
    detector = make(strictness)
    found = 0
    for value in values:
        detector.update(value)
        found += bool(detector.drift_detected)
    return found


def calibrated(name: str, rho: float, asked: float, rows: int, seed: int) -> float:
    """The strictness at which a device with that many streams has ``asked`` false alarms a month."""
    make, ladder, dear = RIVER[name]
    rng = np.random.default_rng(seed)
    rows = rows // dear
    values = np.concatenate(list(noise(rng, rows // FEATURES, rho).T)).tolist()
    seen: list[tuple[float, float]] = []
    for strictness in ladder:
        found = alarms(make, strictness, values)
        if found >= FEWEST:
            seen.append((strictness, log(found / rows)))
        elif seen:
            break
    steepest = seen[-4:]
    if len(steepest) < 2 or steepest[-1][1] >= steepest[0][1]:
        return inf
    slope, start = np.polyfit([s for s, _ in steepest], [rate for _, rate in steepest], 1)
    strictness = max(steepest[-1][0], float((log(asked / (FEATURES * MONTH_ROWS)) - start) / slope))
    for _ in range(TIGHTENED):  # the line bends: what is still too loose on other rows is made stricter
        if (
            dear > 1
            or null_rate(name, strictness, rho, min(1.0, 2.0 * rows / (FEATURES * MONTH_ROWS)), seed + 1) <= 2.0 * asked
        ):
            break
        strictness *= 1.15
    return strictness


def null_rate(name: str, strictness: float, rho: float, months: float, seed: int) -> float:
    """False alarms a month that a device really has with the calibrated setting."""
    make, _, dear = RIVER[name]
    if strictness == inf:
        return 0.0
    rows = int(months * MONTH_ROWS) // (100 if dear > 1 else 1)
    rng = np.random.default_rng(seed)
    found = sum(alarms(make, strictness, column.tolist()) for column in noise(rng, rows, rho).T)
    return found * MONTH_ROWS / rows


def stream(kind: Kind, values: Values, gaps: Values, at: int) -> list[float]:
    """What a detector of the changed feature sees."""
    if kind == "missing":
        return [float(gap) for gap in gaps[:, at]]
    if kind == "category":
        return [float(place) for place in np.searchsorted((-0.84, -0.25, 0.25, 0.84), values[:, at])]
    return [float(value) for value in values[:, at]]


def delay(seed: int, name: str, strictness: float, kind: Kind, rho: float, horizon: int = 6000) -> float | None:
    """As ``ours.delay``, for one of river's."""
    rng = np.random.default_rng(seed)
    device = Device(rng, rho)
    before = 4000 + int(rng.integers(0, 1000 // EVERY)) * EVERY
    values, gaps, at = shifted(device, kind, before, horizon)
    if strictness == inf:
        return inf
    detector = RIVER[name][0](strictness)
    for row, value in enumerate(stream(kind, values, gaps.astype(float), at)):
        detector.update(value)
        if detector.drift_detected:
            if row < before:
                return None
            return float(-(-(row + 1 - before) // EVERY) * EVERY)
    return inf


def _far(device: Device, values: Values, at: int) -> bool:
    one = device.reference.features[at]
    width = len(one.shares)
    counts = np.bincount(np.searchsorted(device.edges[at], values[:, at]), minlength=width)[:width].tolist()
    return psi(shares(counts, 0.5), smoothed(one.shares, one.n)) > 0.2


def psi_alarms(seed: int, rho: float, rows: int = MONTH_ROWS) -> int:
    """False alarms of one device in a month: features whose window goes beyond 0.2 after one that did not."""
    device = Device(np.random.default_rng(seed), rho)
    was, found = [False] * FEATURES, 0
    for _ in range(rows // WINDOW):
        values = noise(device.rng, WINDOW, rho)
        far = [_far(device, values, at) for at in range(FEATURES)]
        found += sum(now and not before for now, before in zip(far, was, strict=True))
        was = far
    return found


def psi_delay(seed: int, kind: Kind, rho: float, horizon: int = 6000) -> float | None:
    rng = np.random.default_rng(seed)
    device = Device(rng, rho)
    before = 4000 + int(rng.integers(0, 1000 // EVERY)) * EVERY
    values, _, at = shifted(device, kind, before, horizon)
    for end in range(WINDOW, len(values) + 1, WINDOW):
        if _far(device, values[end - WINDOW : end], at):
            return float(end - before) if end > before else None
    return inf


def window_end(seed: int, kind: Kind, rho: float) -> float | None:
    """What fires at the end of every window fires at the end of the one that the change is in."""
    before = 4000 + int(np.random.default_rng(seed).integers(0, WINDOW // EVERY)) * EVERY
    return float(-before % WINDOW or WINDOW)


def nothing(seed: int, kind: Kind, rho: float) -> float | None:
    return inf


SIMPLE: dict[str, Callable[[int, Kind, float], float | None]] = {
    "PSI > 0.2": psi_delay, "always": window_end, "never": nothing,
}  # fmt: skip
"""Detectors that have nothing to calibrate."""
