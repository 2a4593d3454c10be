"""Forecasts: a trend is seen, noise and daily cycles are not."""

from __future__ import annotations

import math
import random

import pytest

from edged.review.fit import LEAST, forecast

HOUR = 3600.0


def line(n: int, begin: float, per_day: float, noise: float = 0.0, seed: int = 1) -> list[tuple[float, float]]:
    chance = random.Random(seed)
    return [(h * HOUR, begin + per_day * h / 24.0 + chance.gauss(0.0, noise)) for h in range(n)]


def test_a_disk_that_fills_up_is_seen_coming() -> None:
    found = forecast(line(168, 0.50, 0.02, noise=0.004), 0.9)
    assert found is not None and found.seconds is not None
    assert found.per_day == pytest.approx(0.02, rel=0.1)
    # It stands at 0.64 after seven days: 13 days are left.
    assert found.seconds / 86400.0 == pytest.approx(13.0, abs=1.5)


def test_what_falls_never_gets_there() -> None:
    found = forecast(line(168, 0.8, -0.02), 0.9)
    assert found is not None and found.seconds is None and found.per_day < 0.0


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_trend(seed: int) -> None:
    assert forecast(line(168, 0.5, 0.0, noise=0.05, seed=seed), 0.9) is None


def test_a_daily_cycle_is_no_trend() -> None:
    cycle = [(h * HOUR, 0.5 + 0.2 * math.sin(2 * math.pi * h / 24.0)) for h in range(100)]
    assert forecast(cycle, 0.9) is None


def test_too_little_says_nothing() -> None:
    assert forecast(line(LEAST - 1, 0.1, 1.0), 0.9) is None


def test_one_emptied_disk_does_not_bend_it() -> None:
    rising = line(168, 0.3, 0.03)
    dip = [(t, v - 0.2 if 50 <= i < 60 else v) for i, (t, v) in enumerate(rising)]
    found = forecast(dip, 0.9)
    assert found is not None and found.per_day == pytest.approx(0.03, rel=0.1)


def test_months_are_thinned_out() -> None:
    found = forecast(line(35 * 24, 0.1, 0.01), 0.9)
    assert found is not None and found.per_day == pytest.approx(0.01, rel=0.05)
