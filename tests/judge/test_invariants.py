"""Random faults in any overlap break no invariant. ``EDGED_FUZZ=500`` makes it 500 walks instead of a few.

Each walk ends in calm, after which all apps have to be healthy, all alerts cleared and all recoveries ended.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .chaos import FAULTS, WAITS, Step, fuzz, walk
from .faults import NAMES

WALKS = int(os.environ.get("EDGED_FUZZ", "0"))
STEPS = st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(NAMES), st.sampled_from(WAITS)), max_size=12)


@settings(
    max_examples=WALKS or 10,
    deadline=None,
    derandomize=not WALKS,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps=STEPS, seed=st.integers(0, 2**16))
@example(steps=[("docker_stop", "mid", 0.2), ("slow_stop", "mid", 0.0), ("sick", "mid", 30.0)], seed=1)
@example(steps=[("start_error", "mid", 0.0), ("sick", "mid", 30.0)], seed=2)
@example(steps=[("engine_hang", "base", 0.2), ("engine_start", "base", 0.2)] * 5, seed=3)
def test_faults_in_any_overlap_break_no_invariant(steps: list[Step], seed: int) -> None:
    walk(steps, seed)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_is_got_over(fault: str) -> None:
    walk([(fault, "mid", 5.0)], 1)


def test_answers_are_the_same_twice_and_everything_can_be_written_down() -> None:
    assert not fuzz(2, seed=7, longest=10, thorough=True)
