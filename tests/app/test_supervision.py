"""When a call counts as hung: after its own deadline and the service manager's limit, whichever is later."""

from __future__ import annotations

import pytest

from edged.app.supervision import DEFAULT_LIMIT, RECONCILE, RECORDER, Call, Supervisor, rhythms


class Pool:
    def __init__(self, *calls: Call) -> None:
        self._calls, self.asked = calls, 0

    def report_late(self) -> None:
        self.asked += 1

    def calls(self) -> tuple[Call, ...]:
        return self._calls


def supervisor(*calls: Call, limit: float | None = 30.0, **ages: float) -> Supervisor:
    beats = {name: 1000.0 - age for name, age in ages.items()}
    return Supervisor([Pool(), Pool(*calls)], lambda: beats, {"slow": 100.0}, limit, lambda: 1000.0)


@pytest.mark.parametrize(
    ("seconds", "allowed", "limit", "hangs"),
    [
        (29.0, 10.0, 30.0, False),
        (30.0, 10.0, 30.0, True),
        (599.0, 600.0, 30.0, False),  # a container may be given minutes to stop
        (600.0, 600.0, 30.0, True),
        (11.0, 10.0, 5.0, True),
        (9.0, 10.0, 5.0, False),
        (DEFAULT_LIMIT + 1.0, 1.0, None, True),
        (DEFAULT_LIMIT - 1.0, 1.0, None, False),
    ],
)
def test_a_call(seconds: float, allowed: float, limit: float | None, hangs: bool) -> None:
    one = supervisor(("the check host of host", seconds, allowed), limit=limit)
    assert bool(one.hung()) is hangs
    if hangs:
        assert one.hung() == f"the check host of host has not come back for {seconds:.0f} s"


def test_a_thread_may_be_silent_for_its_own_rhythm() -> None:
    assert supervisor(slow=99.0, quick=29.0).hung() == ""
    assert supervisor(slow=101.0).hung() == "the thread slow has not come back for 101 s"
    assert supervisor(quick=31.0).hung() == "the thread quick has not come back for 31 s"


def test_what_is_late_is_reported_in_each_turn() -> None:
    pool = Pool()
    one = Supervisor([pool], dict, {}, 30.0, lambda: 0.0)
    assert (one.hung(), one.hung(), pool.asked) == ("", "", 2)


def test_the_loop_wakes_when_something_would_be_hung() -> None:
    one = supervisor(("a", 29.6, 1.0), ("b", 1.0, 1.0), slow=1.0)
    assert one.hung() == "" and one.patience == pytest.approx(0.4)
    idle = supervisor()
    assert idle.hung() == "" and idle.patience == float("inf")
    stuck = supervisor(("a", 90.0, 1.0))
    assert stuck.hung() and 0.0 < stuck.patience < 0.1


def test_a_slow_engine_is_given_its_time() -> None:
    assert rhythms(60.0)[RECONCILE] >= 2 * 60.0 and rhythms(10.0)[RECORDER] <= 30.0
