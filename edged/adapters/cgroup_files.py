"""The files of one container's cgroup, one class per controller and cgroup version.

A reader is built once, when the container's cgroup is found, and read every few seconds. Files that the
kernel of this host does not have are left out when the reader is built; a file that is missing later on
means that the cgroup is gone (``FileNotFoundError``, or ``ENODEV`` when it went during the read).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .files import exists, field, read

# The kernel writes "no limit" as the largest number of whole pages, which depends on the page size.
_UNLIMITED = 1 << 60


class Memory(NamedTuple):
    working_set: int
    """Bytes."""
    limit: int | None
    """Bytes; the tightest of the container's own and those of the cgroups above it."""
    oom_kills: int


class Cpu(NamedTuple):
    seconds: float
    limit: float | None
    """Cores."""
    periods: int
    throttled_periods: int
    throttled_seconds: float


class MemoryReader(Protocol):
    def read(self) -> Memory: ...


class CpuReader(Protocol):
    def read(self) -> Cpu: ...


NO_MEMORY = Memory(0, None, 0)
NO_CPU = Cpu(0.0, None, 0, 0, 0.0)


def _if_there(path: str) -> str:
    return path if exists(path) else ""


class MemoryV1:
    __slots__ = ("_oom", "_stat", "_usage")

    def __init__(self, folder: str) -> None:
        self._usage = f"{folder}/memory.usage_in_bytes"
        self._stat = f"{folder}/memory.stat"
        self._oom = _if_there(f"{folder}/memory.oom_control")

    def read(self) -> Memory:
        stat = b"\n" + read(self._stat)
        inactive = field(stat, b"\ntotal_inactive_file ") or 0
        limit = field(stat, b"\nhierarchical_memory_limit ")
        kills = field(b"\n" + read(self._oom), b"\noom_kill ") if self._oom else None
        return Memory(
            max(0, int(read(self._usage)) - inactive),
            limit if limit is not None and limit < _UNLIMITED else None,
            kills or 0,
        )


class MemoryV2:
    __slots__ = ("_current", "_events", "_limits", "_stat")

    def __init__(self, folder: str, mount: str) -> None:
        self._current = f"{folder}/memory.current"
        self._stat = f"{folder}/memory.stat"
        self._events = _if_there(f"{folder}/memory.events")
        # A limit may sit on a slice above. Only those limited now are read again each time: usually none.
        self._limits = [f"{folder}/memory.max"] if exists(f"{folder}/memory.max") else []
        above = folder.rpartition("/")[0]
        while len(above) > len(mount):
            path = f"{above}/memory.max"
            if exists(path) and not read(path).startswith(b"max"):
                self._limits.append(path)
            above = above.rpartition("/")[0]

    def read(self) -> Memory:
        inactive = field(b"\n" + read(self._stat), b"\ninactive_file ") or 0
        limit: int | None = None
        for path in self._limits:
            text = read(path)
            if not text.startswith(b"max"):
                value = int(text)
                limit = value if limit is None or value < limit else limit
        kills = field(b"\n" + read(self._events), b"\noom_kill ") if self._events else None
        return Memory(max(0, int(read(self._current)) - inactive), limit, kills or 0)


class CpuV1:
    """``cpu`` and ``cpuacct`` may be two hierarchies; either folder may be empty when it is not there."""

    __slots__ = ("_period", "_quota", "_stat", "_usage")

    def __init__(self, cpu: str, cpuacct: str) -> None:
        self._usage = f"{cpuacct}/cpuacct.usage" if cpuacct else ""
        self._stat = f"{cpu}/cpu.stat" if cpu else ""
        # Kernels without CONFIG_CFS_BANDWIDTH have neither.
        self._quota = _if_there(f"{cpu}/cpu.cfs_quota_us") if cpu else ""
        self._period = f"{cpu}/cpu.cfs_period_us"

    def read(self) -> Cpu:
        stat = b"\n" + read(self._stat) if self._stat else b""
        quota = int(read(self._quota)) if self._quota else -1
        return Cpu(
            int(read(self._usage)) / 1e9 if self._usage else 0.0,
            quota / int(read(self._period)) if quota > 0 else None,
            field(stat, b"\nnr_periods ") or 0,
            field(stat, b"\nnr_throttled ") or 0,
            (field(stat, b"\nthrottled_time ") or 0) / 1e9,
        )


class CpuV2:
    __slots__ = ("_max", "_stat")

    def __init__(self, folder: str) -> None:
        self._stat = f"{folder}/cpu.stat"
        self._max = _if_there(f"{folder}/cpu.max")

    def read(self) -> Cpu:
        stat = b"\n" + read(self._stat)
        quota, _, period = read(self._max).partition(b" ") if self._max else (b"max", b"", b"")
        return Cpu(
            (field(stat, b"\nusage_usec ") or 0) / 1e6,
            None if quota.startswith(b"max") else int(quota) / int(period),
            field(stat, b"\nnr_periods ") or 0,
            field(stat, b"\nnr_throttled ") or 0,
            (field(stat, b"\nthrottled_usec ") or 0) / 1e6,
        )
