"""Memory and CPU of containers: HighMemory, MemoryLeak, HighCpu, CpuThrottled."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import Event
from ..vocabulary.facts import ResourcesSampled
from ..vocabulary.state import Alert, AppState, Cpu, State
from ..vocabulary.world import Usage
from .alerting import Reading, advance
from .app_alerts import put
from .outcome import Judgement
from .probes import mend_host
from .trend import add, growth

LEAK_TAU = 0.7
"""So monotonic must a rise be to be called a leak."""
LEAK_RISE = 0.05
"""Share of the limit that it must have grown within the window."""
CLEAR_BELOW = 0.95
"""Hysteresis: an alert that fires clears below 95 % of its threshold."""


def sampled(state: State, fact: ResourcesSampled, config: Config, now: float) -> Judgement:
    """One pass over all containers."""
    by_id = {u.container_id: u for u in fact.usages}
    host = state.host.sample
    apps = dict(state.apps)
    events: list[Event] = []
    touched: list[str] = []
    for name, app in state.apps.items():
        usage = by_id.get(app.container.id) if app.container is not None else None
        if usage is None:
            continue
        new, told = judge_usage(
            app, usage, host.memory_total if host else None, host.cpu_count if host else 1, config, fact.at
        )
        apps[name] = new
        if told:
            events.extend(told)
            touched.append(name)
    mended = mend_host(replace(state, apps=apps), "resources")
    return Judgement(mended.state, events=(*mended.events, *events), touched=tuple(touched))


def judge_usage(
    app: AppState, usage: Usage, host_memory: int | None, cores: int, config: Config, at: float
) -> tuple[AppState, list[Event]]:
    """Takes one sample of one app into its trend and alerts."""
    limit = usage.memory_limit if usage.memory_limit is not None else host_memory
    cpu = cpu_use(app, usage, cores, at)
    trend = add(app.trend, at, float(usage.memory), app.config.memory.leak.window)
    readings = {
        "HighMemory": high_memory(app, usage, limit),
        "HighCpu": high_cpu(app, cpu),
        "CpuThrottled": throttled(app, cpu),
    }
    if trend is not app.trend:
        readings["MemoryLeak"] = leak(replace(app, trend=trend), usage, limit)
    alerts = app.kept.alerts
    events: list[Event] = []
    for name, reading in readings.items():
        old = alerts.get(name)
        if old is None and reading.level is None:
            continue
        new, told, _ = advance(name, app.name, old or Alert(), reading, at, config.alerts)
        events.extend(told)
        if new is not old:
            alerts = put(alerts, name, new)
    if alerts is not app.kept.alerts:
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    return replace(app, usage=usage, usage_at=at, cpu=cpu, trend=trend), events


def cpu_use(app: AppState, usage: Usage, cores: int, at: float) -> Cpu:
    """CPU share and throttled share since the sample before; unknown when the counters began anew."""
    before = app.usage
    seconds = at - app.usage_at
    if before is None or before.container_id != usage.container_id or seconds <= 0.0:
        return Cpu()
    spent = usage.cpu_seconds - before.cpu_seconds
    if spent < 0.0:
        return Cpu()
    periods = usage.periods - before.periods
    return Cpu(
        share=spent / seconds / (usage.cpu_limit or float(cores)),
        throttled=(usage.throttled_periods - before.throttled_periods) / periods if periods > 0 else 0.0,
    )


def level(value: float, warn: float, critical: float | None, alert: Alert | None) -> Reading:
    """The level of a value against its thresholds, with hysteresis while the alert fires."""
    firing = alert.severity if alert is not None else None
    critical_line = (critical or 0.0) * (CLEAR_BELOW if firing == "critical" else 1.0)
    warn_line = warn * (CLEAR_BELOW if firing is not None else 1.0)
    if critical is not None and value >= critical_line:
        return Reading(level="critical", value=value, threshold=critical)
    if value >= warn_line:
        return Reading(level="warning", value=value, threshold=warn)
    return Reading(level=None, value=value, threshold=warn)


def high_memory(app: AppState, usage: Usage, limit: int | None) -> Reading:
    rules = app.config.memory
    share = usage.memory / limit if limit else 0.0
    of = "its limit" if usage.memory_limit is not None else "the host's memory (it has no limit of its own)"
    reading = level(share, rules.warn, rules.critical, app.kept.alerts.get("HighMemory"))
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=rules.for_,
        summary=f"{app.name} uses {share:.0%} of {of}: {usage.memory / 2**20:.0f} MiB",
        advice="when it becomes critical the app is restarted; raise the limit if this much is normal for it",
    )


def leak(app: AppState, usage: Usage, limit: int | None) -> Reading:
    """Will a steady rise hit the limit within the horizon?"""
    rules = app.config.memory.leak
    found = growth(app.trend, rules.window)
    if found is None or not limit or found.slope <= 0.0:
        return Reading(level=None)
    left = (limit - usage.memory) / found.slope
    if found.tau < LEAK_TAU or found.rise < LEAK_RISE * limit or left > rules.horizon:
        return Reading(level=None, summary=f"{app.name}'s memory no longer grows towards its limit")
    return Reading(
        level="warning",
        value=left,
        threshold=rules.horizon,
        summary=f"{app.name}'s memory grows by {found.slope * 3600.0 / 2**20:.1f} MiB an hour and hits its limit in "
        f"{left / 3600.0:.1f} h",
        advice="look for a leak; plan a restart before then",
    )


def high_cpu(app: AppState, cpu: Cpu) -> Reading:
    rules = app.config.cpu
    reading = level(cpu.share or 0.0, rules.warn, None, app.kept.alerts.get("HighCpu"))
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=min(rules.for_, 60.0),
        summary=f"{app.name} uses {cpu.share or 0.0:.0%} of the CPU it may use",
        advice="see the request rate, the model's cost and other load on this host",
    )


def throttled(app: AppState, cpu: Cpu) -> Reading:
    rules = app.config.cpu
    reading = level(cpu.throttled or 0.0, rules.throttled, None, app.kept.alerts.get("CpuThrottled"))
    return replace(
        reading,
        raise_for=rules.for_,
        clear_for=min(rules.for_, 60.0),
        summary=f"{app.name} is held back by its CPU quota in {cpu.throttled or 0.0:.0%} of all scheduler periods",
        advice="its latency suffers: raise its quota (docker update --cpus), or use fewer threads",
    )
