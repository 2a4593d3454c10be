"""edged's own clock: it never runs backwards, counts suspend, and goes on where it stopped after a reboot.

Back-off, budgets and alert ages are counted on it, so nothing that happens to the wall clock (no battery,
NTP stepping it by decades) can make a budget last for years or forget what just happened.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from ..ports import StorageError

# More than that was most likely not time but a wall clock that was wrong before or is wrong now.
LONGEST_OFF = 30 * 86400.0


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be kept for the clock to go on after edged, or the host, was started again."""

    boot_id: str
    """Of the host, see ``LocalHost.boot_id``."""
    base: float
    """Seconds between ``now`` and the kernel's boot time clock, during this boot."""
    now: float
    """Seconds on edged's clock when it was saved."""
    wall: float
    """Unix time when it was saved."""

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> ClockRecord:
        """Raises ``StorageError`` when the data is damaged."""
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise StorageError(f"the saved clock is damaged: {error}") from error


class DeviceClock:
    """Implements ``ports.Clock``. Made by ``resume``."""

    def __init__(self, boot_id: str, base: float, boottime: Callable[[], float], wall: Callable[[], float]) -> None:
        self._boot_id = boot_id
        self._base = base
        self._boottime = boottime
        self._wall = wall

    @classmethod
    def resume(
        cls,
        record: ClockRecord | None,
        boot_id: str,
        *,
        boottime: Callable[[], float] = _boottime,
        wall: Callable[[], float] = time.time,
    ) -> tuple[DeviceClock, bool]:
        """The clock, and whether the host was booted since ``record`` was saved.

        A device's very first clock shows the host's uptime. Within one boot it goes on exactly. After a
        reboot the time off is taken from the wall clock, believed only between the time since boot, which
        has passed for sure, and 30 days.
        """
        if record is None:
            return cls(boot_id, 0.0, boottime, wall), False
        up = boottime()
        if record.boot_id == boot_id:
            # max(): a virtual machine put back to a snapshot has an earlier boot time in the same boot.
            return cls(boot_id, max(record.base, record.now - up), boottime, wall), False
        passed = max(up, min(wall() - record.wall, LONGEST_OFF))
        return cls(boot_id, record.now + passed - up, boottime, wall), True

    def now(self) -> float:
        """Seconds; always above 0. Whole microseconds, so that differences can be kept in few bytes."""
        return round(self._base + self._boottime(), 6)

    def wall(self) -> float:
        """Unix time. May jump."""
        return self._wall()

    def record(self) -> ClockRecord:
        """To be saved again and again; what passed since the last time is lost by a reboot at most."""
        return ClockRecord(boot_id=self._boot_id, base=self._base, now=self.now(), wall=self.wall())
