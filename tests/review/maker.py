"""A week of an invented device, hour by hour."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from edged.ports.history import HOUR, MINUTE, Point, Series
from edged.report.payloads import encode_event
from edged.review.material import Material, told
from edged.vocabulary import events as ev
from edged.vocabulary.event import Event

END = 1_800_000_000.0 // HOUR * HOUR
WEEK = 7 * 86400.0
BEGIN = END - WEEK
encode = functools.partial(encode_event, device="press-7")

APP: dict[str, Any] = {
    "state": "healthy",
    "reason": "its probe answers",
    "placed": {"model": {"name": "anomaly", "version": "1.4"}},
    "drift": None,
    "problems": [],
    "maintenance": None,
}
STATUS: dict[str, Any] = {
    "device": "press-7",
    "labels": {"site": "plant-a"},
    "version": "1",
    "boot": 3,
    "storage_error": "",
    "config": {"errors": []},
    "alerts": [],
    "apps": {"detector": APP},
    "host": {"clock_synced": True, "disks": {}},
}
COUNTS: dict[str, Any] = {
    "incidents": 0, "open": 0, "by_severity": {"P0": 0, "P1": 0, "P2": 0, "P3": 0}, "by_kind": {}, "by_cause": {},
    "by_alert": {}, "escalated": 0, "reopened": 0, "drills": 0, "mttd_seconds": None, "mttr_seconds": None,
}  # fmt: skip
LIMITS = {
    "detector": {"memory.warn": 0.8, "memory.critical": 0.95, "metrics.latency.warn": 0.2},
    "host": {"disk.critical": 0.9},
}


def log(*events: tuple[float, Event], first: int = 1, skip: tuple[int, ...] = ()) -> Iterator[bytes]:
    """Seconds after the beginning, and what happened."""
    numbered = [(first + n, at, event) for n, (at, event) in enumerate(events)]
    return (encode(n, 3, BEGIN + at, event) for n, at, event in numbered if n not in skip)


def gauge(subject: str, metric: str, value: float, per_day: float = 0.0, step: int = HOUR) -> Series:
    points = tuple(
        Point(int(BEGIN) + h * HOUR, 60, v * 0.99, v, v * 1.01, v)
        for h in range(168)
        for v in [value + per_day * h / 24.0]
    )
    return Series(subject, metric, step, points)


def amount(subject: str, metric: str, an_hour: float) -> Series:
    points = tuple(Point(int(BEGIN) + h * HOUR, 1, an_hour, an_hour, an_hour, an_hour) for h in range(168))
    return Series(subject, metric, HOUR, points)


HOURS = (
    gauge("detector", "memory.share", 0.4),
    gauge("detector", "cpu.share", 0.2),
    gauge("detector", "latency", 0.05),
    amount("detector", "requests", 1000.0),
    amount("detector", "failed", 1.0),
    amount("detector", "logs.errors", 2.0),
    amount("detector", "state.healthy", 3600.0),
    gauge("host", "disk.share:/", 0.5),
    gauge("host", "memory.share", 0.5),
)


def material(*events: tuple[float, Event], skip: tuple[int, ...] = (), **changed: Any) -> Material:
    started = (0.0, ev.EdgedStarted(subject="edged", boot=3, version="1", previous_end="clean", host_rebooted=False))
    states = {name: app["state"] for name, app in STATUS["apps"].items()}
    found = Material(
        since=BEGIN,
        until=END,
        status=STATUS,
        told=told(log(started, *events, skip=skip), BEGIN, END, states),
        hours=HOURS,
        incidents={"open": [], "past": [], "counts": COUNTS},
        audit={"ok": True, "records": 4, "head": "4:abcd", "faults": []},
        limits=LIMITS,
    )
    return replace(found, **changed)


__all__ = ["BEGIN", "END", "HOURS", "MINUTE", "STATUS", "WEEK", "amount", "gauge", "log", "material"]
