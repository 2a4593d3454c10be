"""Steady growth is told from noise."""

import random

import pytest

from edged.judge.trend import POINTS, add, growth
from edged.vocabulary.state import Trend

WINDOW = 3600.0


def trend(values: list[float], every: float = WINDOW / POINTS) -> Trend:
    made = Trend()
    for n, value in enumerate(values):
        made = add(made, n * every, value, WINDOW)
    return made


def test_samples_are_spaced_evenly() -> None:
    made = trend([1.0] * 1000, every=5.0)
    assert len(made.points) == POINTS
    assert made.points[1][0] - made.points[0][0] >= WINDOW / POINTS


def test_a_sample_too_soon_changes_nothing() -> None:
    before = trend([1.0])
    assert add(before, 1.0, 2.0, WINDOW) is before


def test_nothing_is_said_before_most_of_the_window_was_seen() -> None:
    assert growth(trend([float(n) for n in range(20)]), WINDOW) is None


def test_a_steady_rise_is_measured() -> None:
    found = growth(trend([100.0 + 2.0 * n for n in range(POINTS)]), WINDOW)
    assert found is not None
    assert found.tau == 1.0
    assert found.slope == pytest.approx(2.0 / (WINDOW / POINTS))


def test_one_large_step_hardly_moves_the_slope() -> None:
    values = [100.0] * POINTS
    values[15] = 1e9
    found = growth(trend(values), WINDOW)
    assert found is not None and found.slope == 0.0


def test_noise_without_a_rise_is_not_monotonic() -> None:
    rng = random.Random(1)
    found = growth(trend([100.0 + rng.uniform(-10.0, 10.0) for _ in range(POINTS)]), WINDOW)
    assert found is not None and abs(found.tau) < 0.4


def test_a_rise_through_noise_is_seen() -> None:
    rng = random.Random(1)
    found = growth(trend([100.0 + 3.0 * n + rng.uniform(-10.0, 10.0) for n in range(POINTS)]), WINDOW)
    assert found is not None and found.tau > 0.7


def test_a_clock_that_stands_still_adds_no_point() -> None:
    before = trend([1.0, 2.0])
    assert add(before, before.points[-1][0], 3.0, WINDOW) is before
