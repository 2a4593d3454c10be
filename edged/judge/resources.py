"""Memory and CPU of containers: HighMemory, MemoryLeak, HighCpu, CpuThrottled."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import Event
from ..vocabulary.facts import ResourcesSampled
from ..vocabulary.state import Alert, AppState, Cpu, State
from ..vocabulary.world import HostSample, Usage
from .alerting import Reading, take
from .memory import out_of_memory
from .outcome import Judgement
from .probes import mend_host
from .trend import add, growth

LEAK_TAU = 0.7
"""So monotonic must a rise be to be called a leak."""
LEAK_RISE = 0.05
"""Share of the limit that it must have grown within the window."""
CLEAR_BELOW = 0.95
"""Hysteresis: an alert that fires clears below 95 % of its threshold."""
LEAK_GOES_ON = 0.7
"""Hysteresis of a leak: half as sure is sure enough for an alert that fires."""


class Host(Struct, frozen=True):
    """What a container without a limit of its own may use."""

    memory: int | None
    cores: int


def sampled(state: State, fact: ResourcesSampled, config: Config, now: float) -> Judgement:
    """One pass over all containers."""
    by_id = {u.container_id: u for u in fact.usages}
    sample: HostSample | None = state.host.sample
    host = Host(sample.memory_total, sample.cpu_count) if sample is not None else Host(None, 1)
    apps = dict(state.apps)
    events: list[Event] = []
    touched: list[str] = []
    for name, app in state.apps.items():
        container = app.container
        if container is None or container.status != "running" or container.id not in by_id:
            continue
        # A sample that was under way when the container was started anew is of the run before.
        if fact.at < app.known_since or (app.started_at is not None and fact.at < app.started_at):
            continue
        new, told = judge_usage(app, by_id[container.id], host, config, fact.at)
        apps[name] = new
        events.extend(told)
        recovery = new.kept.recovery
        watched = recovery.ailment == "HighMemory" or recovery.phase == "verifying"
        if told or watched or new.oom_at != app.oom_at or out_of_memory(new):
            touched.append(name)
    mended = mend_host(replace(state, apps=apps), "resources")
    return Judgement(mended.state, events=(*mended.events, *events), touched=tuple(touched))


def judge_usage(app: AppState, usage: Usage, host: Host, config: Config, at: float) -> tuple[AppState, list[Event]]:
    """Takes one sample of one app into its trend and alerts."""
    before = app.usage
    same = before is not None and before.container_id == usage.container_id
    more_kills = same and before is not None and usage.oom_kills > before.oom_kills
    trend = add(app.trend, at, float(usage.memory), app.config.memory.leak.window)
    fresh = trend is not app.trend
    app = replace(
        app,
        usage=usage,
        usage_at=at,
        cpu=cpu_use(app, usage, host.cores, at),
        trend=trend,
        # The engine tells of them, too, but only of some kinds and not when nobody listens.
        oom_at=at if more_kills else app.oom_at,
    )
    alerts, told = take(app.kept.alerts, app.name, dict(readings(app, host, leaks=fresh)), at, config.alerts)
    if alerts is not app.kept.alerts:
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    return app, list(told)


def readings(app: AppState, host: Host, *, leaks: bool) -> Iterator[tuple[str, Reading]]:
    """The alerts that have something to say: most samples have no words to make."""
    alerts, rules = app.kept.alerts, app.config
    usage, cpu, limit = app.usage, app.cpu, memory_limit(app.usage, host)
    if usage is not None and limit:
        alert = alerts.get("HighMemory")
        reading = level(usage.memory / limit, rules.memory.warn, rules.memory.critical, alert)
        if alert is not None or reading.level is not None:
            yield "HighMemory", _high_memory(app, usage, limit, reading)
        if leaks:
            leak = _leak(app, usage, limit)
            if leak.level is not None or "MemoryLeak" in alerts:
                yield "MemoryLeak", leak
    if cpu.share is not None:
        alert = alerts.get("HighCpu")
        reading = level(cpu.share, rules.cpu.warn, None, alert)
        if alert is not None or reading.level is not None:
            yield "HighCpu", _high_cpu(app, cpu.share, reading)
    if cpu.throttled is not None:
        alert = alerts.get("CpuThrottled")
        reading = level(cpu.throttled, rules.cpu.throttled, None, alert)
        if alert is not None or reading.level is not None:
            yield "CpuThrottled", _throttled(app, cpu.throttled, reading)


def memory_limit(usage: Usage | None, host: Host) -> int | None:
    """What it can really have: a limit above the host's memory is none."""
    own = usage.memory_limit if usage is not None else None
    if own is None or host.memory is None:
        return own if own is not None else host.memory
    return min(own, host.memory)


def cpu_use(app: AppState, usage: Usage, cores: int, at: float) -> Cpu:
    """CPU share and throttled share since the sample before; unknown when the counters began anew."""
    before = app.usage
    seconds = at - app.usage_at
    if before is None or before.container_id != usage.container_id or seconds <= 0.0:
        return Cpu()
    spent = usage.cpu_seconds - before.cpu_seconds
    periods = usage.periods - before.periods
    held_back = usage.throttled_periods - before.throttled_periods
    if spent < 0.0 or periods < 0 or held_back < 0:
        return Cpu()
    return Cpu(
        share=spent / seconds / (usage.cpu_limit or float(cores)), throttled=held_back / periods if periods else 0.0
    )


def level(value: float, warn: float, critical: float | None, alert: Alert | None) -> Reading:
    """The level of a value against its thresholds, with hysteresis while the alert fires."""
    firing = alert.severity if alert is not None else None
    if critical is not None and value >= critical * (CLEAR_BELOW if firing == "critical" else 1.0):
        return Reading(level="critical", value=value, threshold=critical)
    if value >= warn * (CLEAR_BELOW if firing is not None else 1.0):
        return Reading(level="warning", value=value, threshold=warn)
    return Reading(level=None, value=value, threshold=warn)


def _high_memory(app: AppState, usage: Usage, limit: int, reading: Reading) -> Reading:
    rules = app.config.memory
    of = "its limit" if limit == usage.memory_limit else "the host's memory (it has no lower limit of its own)"
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=rules.for_,
        summary=f"{app.name} uses {usage.memory / limit:.0%} of {of}: {usage.memory / 2**20:.0f} MiB",
        advice="when it becomes critical the app is restarted; raise the limit if this much is normal for it",
    )


def _leak(app: AppState, usage: Usage, limit: int) -> Reading:
    """Will a steady rise hit the limit within the horizon?"""
    rules = app.config.memory.leak
    alert = app.kept.alerts.get("MemoryLeak")
    factor = LEAK_GOES_ON if alert is not None and alert.severity is not None else 1.0
    calm = Reading(level=None, summary=f"{app.name}'s memory does not grow towards its limit")
    if _rise(app) < LEAK_RISE * factor * limit / 2.0:
        # Cheap, and enough for most: the slope below takes all pairs of samples.
        return calm
    found = growth(app.trend, rules.window)
    if found is None or found.slope <= 0.0:
        return calm
    left = max(0.0, (limit - usage.memory) / found.slope)
    if found.tau < LEAK_TAU * factor or found.rise < LEAK_RISE * factor * limit or left * factor > rules.horizon:
        return calm
    return Reading(
        level="warning",
        value=left,
        threshold=rules.horizon,
        summary=f"{app.name}'s memory grows by {found.slope * 3600.0 / 2**20:.1f} MiB an hour and hits its limit in "
        f"{f'{left / 3600.0:.1f} h' if left >= 3600.0 else f'{left / 60.0:.1f} min'}",
        advice="look for a leak; plan a restart before then",
    )


def _rise(app: AppState) -> float:
    """From the middle of the first third of the samples to the middle of the last."""
    values = [value for _, value in app.trend.points]
    third = max(1, len(values) // 3)
    return median(values[-third:]) - median(values[:third])


def _high_cpu(app: AppState, share: float, reading: Reading) -> Reading:
    rules = app.config.cpu
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=min(rules.for_, 60.0),
        summary=f"{app.name} uses {share:.0%} of the CPU it may use",
        advice="see the request rate, the model's cost and other load on this host",
    )


def _throttled(app: AppState, share: float, reading: Reading) -> Reading:
    rules = app.config.cpu
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=min(rules.for_, 60.0),
        summary=f"{app.name} is held back by its CPU quota in {share:.0%} of all scheduler periods",
        advice="its latency suffers: raise its quota (docker update --cpus), or use fewer threads",
    )
