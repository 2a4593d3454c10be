"""The host: HighMemory, HighCpu, HostHot, ClockSkew, OomKilled, StorageFailing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import Event
from ..vocabulary.facts import HostSampled
from ..vocabulary.state import Alert, State
from ..vocabulary.world import HostSample
from . import trusted_time
from .alerting import Reading, advance, put
from .outcome import Judgement
from .pressure import relieve
from .probes import mend_host
from .resources import level

OOM_SHOWN = 600.0
Found = tuple[str, str, Reading]
"""Alert, subject, reading."""


def sampled(state: State, fact: HostSampled, config: Config, now: float) -> Judgement:
    """One look at the host."""
    mended = mend_host(state, "host")
    host = mended.state.host
    alerts, told = read(host.alerts, readings(mended.state, fact.host, config, now), config, now)
    known, seen = state.authority.time, fact.host
    time = trusted_time.remember(known, seen.wall, seen.clock_synced, fact.at)
    authority = state.authority
    if time is not known:
        # The first time ever: of what was done before then, nothing is remembered.
        floor = authority.not_before or time.wall
        authority = replace(authority, time=time, not_before=floor)
    host = replace(host, sample=seen, sampled_at=fact.at, alerts=alerts)
    state = replace(mended.state, host=host, authority=authority)
    relieved = relieve(state, config, now)
    return Judgement(relieved.state, relieved.actions, (*mended.events, *told, *relieved.events), relieved.touched)


def read(
    alerts: dict[str, Alert], found: Iterable[Found], config: Config, now: float
) -> tuple[dict[str, Alert], tuple[Event, ...]]:
    """The alerts after these readings, and what is to be told of them."""
    events: list[Event] = []
    for name, subject, reading in found:
        key = name if subject == "host" else f"{name}/{subject}"
        old = alerts.get(key)
        if old is None and reading.level is None:
            continue
        made = advance(name, subject, old or Alert(), reading, now, config.alerts)
        events.extend(made.events)
        if made.alert is not old:
            alerts = put(alerts, key, made.alert)
    return alerts, tuple(events)


def readings(state: State, seen: HostSample, config: Config, now: float) -> Iterator[Found]:
    """All that is watched on the host. What this host does not tell is left out, and changes nothing."""
    firing = state.host.alerts
    if seen.memory_total:
        yield "HighMemory", "host", _memory(seen, config, firing.get("HighMemory"))
    if seen.cpu_busy is not None:
        yield "HighCpu", "host", _cpu(seen, seen.cpu_busy, config, firing.get("HighCpu"))
    if seen.temperature is not None:
        yield "HostHot", "host", _hot(seen, seen.temperature, config, firing.get("HostHot"))
    if seen.clock_synced is not None:
        yield "ClockSkew", "host", _clock(seen.clock_synced, config)
    yield "OomKilled", "host", _oom(state, seen, config, now)
    yield from storage(state.storage_error)


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


def storage(error: str) -> Iterator[Found]:
    """edged's own: what it cannot write."""
    reading = Reading(
        level="critical" if error else None,
        clear_for=10.0,  # a new run finds out with its first commit
        summary=f"edged's own storage fails: {error}" if error else "reports are stored again",
        advice="recovery goes on; events wait in memory, and the oldest are given up when they become too many",
    )
    yield "StorageFailing", "host", reading


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
