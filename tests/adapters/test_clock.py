"""edged's own clock over restarts, reboots and mad wall clocks."""

from __future__ import annotations

import time

import pytest

from edged.adapters.clock import LONGEST_OFF, ClockRecord, DeviceClock
from edged.ports import Clock, StorageError

DAY = 86400.0
YEAR = 365 * DAY


class World:
    """A host whose clocks the test sets."""

    def __init__(self, up: float = 100.0, wall: float = 1_700_000_000.0) -> None:
        self.up, self.unix = up, wall

    def resume(self, record: ClockRecord | None, boot_id: str = "a") -> tuple[DeviceClock, bool]:
        return DeviceClock.resume(record, boot_id, boottime=lambda: self.up, wall=lambda: self.unix)

    def reboot(self, wall_passed: float, up: float = 20.0) -> None:
        self.up, self.unix = up, self.unix + wall_passed


def test_first_start_shows_the_uptime() -> None:
    world = World(up=37.5)
    clock, rebooted = world.resume(None)
    assert (clock.now(), rebooted) == (37.5, False)
    assert clock.wall() == world.unix


def test_goes_on_exactly_within_one_boot_whatever_the_wall_clock_does() -> None:
    world = World()
    clock, _ = world.resume(None)
    for jump in (-50 * YEAR, 50 * YEAR):
        saved = clock.record()
        world.up += 60
        world.unix += jump
        clock, rebooted = world.resume(saved)
        assert not rebooted
        assert clock.now() == saved.now + 60


def test_a_reboot_adds_the_time_off() -> None:
    world = World()
    saved = world.resume(None)[0].record()
    world.reboot(wall_passed=600)
    clock, rebooted = world.resume(saved, "b")
    assert rebooted
    assert clock.now() == pytest.approx(saved.now + 600)
    world.up += 5
    assert clock.now() == pytest.approx(saved.now + 605)


@pytest.mark.parametrize(
    ("wall_passed", "expected"),
    [(50 * YEAR, LONGEST_OFF), (-50 * YEAR, 20.0), (0.0, 20.0), (31 * DAY, LONGEST_OFF), (29 * DAY, 29 * DAY)],
)
def test_a_reboot_believes_the_wall_clock_only_within_bounds(wall_passed: float, expected: float) -> None:
    world = World()
    saved = world.resume(None)[0].record()
    world.reboot(wall_passed, up=20.0)
    assert world.resume(saved, "b")[0].now() == pytest.approx(saved.now + expected)


def test_uptime_is_believed_even_beyond_the_bound() -> None:
    world = World()
    saved = world.resume(None)[0].record()
    world.reboot(wall_passed=-10 * YEAR, up=90 * DAY)
    assert world.resume(saved, "b")[0].now() == pytest.approx(saved.now + 90 * DAY)


def test_never_backwards_over_many_boots_and_saves() -> None:
    world = World()
    clock, _ = world.resume(None)
    latest = clock.now()
    for boot, wall_passed in enumerate([5.0, -3 * YEAR, 40 * YEAR, -37 * YEAR, 0.0, 3600.0]):
        saved = ClockRecord.decode(clock.record().encode())
        world.reboot(wall_passed, up=0.5)
        clock, rebooted = world.resume(saved, f"boot-{boot}")
        assert rebooted
        assert clock.now() > latest
        latest = clock.now()


def test_a_restored_snapshot_of_the_same_boot_does_not_turn_the_clock_back() -> None:
    world = World(up=5000.0)
    saved = world.resume(None)[0].record()
    world.up = 1000.0
    clock, rebooted = world.resume(saved)
    assert not rebooted
    assert clock.now() == saved.now


def test_records_survive_encoding_and_damage_is_told() -> None:
    record = ClockRecord(boot_id="a", base=1.25, now=77.5, wall=1.7e9)
    assert ClockRecord.decode(record.encode()) == record
    for damaged in (b"", b"{", b'{"boot_id":"a"}', b"\0" * 40, record.encode()[:-3]):
        with pytest.raises(StorageError, match="saved clock is damaged"):
            ClockRecord.decode(damaged)


def test_the_real_clocks() -> None:
    clock: Clock = DeviceClock.resume(None, "a")[0]
    first = clock.now()
    assert first == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1)
    assert clock.now() > first > 0
    assert clock.wall() == pytest.approx(time.time(), abs=1)
