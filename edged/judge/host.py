"""The host: HighMemory, HighCpu, DiskFull, ReadOnlyFs, HostHot, ClockSkew, OomKilled."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import Event
from ..vocabulary.facts import HostSampled
from ..vocabulary.state import Alert, State
from ..vocabulary.world import Disk, HostSample
from .alerting import Reading, advance, cleared, put
from .outcome import Judgement
from .pressure import relieve
from .probes import mend_host
from .resources import level

DISK_FOR = 30.0
OOM_SHOWN = 600.0
Found = tuple[str, str, Reading]
"""Alert, subject, reading."""


def sampled(state: State, fact: HostSampled, config: Config, now: float) -> Judgement:
    """One look at the host."""
    mended = mend_host(state, "host")
    host = mended.state.host
    alerts, events = host.alerts, list[Event](mended.events)
    for name, subject, reading in readings(mended.state, fact.host, config, now):
        key = name if subject == "host" else f"{name}/{subject}"
        old = alerts.get(key)
        if old is None and reading.level is None:
            continue
        made = advance(name, subject, old or Alert(), reading, now, config.alerts)
        events.extend(made.events)
        if made.alert is not old:
            alerts = put(alerts, key, made.alert)
    alerts, gone = _unwatched(alerts, fact.host, config, now)
    state = replace(mended.state, host=replace(host, sample=fact.host, sampled_at=fact.at, alerts=alerts))
    relieved = relieve(state, config, now)
    return Judgement(relieved.state, relieved.actions, (*events, *gone, *relieved.events), relieved.touched)


def readings(state: State, seen: HostSample, config: Config, now: float) -> Iterator[Found]:
    """All that is watched on the host. What this host does not tell is left out, and changes nothing."""
    firing = state.host.alerts
    if seen.memory_total:
        yield "HighMemory", "host", _memory(seen, config, firing.get("HighMemory"))
    if seen.cpu_busy is not None:
        yield "HighCpu", "host", _cpu(seen, seen.cpu_busy, config, firing.get("HighCpu"))
    for disk in seen.disks:
        yield "DiskFull", disk.path, _disk(disk, config, firing.get(f"DiskFull/{disk.path}"))
        yield "ReadOnlyFs", disk.path, _read_only(disk)
    if seen.temperature is not None:
        yield "HostHot", "host", _hot(seen, seen.temperature, config, firing.get("HostHot"))
    if seen.clock_synced is not None:
        yield "ClockSkew", "host", _clock(seen.clock_synced, config)
    yield "OomKilled", "host", _oom(state, seen, config, now)


def _unwatched(
    alerts: dict[str, Alert], seen: HostSample, config: Config, now: float
) -> tuple[dict[str, Alert], tuple[Event, ...]]:
    """Disks that are not watched any more take their alerts with them."""
    watched = {*config.host.disk.paths, *(d.path for d in seen.disks)}
    gone = {key: a for key, a in alerts.items() if "/" in key and key.partition("/")[2] not in watched}
    if not gone:
        return alerts, ()
    events = []
    for key, alert in gone.items():
        name, _, path = key.partition("/")
        if alert.severity is not None:
            events.append(cleared(name, path, alert, f"{path} is not watched any more", now))
    return {key: a for key, a in alerts.items() if key not in gone}, tuple(events)


def _memory(seen: HostSample, config: Config, alert: Alert | None) -> Reading:
    rules, share = config.host.memory, seen.memory_used_share
    reading = level(share, rules.warn, rules.critical, alert)
    if alert is None and reading.level is None:
        return reading
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=rules.for_,
        summary=f"the host uses {share:.0%} of its memory; {seen.memory_available / 2**20:.0f} MiB are left",
        advice="when it becomes critical the apps with the highest priority numbers are paused",
    )


def _cpu(seen: HostSample, busy: float, config: Config, alert: Alert | None) -> Reading:
    rules = config.host.cpu
    reading = level(busy, rules.warn, None, alert)
    if alert is None and reading.level is None:
        return reading
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=min(rules.for_, 60.0),
        summary=f"the host's CPU is {busy:.0%} busy, load {seen.load[0]:.1f}",
        advice="see edged status for the apps that use it",
    )


def _disk(disk: Disk, config: Config, alert: Alert | None) -> Reading:
    """Bytes or inodes, whichever is nearer to its end."""
    rules = config.host.disk
    inodes = disk.inodes_used_share > disk.used_share
    used = disk.inodes_used_share if inodes else disk.used_share
    reading = level(used, rules.warn, rules.critical, alert)
    if alert is None and reading.level is None:
        return reading
    left = f"{disk.inodes_free} inodes" if inodes else f"{disk.free / 2**20:.0f} MiB"
    return replace(
        reading,
        raise_for=DISK_FOR,
        clear_for=DISK_FOR,
        summary=f"{disk.path} is {used:.0%} full; {left} are left",
        advice="docker system df shows what images and logs take; remove what is not needed",
    )


def _read_only(disk: Disk) -> Reading:
    return Reading(
        level="critical" if disk.read_only else None,
        summary=f"{disk.path} is mounted read-only" if disk.read_only else f"{disk.path} can be written",
        advice="file systems turn read-only after I/O errors: see dmesg, check the medium",
    )


def _hot(seen: HostSample, celsius: float, config: Config, alert: Alert | None) -> Reading:
    rules = config.host.temperature
    slowed = "; the CPU is being slowed down" if seen.throttled else ""
    return replace(
        level(celsius, rules.warn, rules.critical, alert),
        raise_for=rules.for_,
        clear_for=rules.for_,
        summary=f"the host is at {celsius:.0f} °C{slowed}",
        advice="see fan, dust, sun and load",
    )


def _clock(synced: bool, config: Config) -> Reading:
    return Reading(
        level=None if synced else "warning",
        raise_for=config.host.clock.for_,
        summary="the clock is synchronised" if synced else "the clock is not synchronised",
        advice="timedatectl status; is an NTP server reachable?",
    )


def _oom(state: State, seen: HostSample, config: Config, now: float) -> Reading:
    """A kill outside the apps: those of an app have an alert of their own, and the kernel's count has both."""
    before, alert = state.host.sample, state.host.alerts.get("OomKilled")
    grew = (
        before is not None
        and before.boot_id == seen.boot_id
        and before.oom_kills is not None
        and seen.oom_kills is not None
        and seen.oom_kills > before.oom_kills
    )
    recent = now - 2.0 * config.host.every
    explained = any(app.oom_at is not None and app.oom_at >= recent for app in state.apps.values())
    shown = alert is not None and alert.severity is not None and now < alert.since + OOM_SHOWN
    return Reading(
        level="warning" if shown or (grew and not explained) else None,
        summary="the kernel killed a process for want of memory",
        advice="dmesg tells which one",
    )
