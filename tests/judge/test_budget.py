"""Budgets and waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.judge.budget import backoff, jitter, within

TIMES = st.floats(0.0, 1e9)


def test_old_times_fall_out_of_the_window() -> None:
    assert within((1.0, 5.0, 9.0), 10.0, 5.0) == (9.0,)


@given(TIMES, st.floats(0.1, 1e5))
def test_a_time_has_left_the_window_at_the_moment_that_is_slept_until(at: float, window: float) -> None:
    assert within((at,), at + window, window) == ()


def test_the_first_attempt_does_not_wait_and_the_next_ones_wait_twice_as_long() -> None:
    assert [backoff(n, 1.0, 300.0) for n in range(6)] == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_waits_are_bounded_however_many_attempts_there_were() -> None:
    assert backoff(10**9, 1.0, 300.0) == 300.0


@pytest.mark.parametrize("key", ["press-7/detector/1", "press-8/detector/1", ""])
def test_jitter_stays_within_its_share(key: str) -> None:
    assert 0.9 <= jitter(key) <= 1.1


def test_jitter_is_the_same_for_the_same_key_and_differs_between_devices() -> None:
    assert jitter("a/x/1") == jitter("a/x/1")
    assert len({jitter(f"device-{n}/x/1") for n in range(50)}) > 40
