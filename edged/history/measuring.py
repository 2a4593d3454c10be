"""From a fact, and the state before and after it, to numbers: (subject, metric, value)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from ..judge.quantiles import quantile
from ..vocabulary import facts
from ..vocabulary.event import Event
from ..vocabulary.events import AppChanged
from ..vocabulary.inference import Mark
from ..vocabulary.state import AppState, State

Number = tuple[str, str, float]
DOWN = ("down", "missing")


def numbers(fact: facts.Fact, before: State, after: State, events: tuple[Event, ...]) -> Iterator[Number]:
    """All that ``fact`` says of the metrics of ``ports.history.METRICS``, but for the time in each condition."""
    measure = MEASURES.get(type(fact))
    if measure is not None:
        yield from measure(fact, after)
    for event in events:
        if isinstance(event, AppChanged) and event.new in DOWN and event.old not in DOWN:
            yield event.subject, "deaths", 1.0
    if before.apps is not after.apps:
        for name, app in after.apps.items():
            old = before.apps.get(name)
            if old is not None and old.kept is not app.kept and app.kept.restarts > old.kept.restarts:
                yield name, "restarts", float(app.kept.restarts - old.kept.restarts)


def resources(fact: facts.ResourcesSampled, state: State) -> Iterator[Number]:
    seen = {usage.container_id for usage in fact.usages}
    for name, app in state.apps.items():
        usage = app.usage
        if usage is None or usage.container_id not in seen:
            continue
        yield name, "memory", float(usage.memory)
        sample = state.host.sample
        limits = [limit for limit in (usage.memory_limit, sample.memory_total if sample else None) if limit]
        if limits:
            yield name, "memory.share", usage.memory / min(limits)
        if app.cpu.share is not None:
            yield name, "cpu.share", app.cpu.share
            yield name, "cpu.cores", app.cpu.share * (usage.cpu_limit or float(sample.cpu_count if sample else 1))
        if app.cpu.throttled is not None:
            yield name, "cpu.throttled", app.cpu.throttled


def host(fact: facts.HostSampled, state: State) -> Iterator[Number]:
    sample = fact.host
    yield "host", "memory", float(sample.memory_total - sample.memory_available)
    yield "host", "memory.share", sample.memory_used_share
    yield "host", "load", sample.load[0]
    if sample.swap_total:
        yield "host", "swap", float(sample.swap_used)
    if sample.cpu_busy is not None:
        yield "host", "cpu.share", sample.cpu_busy
    if sample.temperature is not None:
        yield "host", "temperature", sample.temperature


def disk(fact: facts.DiskSampled, state: State) -> Iterator[Number]:
    seen = fact.disk
    yield "host", f"disk.share:{seen.path}", seen.used_share
    yield "host", f"disk.free:{seen.path}", float(seen.free)
    if seen.inodes:
        yield "host", f"disk.inodes:{seen.path}", seen.inodes_used_share


def probe(fact: facts.ProbeFinished, state: State) -> Iterator[Number]:
    if fact.ok:
        yield fact.subject, "probe", fact.seconds
    else:
        yield fact.subject, "probe.failed", 1.0


def traffic(fact: facts.TrafficSampled, state: State) -> Iterator[Number]:
    app = state.apps.get(fact.app)
    if app is None:
        return
    seen = app.inference
    if seen.latency is not None:
        yield app.name, "latency", seen.latency
    if seen.gauge is not None:
        yield app.name, "quality", seen.gauge
    if len(seen.marks) < 2:
        return
    last, now = seen.marks[-2:]
    yield app.name, "requests", max(0.0, now.requests - last.requests)
    yield app.name, "failed", max(0.0, now.failed - last.failed)
    buckets = _between(_window(app), now)
    for metric, q in (("latency.p50", 0.5), ("latency.p99", 0.99)):
        value = quantile(q, buckets) if buckets else None
        if value is not None:
            yield app.name, metric, value


def drift(fact: facts.RowsCounted, state: State) -> Iterator[Number]:
    inputs = state.inputs.get(fact.app)
    if inputs is None or not inputs.state.features:
        return
    features = inputs.state.features.values()
    if inputs.state.windows:
        yield fact.app, "drift.score", max(one.excess for one in features)
    yield fact.app, "drift.features", float(sum(one.drifted_since is not None for one in features))


def logs(fact: facts.LogsCounted, state: State) -> Iterator[Number]:
    for one in fact.apps:
        for kind, count in one.counts.items():
            yield one.app, f"logs.{kind}", float(count)


MEASURES: Mapping[type[facts.Fact], Callable[[Any, State], Iterator[Number]]] = {
    facts.ResourcesSampled: resources,
    facts.HostSampled: host,
    facts.DiskSampled: disk,
    facts.ProbeFinished: probe,
    facts.TrafficSampled: traffic,
    facts.RowsCounted: drift,
    facts.LogsCounted: logs,
}


def _window(app: AppState) -> Mark:
    """The mark at which the window of the app's latency begins."""
    marks, rules = app.inference.marks, app.config.metrics
    wanted = rules.latency.for_ if rules is not None and rules.latency is not None else 120.0
    since = marks[-1].at - wanted
    return next((old for old, new in pairwise(marks) if new.at > since), marks[-2])


def _between(old: Mark, new: Mark) -> list[tuple[float, float]]:
    known = dict(old.buckets)
    return [(bound, max(0.0, count - known.get(bound, 0.0))) for bound, count in new.buckets]
