"""The review as one document: what ``edged report --format json`` prints, and all other formats are made from. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from ..ports.history import Series
from .advising import advice
from .material import Material
from .numbers import RESOURCES, Lines, availability, by_subject, endpoint, logs, resources, seconds_in, total, traffic
from .quality import quality
from .verdict import findings

HOST = ("memory.share", "cpu.share", "temperature", "disk.share", "disk.inodes")
ILL = ("down", "missing", "unhealthy", "restarting", "starting")
VERSION = 1
DAY = 86400.0
"""Seconds below which the events alone tell: they are exact to the second."""


def review(material: Material) -> dict[str, Any]:
    """Times are RFC 3339 (``from``, ``to``) or seconds; shares from 0 to 1. It holds all of ``report.summary``."""
    told, status = material.told, material.status
    lines = by_subject(material.hours)
    found: dict[str, Any] = {
        "format": VERSION,
        "device": status["device"],
        "labels": status["labels"],
        "version": status["version"],
        "boot": status["boot"],
        **told.counted,
        "events_counted": told.counted["events"],
        "events": {
            "first": told.proof.first,
            "last": told.proof.last,
            "count": told.proof.count,
            "told_lost": told.proof.told_lost,
            "missing": [list(gap) for gap in told.proof.missing],
            "oldest": {"sequence": material.oldest[0], "time": material.oldest[1]} if material.oldest else None,
        },
        "audit": material.audit,
        "storage_error": status["storage_error"],
        "config_errors": status["config"]["errors"],
        "firing": status["alerts"],
        "alert_quality": [msgspec.to_builtins(one) for one in quality(told.firings, told.acted, material.until)],
        "advice": [msgspec.to_builtins(one) for one in advice(material.advisable, material.minutes, told.signs)],
        "incidents": material.incidents,
        "deployments": list(told.deployments),
        "drills": [msgspec.to_builtins(one) for one in told.drills],
    }
    names = sorted({*told.counted["apps"], *status["apps"]})
    found["apps"] = {name: _app(name, material, lines.get(name, {})) for name in names}
    found["host"] = _host(material, lines.get("host", {}))
    asked = {name: endpoint(of) for name, of in sorted(lines.items())}
    found["endpoints"] = {name: seen for name, seen in asked.items() if seen is not None}
    found["charts"] = charts(material)
    judged = findings(found)
    found["findings"] = [msgspec.to_builtins(one) for one in judged]
    found["verdict"] = "attention" if any(one.level == "attention" for one in judged) else "ok"
    return found


def _app(name: str, material: Material, lines: Lines) -> dict[str, Any]:
    counted: dict[str, Any] = material.told.counted["apps"].get(name, {})
    now = material.status["apps"].get(name)
    limits = material.limits.get(name, {})
    whole = material.until - material.since >= DAY
    seconds = seconds_in(lines if whole else {}, counted.get("seconds_in", {}))
    drift = now["drift"] if now is not None else None
    backups = material.told.backups.get(name)
    restarts = counted.get("counts", {}).get("restarts", 0)
    if whole:  # events may not go back as far as figures do; these are by the hour, and of a minute ago
        restarts = max(restarts, round(total(lines, "restarts") or 0.0))
    return {
        **counted,
        "counts": counted.get("counts", {}),
        "state": now["state"] if now is not None else "gone",
        "reason": now["reason"] if now is not None else "it is not watched any more",
        "model": _model(now),
        "container": ((now or {}).get("container") or {}).get("name", name),
        "seconds_in": seconds,
        "availability": availability(seconds),
        "ill_seconds": {state: seconds[state] for state in ILL if seconds.get(state)},
        "restarts": restarts,
        "resources": resources(lines, RESOURCES, limits),
        "traffic": traffic(lines, limits),
        "logs": logs(lines),
        "drift": drift,
        "drifted": sorted(drift["drifted"]) if drift is not None else [],
        "backups": msgspec.to_builtins(backups) if backups is not None else None,
        "problems": now["problems"] if now is not None else [],
        "maintenance": now["maintenance"] if now is not None else None,
    }


def _model(now: dict[str, Any] | None) -> str:
    placed = (now or {}).get("placed", {}).get("model")
    return f"{placed['name']} {placed['version']}".strip() if placed else ""


def _host(material: Material, lines: Lines) -> dict[str, Any]:
    metrics = [metric for metric in lines if metric.partition(":")[0] in HOST]
    host = material.status["host"]
    return {
        "resources": resources(
            lines, sorted(m for m in metrics if m != "temperature"), material.limits.get("host", {})
        ),
        "temperature": _temperature(lines),
        "clock_synced": host.get("clock_synced"),
        "disks": host.get("disks", {}),
    }


def _temperature(lines: Lines) -> dict[str, float] | None:
    line = lines.get("temperature")
    if line is None:
        return None
    return {"max": max(p.max for p in line.points), "last": line.points[-1].last}


def charts(material: Material) -> list[dict[str, Any]]:
    """Hourly lines worth drawing: what is measured as a share, and latency."""
    wanted = ("memory.share", "cpu.share", "disk.share", "latency", "drift.score")
    return [_chart(one) for one in material.hours if one.metric.partition(":")[0] in wanted and len(one.points) > 1]


def _chart(one: Series) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "metric": one.metric,
        "step": one.step,
        "points": [[point.begin, round(point.mean, 4), round(point.max, 4)] for point in one.points],
    }
