"""The host that edged runs on, read from ``/proc`` and ``/sys``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ..ports import PortError
from ..vocabulary.world import Disk, HostSample, Usage
from .cgroups import Cgroups
from .disks import Disks
from .files import field, read, read_all, read_text
from .heat import Throttling, temperature
from .timesync import clock_synced

_PRESSURE = {"cpu": ("some",), "memory": ("some", "full"), "io": ("some", "full")}


class LocalHost:
    """Implements ``ports.Host``. The roots can be set, so that tests bring their own trees.

    What a host does not have is ``None`` or left out; only without ``meminfo`` is there no sample at all.
    ``sample`` is not for two threads at once: shares are counted from the one before.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        sys: Path = Path("/sys"),
        run: Path = Path("/run"),
        cgroups: Cgroups | None = None,
    ) -> None:
        self._proc, self._sys, self._run = str(proc), str(sys), str(run)
        self._cgroups = cgroups or Cgroups(sys / "fs/cgroup", proc)
        self._disks = Disks(self._proc)
        self._throttling = Throttling(self._sys)
        self._cpu_before: tuple[int, int] | None = None

    def remove_files(self, patterns: Sequence[str], min_age: float) -> int:
        from . import rotated  # only for a disk that is full

        return rotated.remove(patterns, min_age)

    def usage(self, container_id: str, pid: int | None) -> Usage:
        return self._cgroups.usage(container_id, pid)

    def sample(self) -> HostSample:
        memory = self._meminfo()
        cpu_count, cpu_busy = self._cpu()
        load = (read_text(f"{self._proc}/loadavg") or "0 0 0").split()
        return HostSample(
            memory_total=memory["MemTotal"],
            memory_available=memory["MemAvailable"],
            swap_total=memory["SwapTotal"],
            swap_used=max(0, memory["SwapTotal"] - memory["SwapFree"]),
            cpu_count=cpu_count,
            cpu_busy=cpu_busy,
            load=(float(load[0]), float(load[1]), float(load[2])),
            pressure=self._pressure(),
            temperature=temperature(self._sys),
            throttled=self._throttling.now(),
            clock_synced=clock_synced(self._run),
            wall=time.time(),
            boot_id=self.boot_id(),
            uptime=float((read_text(f"{self._proc}/uptime") or "0").split()[0]),
            oom_kills=self._oom_kills(),
        )

    def disk(self, path: str, timeout: float) -> Disk:
        return self._disks.measure(path, timeout)

    def boot_id(self) -> str:
        """Differs after each boot of the host; empty when the kernel does not tell."""
        return read_text(f"{self._proc}/sys/kernel/random/boot_id") or ""

    def _meminfo(self) -> dict[str, int]:
        path = f"{self._proc}/meminfo"
        try:
            text = b"\n" + read(path)
        except OSError as error:
            raise PortError(f"cannot read {path}: {error.strerror}") from error
        found = {}
        for name in ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree"):
            found[name] = _kibibytes(text, name)
        if not found["MemTotal"]:
            raise PortError(f"{path} does not tell the size of the memory")
        if b"\nMemAvailable:" not in text:  # Linux before 3.14
            found["MemAvailable"] = sum(_kibibytes(text, name) for name in ("MemFree", "Buffers", "Cached"))
        return found

    def _cpu(self) -> tuple[int, float | None]:
        """Number of cores online, and the busy share of all since the call before.

        Time of guests is part of ``user`` already. Waiting for the disk is idle; time the hypervisor gave
        to others is busy, for it was not to be had.
        """
        try:
            text = read_all(f"{self._proc}/stat")
        except OSError:
            return 1, None
        times = [int(number) for number in text.partition(b"\n")[0].split()[1:9]]
        total, idle = sum(times), sum(times[3:5])
        before, self._cpu_before = self._cpu_before, (total, idle)
        cores = max(1, text.count(b"\ncpu"))
        if before is None or total <= before[0]:
            return cores, None
        # iowait is known to run backwards at times.
        idle_share = (idle - before[1]) / (total - before[0])
        return cores, min(1.0, max(0.0, 1.0 - idle_share))

    def _pressure(self) -> dict[str, float]:
        shares = {}
        for resource, kinds in _PRESSURE.items():
            # Missing, or "not supported" when the kernel was booted with psi=0.
            for line in (read_text(f"{self._proc}/pressure/{resource}") or "").splitlines():
                kind, _, rest = line.partition(" avg10=")
                if kind in kinds:
                    shares[f"{resource}.{kind}"] = float(rest.partition(" ")[0]) / 100
        return shares

    def _oom_kills(self) -> int | None:
        try:
            return field(b"\n" + read_all(f"{self._proc}/vmstat"), b"\noom_kill ")
        except OSError:
            return None


def _kibibytes(text: bytes, name: str) -> int:
    start = text.find(f"\n{name}:".encode())
    return int(text[start:].split(None, 2)[1]) * 1024 if start >= 0 else 0
