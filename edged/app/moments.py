"""The last minutes in memory, for the evidence: usage, answers of probes, the host, and what was told."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import msgspec
from msgspec import Struct

from ..report.payloads import rfc3339
from ..report.snapshot import Snapshot
from ..vocabulary.events import CommandPiece, Event
from ..vocabulary.state import AppState

MINUTES = 5.0
SAMPLES = 60
"""Of one app: 5 minutes at the usual pace."""
PROBES = 60
EVENTS = 200
"""Of all subjects."""
SHOWN = 60
LONGEST = 300


class Line(Struct):
    """What is remembered of one app."""

    usage: deque[tuple[float, int, float | None]]
    probes: deque[tuple[float, str, float, str]]
    usage_at: float | None = None
    probe_at: float | None = None


class Moments:
    """Written by the loop's thread, read by workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._apps: dict[str, Line] = {}
        self._host: deque[tuple[float, float, float | None]] = deque(maxlen=SAMPLES)
        self._host_at: float | None = None
        self._events: deque[tuple[float, Event]] = deque(maxlen=EVENTS)

    def take(self, shot: Snapshot) -> None:
        """After each turn. What did not change costs a comparison for each app."""
        host = shot.state.host
        with self._lock:
            if host.sample is not None and host.sampled_at != self._host_at:
                self._host_at = host.sampled_at
                self._host.append((shot.unix(host.sampled_at), host.sample.memory_used_share, host.sample.cpu_busy))
            for name, app in shot.state.apps.items():
                line = self._apps.get(name)
                if line is None:
                    line = self._apps[name] = Line(deque(maxlen=SAMPLES), deque(maxlen=PROBES))
                _note(line, app, shot)
            if len(self._apps) > len(shot.state.apps):
                self._apps = {name: line for name, line in self._apps.items() if name in shot.state.apps}

    def told(self, events: tuple[Event, ...], wall: float) -> None:
        """Never waits for long: readers copy."""
        with self._lock:
            self._events.extend((wall, event) for event in events if not isinstance(event, CommandPiece))

    def recent(self, subject: str, wall: float) -> dict[str, Any]:
        """Of an app, and of what all share; times as for people. Other subjects' events come too: causes do not keep
        to one."""
        since = wall - MINUTES * 60.0
        with self._lock:
            line = self._apps.get(subject)
            usage = list(line.usage) if line is not None else []
            probes = list(line.probes) if line is not None else []
            host, events = list(self._host), list(self._events)
        return {
            "minutes": MINUTES,
            "usage": [{"time": rfc3339(t), "memory_bytes": m, "cpu_ratio": c} for t, m, c in usage if t >= since],
            "probes": [
                {"time": rfc3339(t), "verdict": verdict, "seconds": round(seconds, 4), "detail": detail}
                for t, verdict, seconds, detail in probes
                if t >= since
            ],
            "host": [
                {"time": rfc3339(t), "memory_used_ratio": round(m, 4), "cpu_busy_ratio": c} for t, m, c in host
                if t >= since
            ],
            "events": [
                {"time": rfc3339(t), "type": event.type, "subject": event.subject, "data": brief(event)}
                for t, event in [one for one in events if one[0] >= since][-SHOWN:]
            ],
        }  # fmt: skip


def brief(event: Event) -> dict[str, Any]:
    """What it says, without what is long: whole records are kept elsewhere."""
    said: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str):
            said[name] = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
        elif isinstance(value, bool | int | float) or value is None:
            said[name] = value
        elif len(encoded := msgspec.json.encode(value)) <= LONGEST:
            said[name] = msgspec.Raw(encoded)
    return said


def _note(line: Line, app: AppState, shot: Snapshot) -> None:
    if app.usage is not None and app.usage_at != line.usage_at:
        line.usage_at = app.usage_at
        line.usage.append((shot.unix(app.usage_at), app.usage.memory, app.cpu.share))
    probe = app.probe
    if probe.last_at is not None and probe.last_at != line.probe_at:
        line.probe_at = probe.last_at
        ok = "ok" if probe.good else "failed"
        line.probes.append((shot.unix(probe.last_at), ok, probe.seconds, "" if probe.good else probe.detail))
