"""Prometheus metrics, rendered from the snapshot when they are scraped and not before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import __version__
from ..vocabulary import events as ev
from ..vocabulary.deployments import ENDS
from . import backups, drift, drills, incidents, inference, logs
from .audit import unsigned
from .runbook_counts import RunbookCounts
from .snapshot import Snapshot, alerts

DETECT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
RECOVER_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Buckets:
    """A cumulative histogram of seconds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, seconds: float) -> None:
        index = next((i for i, bound in enumerate(self.bounds) if seconds <= bound), len(self.bounds))
        self.counts[index] += 1
        self.sum += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        total, rows = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class Counters:
    """What is counted as events pass by. One writer (the recorder), any reader."""

    def __init__(self) -> None:
        self.actions: Counter[tuple[str, str]] = Counter()
        self.deployments: Counter[tuple[str, str]] = Counter()
        self.reloads: Counter[str] = Counter({"ok": 0, "refused": 0})
        self.commands: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.dropped = 0
        self.detect = Buckets(DETECT_BUCKETS)
        self.recover = Buckets(RECOVER_BUCKETS)
        self.runbooks = RunbookCounts()

    def count(self, event: ev.Event) -> None:
        match event:
            case ev.ActionEnded():
                self.actions[event.action, "ok" if event.ok else "failed"] += 1
            case ev.ConfigReloaded():
                self.reloads["ok"] += 1
            case ev.ConfigRefused():
                self.reloads["refused"] += 1
            case ev.DeploymentChanged(new=result) if result in ENDS:
                self.deployments[event.subject, result] += 1
            case ev.RecoveryStarted():
                self.detect.observe(event.detected_after)
            case ev.RecoverySucceeded():
                self.recover.observe(event.seconds)
            case ev.EventsDropped():
                self.dropped += event.count
            case ev.CommandsRefused():
                self.refused[event.code] += event.count
            case ev.CommandAnswered():
                self._command(event)
            case _:
                self.runbooks.count(event)

    def _command(self, event: ev.CommandAnswered) -> None:
        """A repeated one is refused as a command, although its sender gets the answer of before."""
        if event.request.get("repeated"):
            self.refused["repeated"] += 1
        elif event.status in ("rejected", "expired"):
            if not unsigned(event):  # ``CommandsRefused`` counts that
                self.refused[event.reason] += 1
        else:
            self.commands[event.command, event.status] += 1


class Vitals:
    """edged's own pulse, asked for at scrape time."""

    def __init__(
        self,
        spool: Callable[[], tuple[int, int]],
        lag: Callable[[], float],
        checks: Callable[[], Mapping[str, tuple[int, float]]],
    ) -> None:
        self.spool, self.lag, self.checks = spool, lag, checks


def render(shot: Snapshot, counters: Counters, vitals: Vitals) -> bytes:
    """The page of ``/metrics``, text format 0.0.4."""
    from prometheus_client.exposition import generate_latest
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(shot, counters, vitals))
    return generate_latest(registry)


class _Collector:
    def __init__(self, shot: Snapshot, counters: Counters, vitals: Vitals) -> None:
        self._shot, self._counters, self._vitals = shot, counters, vitals

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        yield from _apps(self._shot)
        yield from inference.families(self._shot)
        yield from logs.families(self._shot)
        yield from drift.families(self._shot)
        yield from incidents.families(self._shot)
        yield from backups.families(self._shot)
        yield from drills.families(self._shot)
        yield from self._counters.runbooks.families(self._shot)
        yield from _host(self._shot)
        yield from _disks(self._shot)
        yield from _own(self._shot, self._counters, self._vitals)


def _apps(shot: Snapshot) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    up = GaugeMetricFamily("edged_app_up", "1 when the app's container runs", labels=["app"])
    healthy = GaugeMetricFamily("edged_app_healthy", "1 when the app is healthy", labels=["app"])
    maintenance = GaugeMetricFamily("edged_app_maintenance", "1 while the app is in maintenance", labels=["app"])
    circuit = GaugeMetricFamily("edged_app_circuit_open", "1 when the restart budget is spent", labels=["app"])
    memory = GaugeMetricFamily(
        "edged_container_memory_working_set_bytes", "Memory in use less inactive file cache", labels=["app"]
    )
    limit = GaugeMetricFamily("edged_container_memory_limit_bytes", "Memory limit", labels=["app"])
    pids = GaugeMetricFamily("edged_container_pids", "Processes and threads", labels=["app"])
    cpu = CounterMetricFamily("edged_container_cpu_usage_seconds", "CPU time used", labels=["app"])
    throttled = CounterMetricFamily("edged_container_cpu_throttled_seconds", "Time throttled by quota", labels=["app"])
    oom = CounterMetricFamily("edged_container_oom_kills", "Processes killed for want of memory", labels=["app"])
    restarts = CounterMetricFamily("edged_container_restarts", "Restarts and starts by edged", labels=["app"])
    probe = GaugeMetricFamily("edged_probe_duration_seconds", "Duration of the last health probe", labels=["app"])
    for name, app in shot.state.apps.items():
        up.add_metric([name], float(app.container is not None and app.container.status == "running"))
        healthy.add_metric([name], float(app.condition == "healthy"))
        maintenance.add_metric([name], float(app.kept.maintenance is not None))
        circuit.add_metric([name], float(app.kept.recovery.open))
        restarts.add_metric([name], float(app.kept.restarts))
        if app.probe.last_at is not None:
            probe.add_metric([name], app.probe.seconds)
        usage = app.usage
        if usage is None:
            continue
        memory.add_metric([name], float(usage.memory))
        if usage.memory_limit is not None:
            limit.add_metric([name], float(usage.memory_limit))
        if usage.pids is not None:
            pids.add_metric([name], float(usage.pids))
        cpu.add_metric([name], usage.cpu_seconds)
        throttled.add_metric([name], usage.throttled_seconds)
        oom.add_metric([name], float(usage.oom_kills))
    yield from (up, healthy, maintenance, circuit, memory, limit, pids, cpu, throttled, oom, restarts, probe)
    yield from _placed(shot)
    ok = GaugeMetricFamily("edged_dependency_up", "1 when the dependency answers", labels=["dependency"])
    for name, dependency in shot.state.dependencies.items():
        if dependency.streak.verdict != "unknown":
            ok.add_metric([name], float(dependency.streak.verdict == "good"))
    yield ok
    firing = GaugeMetricFamily("edged_alerts", "Alerts that fire", labels=["name", "severity", "subject"])
    for name, subject, alert in alerts(shot.state):
        firing.add_metric([name, alert.severity or "", subject], 1.0)
    yield firing


def _placed(shot: Snapshot) -> Iterator[Any]:
    """What each app has: the digest is a label of a gauge that is always 1, as is the way with versions."""
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    info = InfoMetricFamily("edged_app", "What is deployed to the app", labels=["app", "kind"])
    running = GaugeMetricFamily("edged_deployment_running", "1 while a deployment is under way", labels=["app"])
    for name, app in shot.state.apps.items():
        if app.config.model is not None or app.config.app_config is not None:
            running.add_metric([name], float(app.kept.deployment is not None))
        for kind, placed in app.kept.placed.items():
            now = placed.current
            info.add_metric([name, kind], {"name": now.name, "version": now.version, "digest": now.digest})
    yield from (info, running)


def _host(shot: Snapshot) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    sample = shot.state.host.sample
    if sample is None:
        return
    plain: list[tuple[str, str, float | None]] = [
        ("edged_host_memory_total_bytes", "Memory of the host", float(sample.memory_total)),
        ("edged_host_memory_available_bytes", "Memory that can still be had", float(sample.memory_available)),
        ("edged_host_swap_used_bytes", "Swap in use", float(sample.swap_used)),
        ("edged_host_cpu_busy_ratio", "Share of all cores that is busy", sample.cpu_busy),
        ("edged_host_load1", "Load average over one minute", sample.load[0]),
        ("edged_host_temperature_celsius", "Hottest sensor", sample.temperature),
        ("edged_host_throttled", "1 while the CPU is slowed for heat or power", _flag(sample.throttled)),
        ("edged_host_clock_synced", "1 when the clock is synchronised", _flag(sample.clock_synced)),
    ]
    for name, text, value in plain:
        if value is not None:
            yield GaugeMetricFamily(name, text, value=value)
    if sample.oom_kills is not None:
        yield CounterMetricFamily("edged_host_oom_kills", "OOM kills since boot", value=float(sample.oom_kills))
    pressure = GaugeMetricFamily("edged_host_pressure_ratio", "PSI avg10", labels=["resource"])
    for resource, share in sample.pressure.items():
        pressure.add_metric([resource], share)
    yield pressure


def _disks(shot: Snapshot) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    used = GaugeMetricFamily("edged_host_disk_used_ratio", "Share of the file system in use", labels=["path"])
    free = GaugeMetricFamily("edged_host_disk_free_bytes", "Bytes left", labels=["path"])
    inodes = GaugeMetricFamily("edged_host_disk_inodes_used_ratio", "Share of the inodes in use", labels=["path"])
    for disk in shot.state.host.disks.values():
        used.add_metric([disk.path], disk.used_share)
        free.add_metric([disk.path], float(disk.free))
        inodes.add_metric([disk.path], disk.inodes_used_share)
    yield from (used, free, inodes)


def _flag(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _own(shot: Snapshot, counters: Counters, vitals: Vitals) -> Iterator[Any]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        SummaryMetricFamily,
    )

    yield InfoMetricFamily("edged_build", "edged itself", value={"version": __version__})
    yield GaugeMetricFamily(
        "edged_engine_up", "1 when the container engine answers", value=float(bool(shot.state.engine.up))
    )
    yield GaugeMetricFamily("edged_broker_connected", "1 while connected to the broker", value=float(shot.state.broker))
    messages, size = vitals.spool()
    yield GaugeMetricFamily("edged_spool_messages", "Events not yet acknowledged by the broker", value=float(messages))
    yield GaugeMetricFamily("edged_spool_bytes", "Bytes of these events", value=float(size))
    yield CounterMetricFamily("edged_spool_dropped", "Events given up unsent", value=float(counters.dropped))
    yield GaugeMetricFamily("edged_loop_lag_seconds", "Longest wait of a fact in the last minute", value=vitals.lag())
    actions = CounterMetricFamily("edged_actions", "Actions carried out", labels=["action", "result"])
    for (action, result), number in sorted(counters.actions.items()):
        actions.add_metric([action, result], float(number))
    yield actions
    deployments = CounterMetricFamily(
        "edged_deployments", "Deployments that came to their end", labels=["app", "result"]
    )
    # With zeros: of what begins at 1, nobody can tell that it grew.
    taking = [name for name, a in shot.state.apps.items() if a.config.model or a.config.app_config]
    for key in sorted({(app, result) for app in taking for result in ENDS} | counters.deployments.keys()):
        deployments.add_metric(list(key), float(counters.deployments[key]))
    yield deployments
    commands = CounterMetricFamily(
        "edged_commands", "Answers to commands that were carried out", labels=["type", "status"]
    )
    for (command, answer), number in sorted(counters.commands.items()):
        commands.add_metric([command, answer], float(number))
    yield commands
    refused = CounterMetricFamily("edged_commands_refused", "Commands that were refused", labels=["code"])
    for code, number in sorted(counters.refused.items()):
        refused.add_metric([code], float(number))
    yield refused
    reloads = CounterMetricFamily("edged_config_reloads", "Configuration reloads", labels=["result"])
    for result, number in sorted(counters.reloads.items()):
        reloads.add_metric([result], float(number))
    yield reloads
    for name, text, buckets in (
        ("edged_detect_seconds", "First sign of trouble to decision", counters.detect),
        ("edged_recover_seconds", "First sign of trouble to verified healthy", counters.recover),
    ):
        family = HistogramMetricFamily(name, text)
        family.add_metric([], buckets.cumulative(), buckets.sum)
        yield family
    checks = SummaryMetricFamily("edged_check_duration_seconds", "Duration of checks", labels=["check"])
    for check, (count, seconds) in sorted(vitals.checks().items()):
        checks.add_metric([check], count_value=count, sum_value=seconds)
    yield checks
