"""What the box itself has: memory, heat, and what the kernel tells about both."""

from __future__ import annotations

from collections.abc import Iterator

from ..adapters.host import LocalHost
from ..config import HostWatch
from ..config.units import format_size
from ..ports import PortError
from ..vocabulary.world import HostSample
from .finding import Finding, fail, ok, warn
from .patient import Patient

_LEAST_MEMORY = 64 * 2**20


def look(patient: Patient) -> Iterator[Finding]:
    try:
        sample = LocalHost(patient.proc, patient.sys, patient.run).sample()
    except PortError as error:
        yield fail("host memory", str(error), "mount -t proc proc /proc")
        return
    yield from judge(sample, patient.config.host)


def judge(sample: HostSample, limits: HostWatch) -> Iterator[Finding]:
    yield _memory(sample, limits)
    if sample.oom_kills:
        found = f"the kernel killed {sample.oom_kills} process(es) for lack of memory since boot"
        fix = "journalctl -k -g 'Out of memory|oom-kill' -n 30   then limit the apps: docker update --memory"
        yield warn("host oom", found, fix)
    yield _heat(sample, limits)
    pressure = "told by the kernel" if sample.pressure else "not told by this kernel (needs psi=1): edged does without"
    yield ok("host pressure", pressure)


def _memory(sample: HostSample, limits: HostWatch) -> Finding:
    free, total = sample.memory_available, sample.memory_total
    told = f"{format_size(free)} of {format_size(total)} available"
    if free < _LEAST_MEMORY:
        return fail("host memory", f"only {told}", "ps aux --sort=-rss | head; docker stats --no-stream")
    if total and 1 - free / total > limits.memory.warn:
        return warn("host memory", f"only {told}", "ps aux --sort=-rss | head; docker stats --no-stream")
    return ok("host memory", told)


def _heat(sample: HostSample, limits: HostWatch) -> Finding:
    degrees = sample.temperature
    told = "no sensor to believe" if degrees is None else f"{degrees:.0f} °C"
    if sample.throttled:
        return warn("host temperature", f"{told}; the CPU is being slowed down for heat or undervoltage",
                    "check fan, case and power supply; on a Raspberry Pi: vcgencmd get_throttled")  # fmt: skip
    if degrees is not None and degrees >= limits.temperature.warn:
        return warn("host temperature", f"{told}, above {limits.temperature.warn:g} °C", "check fan, case and air flow")
    return ok("host temperature", told)
