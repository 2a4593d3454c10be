"""One app, or the host, in numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

from ..ports.history import HOUR, Series
from .fit import forecast

UNCOUNTED = ("stopped", "unknown", "paused", "unwatched")
"""Time in these says nothing about how available an app is: a person, or nobody who looked."""
RESOURCES = ("memory.share", "cpu.share")

Lines = Mapping[str, Series]
"""By metric, of one subject."""


def by_subject(series: Iterable[Series]) -> dict[str, dict[str, Series]]:
    found: dict[str, dict[str, Series]] = {}
    for one in series:
        found.setdefault(one.subject, {})[one.metric] = one
    return found


def total(lines: Lines, metric: str) -> float | None:
    """Of an amount; ``None``: it was never measured."""
    line = lines.get(metric)
    return sum(point.total for point in line.points) if line is not None else None


def seconds_in(lines: Lines, fallback: Mapping[str, float]) -> dict[str, float]:
    """Seconds in each condition: as measured, or as the events tell where nothing was."""
    measured = {
        metric.removeprefix("state."): round(sum(point.total for point in line.points), 1)
        for metric, line in lines.items()
        if metric.startswith("state.")
    }
    return measured or dict(fallback)


def availability(seconds: Mapping[str, float]) -> float | None:
    """Healthy time as a share of the time in which the app was meant to run and edged looked.

    ``None``: there was none.
    """
    counted = sum(value for state, value in seconds.items() if state not in UNCOUNTED)
    return seconds.get("healthy", 0.0) / counted if counted > 0.0 else None


def level(lines: Lines, metric: str) -> dict[str, float] | None:
    """Mean and highest of a gauge, and what it was last."""
    line = lines.get(metric)
    if line is None or not line.points:
        return None
    weight = sum(point.count for point in line.points)
    mean = sum(point.mean * point.count for point in line.points) / weight
    return {
        "mean": round(mean, 4),
        "max": round(max(point.max for point in line.points), 4),
        "last": round(line.points[-1].last, 4),
    }


def trend(lines: Lines, metric: str, limit: float, *, down: bool = False) -> dict[str, float | None] | None:
    """``per_day``, and ``seconds`` until ``limit``; ``None``: it goes nowhere. ``down``: the limit is a lower one."""
    line, sign = lines.get(metric), -1.0 if down else 1.0
    points = [(float(point.begin), sign * point.mean) for point in line.points] if line is not None else []
    found = forecast(points, sign * limit)
    if found is None:
        return None
    seconds = None if found.seconds is None else round(found.seconds)
    return {"per_day": round(sign * found.per_day, 5), "seconds": seconds}


def resources(lines: Lines, metrics: Sequence[str], limits: Mapping[str, float]) -> dict[str, Any]:
    """By metric: level, and trend towards the limit (its critical threshold; 1 where there is none)."""
    found: dict[str, Any] = {}
    for metric in metrics:
        seen = level(lines, metric)
        if seen is not None:
            key = metric.partition(":")[0].partition(".")[0]
            limit = limits.get(f"{key}.critical", 1.0) or 1.0
            found[metric] = seen | {"limit": limit, "trend": trend(lines, metric, limit)}
    return found


def endpoint(lines: Lines) -> dict[str, Any] | None:
    """How often it answered well, how quickly, and how often not; ``None``: nobody asked it."""
    answered, failed = lines.get("probe"), total(lines, "probe.failed")
    if answered is None and failed is None:
        return None
    good = sum(point.count for point in answered.points) if answered is not None else 0
    bad = round(failed or 0.0)
    seconds = level(lines, "probe")
    return {"answered": good, "failed": bad, "failed_ratio": round(bad / (good + bad), 6), "seconds": seconds}


def logs(lines: Lines) -> dict[str, int] | None:
    """Lines that matched; ``None``: its log was not read."""
    kinds = {kind: total(lines, f"logs.{kind}") for kind in ("errors", "slow", "auth")}
    if all(value is None for value in kinds.values()):
        return None
    return {kind: round(value or 0.0) for kind, value in kinds.items()}


def traffic(lines: Lines, limits: Mapping[str, float]) -> dict[str, Any] | None:
    """Requests, errors and latency; ``None``: the app was not asked."""
    requests, failed = total(lines, "requests"), total(lines, "failed")
    latency = level(lines, "latency")
    quality = level(lines, "quality")
    if requests is None and latency is None and quality is None:
        return None
    warn, least = limits.get("metrics.latency.warn") or inf, limits.get("metrics.quality.min", -inf)
    return {
        "requests": None if requests is None else round(requests),
        "error_ratio": round((failed or 0.0) / requests, 6) if requests else None,
        "latency_seconds": latency,
        "latency_warn_seconds": limits.get("metrics.latency.warn") or None,
        "hours_over_budget": _over(lines, limits.get("metrics.latency.warn", 0.0)),
        "latency_trend": trend(lines, "latency", warn),
        "quality": quality,
        "quality_min": limits.get("metrics.quality.min"),
        "quality_trend": trend(lines, "quality", least, down=True),
    }


def _over(lines: Lines, budget: float) -> float:
    """Hours."""
    line = lines.get("latency")
    if line is None or not budget:
        return 0
    return round(sum(point.mean > budget for point in line.points) * line.step / HOUR, 2)
