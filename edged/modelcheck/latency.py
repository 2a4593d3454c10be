"""How long does a run take, once it has settled?

After the warm-up, runs are timed one by one. Whenever their number has doubled (64, 128, 256 …), p95 over all of
them is estimated anew; it is stable when it differs from the estimate before by less than 5 % of itself. Time or
number of runs end it as well. Quantiles are nearest-rank: the smallest sample that at least that share is not above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .types import Latency

WARM_UPS = 10
FIRST_RUNS, MOST_RUNS = 64, 8192
STABLE_WITHIN = 0.05
_WARM_UP_SHARE = 0.25


def measure(run: Callable[[], object], *, rows: int, seconds: float, clock: Callable[[], float]) -> Latency:
    """Takes about ``seconds`` at most, and at least one warm-up and one run, however long they take."""
    began = clock()
    warm_ups = 0
    while warm_ups == 0 or (warm_ups < WARM_UPS and clock() - began < seconds * _WARM_UP_SHARE):
        run()
        warm_ups += 1
    samples: list[float] = []
    target, before, stable, late = FIRST_RUNS, math.inf, False, False
    while not stable and not late and target <= MOST_RUNS:
        while len(samples) < target and not late:
            start = clock()
            run()
            end = clock()
            samples.append(end - start)
            late = end - began >= seconds
        p95 = quantile(sorted(samples), 0.95)
        stable = len(samples) == target and abs(p95 - before) < STABLE_WITHIN * p95
        before, target = p95, target * 2
    ordered = sorted(samples)
    p50, p95, p99 = (quantile(ordered, share) for share in (0.5, 0.95, 0.99))
    return Latency(p50=p50, p95=p95, p99=p99, runs=len(samples), warm_ups=warm_ups, rows=rows, stable=stable)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Nearest-rank, of at least one sample."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
