"""The host: HighMemory, HighCpu, DiskFull, ReadOnlyFs, HostHot, ClockSkew, OomKilled."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import Event
from ..vocabulary.facts import HostSampled
from ..vocabulary.state import Alert, HostState, State
from ..vocabulary.world import Disk, HostSample
from .alerting import Reading, advance
from .app_alerts import put
from .outcome import Judgement
from .pressure import relieve
from .probes import mend_host
from .resources import level

DISK_FOR = 30.0
OOM_SHOWN = 600.0


def sampled(state: State, fact: HostSampled, config: Config, now: float) -> Judgement:
    """One look at the host."""
    mended = mend_host(state, "host")
    host = mended.state.host
    alerts, events = host.alerts, list[Event](mended.events)
    for name, subject, reading in readings(host, fact.host, config, now):
        key = name if subject == "host" else f"{name}/{subject}"
        old = alerts.get(key)
        if old is None and reading.level is None:
            continue
        new, told, _ = advance(name, subject, old or Alert(), reading, now, config.alerts)
        events.extend(told)
        if new is not old:
            alerts = put(alerts, key, new)
    state = replace(mended.state, host=replace(host, sample=fact.host, sampled_at=fact.at, alerts=alerts))
    relieved = relieve(state, config, now)
    return Judgement(relieved.state, relieved.actions, (*events, *relieved.events))


def readings(host: HostState, seen: HostSample, config: Config, now: float) -> Iterator[tuple[str, str, Reading]]:
    """(alert, subject, reading) for all that is watched on the host."""
    rules, firing = config.host, host.alerts
    share = seen.memory_used_share
    yield (
        "HighMemory",
        "host",
        replace(
            level(share, rules.memory.warn, rules.memory.critical, firing.get("HighMemory")),
            raise_for=rules.memory.for_,
            clear_for=rules.memory.for_,
            summary=f"the host uses {share:.0%} of its memory; {seen.memory_available / 2**20:.0f} MiB are left",
            advice="when it becomes critical the apps with the highest priority numbers are paused",
        ),
    )
    yield (
        "HighCpu",
        "host",
        replace(
            level(seen.cpu_busy or 0.0, rules.cpu.warn, None, firing.get("HighCpu")),
            raise_for=rules.cpu.for_,
            clear_for=min(rules.cpu.for_, 60.0),
            summary=f"the host's CPU is {seen.cpu_busy or 0.0:.0%} busy, load {seen.load[0]:.1f}",
            advice="see edged status for the apps that use it",
        ),
    )
    for disk in seen.disks:
        yield "DiskFull", disk.path, _disk(disk, config, firing.get(f"DiskFull/{disk.path}"))
        yield (
            "ReadOnlyFs",
            disk.path,
            Reading(
                level="critical" if disk.read_only else None,
                summary=f"{disk.path} is mounted read-only" if disk.read_only else f"{disk.path} can be written",
                advice="file systems turn read-only after I/O errors: see dmesg, check the medium",
            ),
        )
    if seen.temperature is not None:
        yield "HostHot", "host", _hot(seen, config, firing.get("HostHot"))
    if seen.clock_synced is not None:
        yield (
            "ClockSkew",
            "host",
            Reading(
                level=None if seen.clock_synced else "warning",
                raise_for=rules.clock.for_,
                summary="the clock is synchronised" if seen.clock_synced else "the clock is not synchronised",
                advice="timedatectl status; is an NTP server reachable?",
            ),
        )
    grew = host.sample is not None and (seen.oom_kills or 0) > (host.sample.oom_kills or 0)
    alert = firing.get("OomKilled")
    shown = alert is not None and alert.severity is not None and now - alert.since < OOM_SHOWN
    if grew or alert is not None:
        yield (
            "OomKilled",
            "host",
            Reading(
                level="warning" if grew or shown else None,
                summary="the kernel killed a process for want of memory",
                advice="dmesg tells which one",
            ),
        )


def _disk(disk: Disk, config: Config, alert: Alert | None) -> Reading:
    """Bytes or inodes, whichever is nearer to its end."""
    rules = config.host.disk
    inodes = disk.inodes_used_share > disk.used_share
    used = disk.inodes_used_share if inodes else disk.used_share
    left = f"{disk.inodes_free} inodes" if inodes else f"{disk.free / 2**20:.0f} MiB"
    return replace(
        level(used, rules.warn, rules.critical, alert),
        raise_for=DISK_FOR,
        clear_for=DISK_FOR,
        summary=f"{disk.path} is {used:.0%} full; {left} are left",
        advice="docker system df shows what images and logs take; remove what is not needed",
    )


def _hot(seen: HostSample, config: Config, alert: Alert | None) -> Reading:
    rules, celsius = config.host.temperature, seen.temperature or 0.0
    slowed = "; the CPU is being slowed down" if seen.throttled else ""
    return replace(
        level(celsius, rules.warn, rules.critical, alert),
        raise_for=rules.for_,
        clear_for=rules.for_,
        summary=f"the host is at {celsius:.0f} °C{slowed}",
        advice="see fan, dust, sun and load",
    )
