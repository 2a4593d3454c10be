"""The measuring of latency, on a clock that only runs move."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from edged.modelcheck.latency import FIRST_RUNS, MOST_RUNS, WARM_UPS, measure, quantile
from edged.modelcheck.types import Latency


def timed(durations: Iterator[float], seconds: float = 1e6) -> Latency:
    now = 0.0

    def run() -> None:
        nonlocal now
        now += next(durations)

    return measure(run, rows=7, seconds=seconds, clock=lambda: now)


def test_steady_runs_are_stable_after_the_first_doubling() -> None:
    found = timed(repeat(0.5))
    assert found == Latency(p50=0.5, p95=0.5, p99=0.5, runs=2 * FIRST_RUNS, warm_ups=WARM_UPS, rows=7, stable=True)


def test_warm_ups_do_not_count() -> None:
    found = timed(chain(repeat(100.0, WARM_UPS), repeat(1.0)))
    assert found.p99 == 1.0


def test_runs_that_get_slower_and_slower_are_never_stable() -> None:
    def slower() -> Iterator[float]:
        step = 1.0
        while True:
            yield step
            step *= 1.001

    found = timed(slower(), seconds=1e9)
    assert not found.stable and found.runs == MOST_RUNS


def test_a_change_half_way_takes_more_runs() -> None:
    found = timed(chain(repeat(1.0, WARM_UPS + FIRST_RUNS), repeat(2.0)))
    assert found.stable and found.p95 == 2.0
    assert found.runs == 4 * FIRST_RUNS


def test_time_ends_it_with_what_there_is() -> None:
    found = timed(repeat(30.0), seconds=5.0)
    assert found == Latency(p50=30, p95=30, p99=30, runs=1, warm_ups=1, rows=7, stable=False)


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 10), (0.95, 19), (0.99, 20), (1.0, 20)])
def test_quantiles_are_nearest_rank(share: float, wanted: float) -> None:
    assert quantile([float(n) for n in range(1, 21)], share) == wanted
    assert quantile([4.0], share) == 4.0
