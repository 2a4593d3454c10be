"""HighMemory, MemoryLeak, HighCpu, CpuThrottled of apps."""

from __future__ import annotations

from typing import Any

import pytest

from edged.judge.resources import level
from edged.vocabulary import facts
from edged.vocabulary.events import AlertChanged, AlertCleared, AlertRaised, RecoverySucceeded
from edged.vocabulary.state import Alert
from edged.vocabulary.world import Usage

from .world import GIB, World, app

MIB = 2**20


class Meter:
    """One app and samples of it."""

    def __init__(self, **config: Any) -> None:
        self.w = World({"a": app(**config)}).run(2.0).forget()
        self.cpu = 100.0
        self.periods = self.throttled = 0

    def sample(self, seconds: float = 5.0, **usage: Any) -> None:
        self.w.run(seconds)
        container = self.w.app("a").container
        assert container is not None
        usage = {"memory": 10 * MIB, "memory_limit": 100 * MIB} | usage
        self.w.feed(facts.ResourcesSampled(at=self.w.now, usages=(Usage(container_id=container.id, **usage),)))

    def memory(self, percent: float, times: int = 1) -> None:
        for _ in range(times):
            self.sample(memory=int(percent * MIB))

    def cores(self, used: float, times: int = 1, throttled: float = 0.0, **usage: Any) -> None:
        for _ in range(times):
            self.cpu += 5.0 * used
            self.periods += 50
            self.throttled += int(50 * throttled)
            self.sample(cpu_seconds=self.cpu, periods=self.periods, throttled_periods=self.throttled, **usage)


def test_high_memory_warns_after_its_time() -> None:
    m = Meter()
    m.memory(85, 6)
    assert not m.w.told
    m.memory(85)
    (raised,) = m.w.events(AlertRaised)
    assert (raised.name, raised.severity, raised.threshold) == ("HighMemory", "warning", 0.8)
    assert "85% of its limit" in raised.summary and not m.w.asked


def test_one_high_sample_is_nothing() -> None:
    m = Meter()
    for _ in range(10):
        m.memory(99)
        m.memory(50)
    assert not m.w.told


def test_it_does_not_clear_just_below_its_threshold() -> None:
    m = Meter()
    m.memory(85, 7)
    m.memory(78, 20)
    assert m.w.firing("a") == {"HighMemory"}
    m.memory(75, 7)
    assert not m.w.firing("a")


def test_critical_memory_restarts_the_app_once_and_is_verified() -> None:
    m = Meter()
    m.memory(97, 7)
    assert m.w.events(AlertRaised)[0].severity == "critical"
    m.w.run(2.0)
    assert m.w.actions("a") == ["RestartContainer"]
    m.memory(40, 20)
    (done,) = m.w.events(RecoverySucceeded)
    assert (done.ailment, done.by) == ("HighMemory", "edged")
    assert m.w.actions("a") == ["RestartContainer"] and not m.w.firing("a")


def test_success_is_not_claimed_while_the_memory_is_still_critical() -> None:
    m = Meter()
    m.memory(97, 30)
    assert not m.w.events(RecoverySucceeded) and len(m.w.actions("a")) >= 2


def test_samples_that_stay_away_do_not_make_a_restart_a_failure() -> None:
    m = Meter()
    m.memory(97, 7)
    m.w.run(200.0)
    assert m.w.events(RecoverySucceeded) and m.w.actions("a") == ["RestartContainer"]


def test_memory_that_becomes_free_by_itself_needs_no_restart() -> None:
    m = Meter(restart={"enabled": False})
    m.memory(97, 7)
    m.memory(40, 10)
    (done,) = m.w.events(RecoverySucceeded)
    assert done.by == "itself" and not m.w.asked


def test_a_flapping_alert_that_is_held_restarts_nothing() -> None:
    m = Meter(memory={"for": 0.0}, restart={"enabled": False})
    for _ in range(8):
        m.memory(97)
        m.memory(10)
    held = m.w.app("a").kept.alerts["HighMemory"]
    assert held.flapping and held.severity == "critical"
    assert not m.w.app("a").kept.recovery.ailment


def test_without_a_limit_the_hosts_memory_counts() -> None:
    m = Meter()
    m.w.host()
    for _ in range(8):
        m.sample(memory=int(0.9 * 4 * GIB), memory_limit=None)
    assert "the host's memory" in m.w.events(AlertRaised)[0].summary


def test_a_limit_above_the_hosts_memory_is_none() -> None:
    m = Meter()
    m.w.host()
    for _ in range(8):
        m.sample(memory=int(0.9 * 4 * GIB), memory_limit=64 * GIB)
    assert m.w.firing("a") == {"HighMemory"}


def test_without_any_limit_known_there_is_no_verdict() -> None:
    m = Meter()
    for _ in range(8):
        m.sample(memory=10 * GIB, memory_limit=None)
    assert not m.w.told


def test_a_sample_from_before_the_start_is_of_the_run_before() -> None:
    m = Meter(memory={"for": 0.0})
    container = m.w.app("a").container
    assert container is not None
    taken = m.w.now
    m.w.docker_restart("a")
    m.w.run(1.0)
    usage = Usage(container_id=container.id, memory=99 * MIB, memory_limit=100 * MIB)
    m.w.feed(facts.ResourcesSampled(at=taken, usages=(usage,)))
    assert not m.w.events(AlertRaised) and m.w.app("a").usage is None


def test_more_oom_kills_in_the_cgroup_are_told_without_an_event() -> None:
    m = Meter()
    m.sample(oom_kills=2)
    assert not m.w.told
    m.sample(oom_kills=3)
    assert m.w.firing("a") == {"OomKilled"}


# MemoryLeak


def leak(m: Meter, per_hour: float, hours: float = 1.0, start: float = 20.0) -> None:
    steps = int(hours * 60)
    for n in range(steps):
        m.sample(60.0, memory=int((start + per_hour * n / 60.0) * MIB))


def test_a_leak_is_told_with_the_hours_that_are_left() -> None:
    m = Meter()
    leak(m, 10.0)
    (raised,) = m.w.events(AlertRaised)
    assert (raised.name, raised.severity) == ("MemoryLeak", "warning")
    assert "grows by 10.0 MiB an hour" in raised.summary and raised.value is not None
    assert raised.value / 3600.0 == pytest.approx(7.0, abs=0.5)
    assert "7." in raised.summary


def test_a_leak_is_told_before_the_memory_is_high_and_restarts_nothing() -> None:
    m = Meter()
    leak(m, 10.0)
    assert m.w.firing("a") == {"MemoryLeak"} and not m.w.asked


def test_growth_that_would_take_weeks_is_no_leak() -> None:
    m = Meter()
    leak(m, 0.05, 2.0)
    assert not m.w.told


def test_growth_beyond_the_horizon_is_no_leak() -> None:
    m = Meter(memory={"leak": {"horizon": 3600.0}})
    leak(m, 10.0)
    assert not m.w.told


def test_a_saw_tooth_is_no_leak() -> None:
    m = Meter()
    for n in range(120):
        m.sample(60.0, memory=(20 + n % 10) * MIB)
    assert not m.w.told


def test_a_leak_that_ends_is_cleared_in_words_of_its_own() -> None:
    m = Meter()
    leak(m, 10.0)
    leak(m, 0.0, 2.0, start=30.0)
    (cleared,) = m.w.events(AlertCleared, name="MemoryLeak")
    assert "does not grow" in cleared.summary


def test_a_restart_begins_the_trend_anew() -> None:
    m = Meter()
    leak(m, 10.0)
    m.w.docker_restart("a")
    m.w.run(1.0)
    leak(m, 10.0, 0.1)
    assert not m.w.firing("a") and len(m.w.app("a").trend.points) < 10


def test_a_leak_that_has_reached_the_limit_has_no_time_left() -> None:
    m = Meter(memory={"for": 7200.0})
    leak(m, 60.0, 1.5, start=20.0)
    (raised,) = m.w.events(AlertRaised, name="MemoryLeak")
    assert raised.value is not None and raised.value >= 0.0


# CPU


def test_high_cpu_is_told_after_its_time() -> None:
    m = Meter(cpu={"for": 60.0})
    m.cores(0.95, 13)
    assert not m.w.told
    m.cores(0.95)
    (raised,) = m.w.events(AlertRaised)
    assert (raised.name, raised.severity) == ("HighCpu", "warning") and "95%" in raised.summary
    m.cores(0.1, 13)
    assert not m.w.firing("a") and not m.w.asked


def test_cpu_is_a_share_of_the_quota() -> None:
    m = Meter(cpu={"for": 10.0})
    m.cores(0.5, 5, cpu_limit=0.5)
    assert m.w.firing("a") == {"HighCpu"}


def test_and_of_the_host_without_one() -> None:
    m = Meter(cpu={"for": 10.0})
    m.w.host()
    m.cores(3.0, 5)
    assert not m.w.firing("a") and m.w.app("a").cpu.share == pytest.approx(0.75)


def test_throttling_is_told() -> None:
    m = Meter(cpu={"for": 10.0})
    m.cores(0.1, 5, throttled=0.5)
    (raised,) = m.w.events(AlertRaised)
    assert raised.name == "CpuThrottled" and "50%" in raised.summary


def test_counters_that_begin_anew_are_no_use_at_all() -> None:
    m = Meter(cpu={"for": 0.0})
    m.cores(0.1, 3)
    m.sample(cpu_seconds=1.0, periods=1)
    assert m.w.app("a").cpu.share is None


def test_an_unknown_share_ends_no_alert() -> None:
    m = Meter(cpu={"for": 10.0})
    m.cores(0.95, 5)
    m.cpu, m.periods = 0.0, 0
    m.cores(0.95)
    assert m.w.firing("a") == {"HighCpu"} and m.w.app("a").kept.alerts["HighCpu"].calm_since is None


# Levels


@pytest.mark.parametrize(
    ("value", "firing", "expected"),
    [
        (0.79, None, None),
        (0.80, None, "warning"),
        (0.94, None, "warning"),
        (0.95, None, "critical"),
        (0.77, "warning", "warning"),
        (0.75, "warning", None),
        (0.94, "warning", "warning"),
        (0.91, "critical", "critical"),
        (0.90, "critical", "warning"),
        (0.75, "critical", None),
    ],
)
def test_levels_have_hysteresis(value: float, firing: Any, expected: Any) -> None:
    alert = Alert(severity=firing) if firing else None
    assert level(value, 0.8, 0.95, alert).level == expected


def test_a_critical_alert_steps_down_when_the_level_does() -> None:
    m = Meter(restart={"enabled": False})
    m.memory(97, 7)
    m.memory(85, 7)
    (changed,) = m.w.events(AlertChanged)
    assert (changed.old, changed.severity) == ("critical", "warning")
