"""Advice on thresholds, from minutes and past alerts: which limit would have spared alerts that came to nothing. Pure.

It errs on the safe side. An alert counts as spared only if the limit was not reached at all while it fired, and one
that mattered as delayed unless it would have come in the very same minute. ``edged replay -c`` shows the rest exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..config import App, Config
from ..config.units import format_duration, format_share
from ..ports.history import MINUTE, Point

AFTERWARDS = 1800.0
"""Seconds after an alert within which other trouble of its subject means that it mattered."""
HOST = "host"
FEWEST = 3
"""Alerts to be spared before anything is advised."""
ROOM = 0.8
"""Of the way to the critical limit: a warning that comes with it warns nobody."""

Told = tuple[float, str, str, Mapping[str, Any]]
"""An event: Unix time, type (``alert.raised`` …), subject, data."""


class Episode(Struct, frozen=True):
    """A time in which an alert fired."""

    begin: float
    end: float
    """Unix time; of one that still fires: infinite."""
    mattered: bool
    """It became critical, edged acted, or other trouble of the same subject (of the host: of any app, too) came with it
    or soon after."""


class Limit(Struct, frozen=True):
    """A threshold, as configured."""

    subject: str
    alert: str
    key: str
    metric: str
    warn: float
    critical: float
    """0: there is none."""
    for_: float
    show: Callable[[float], str]


class Advice(Struct, frozen=True):
    subject: str
    key: str
    alert: str
    now: float
    advised: float
    alerts: int
    spared: int
    kept: int
    """Alerts that mattered; none of them is delayed."""
    text: str


def limits(config: Config, apps: Mapping[str, App]) -> Iterator[Limit]:
    for name, app in apps.items():
        m, c = app.memory, app.cpu
        yield Limit(name, "HighMemory", "memory.warn", "memory.share", m.warn, m.critical, m.for_, format_share)
        yield Limit(name, "HighCpu", "cpu.warn", "cpu.share", c.warn, 1.0, c.for_, format_share)
        latency = app.metrics.latency if app.metrics is not None else None
        if latency is not None and latency.warn > 0.0:
            key = "metrics.latency.warn"
            yield Limit(
                name,
                "HighInferenceLatency",
                key,
                "latency",
                latency.warn,
                latency.critical,
                latency.for_,
                format_duration,
            )
    h = config.host
    yield Limit(
        "host",
        "HighMemory",
        "host.memory.warn",
        "memory.share",
        h.memory.warn,
        h.memory.critical,
        h.memory.for_,
        format_share,
    )
    yield Limit("host", "HighCpu", "host.cpu.warn", "cpu.share", h.cpu.warn, 1.0, h.cpu.for_, format_share)


def episodes(events: Sequence[Told], alert: str, subject: str) -> list[Episode]:
    """When the alert fired, and whether that mattered."""
    found: list[Episode] = []
    begin: float | None = None
    critical = False
    own = [row for row in events if row[2] == subject]
    around = events if subject == HOST else own  # a host that runs short shows in its apps
    for wall, kind, _, data in own:
        if data.get("name") != alert:
            continue
        if kind == "alert.raised":
            begin, critical = wall, data.get("severity") == "critical"
        elif kind == "alert.changed":
            critical = critical or data.get("severity") == "critical"
        elif kind == "alert.cleared" and begin is not None:
            found.append(Episode(begin, wall, critical or _trouble(around, alert, begin, wall + AFTERWARDS)))
            begin = None
    if begin is not None:
        found.append(Episode(begin, float("inf"), True))  # nobody knows yet
    return found


def _trouble(around: Sequence[Told], alert: str, since: float, until: float) -> bool:
    for wall, kind, _, data in around:
        if not since <= wall <= until:
            continue
        if kind == "recovery.started" or (kind == "alert.raised" and data.get("name") != alert):
            return True
    return False


def better(limit: Limit, minutes: Sequence[Point], fired: Sequence[Episode]) -> Advice | None:
    """The lowest limit that spares most of what came to nothing and delays nothing; ``None``: the present one is it."""
    known = [one for one in fired if _within(minutes, one)]
    idle = [one for one in known if not one.mattered]
    best: tuple[int, float] | None = None
    for candidate in _candidates(limit):
        if any(_delayed(limit, candidate, minutes, one) for one in known if one.mattered):
            break
        spared = sum(_spared(candidate, minutes, one) for one in idle)
        if best is None or spared > best[0]:
            best = spared, candidate
    if best is None or best[0] < FEWEST or best[0] * 2 < len(known):
        return None
    spared, candidate = best
    kept = len(known) - len(idle)
    delayed = "and delayed none" if kept else "of which none came to anything"
    where = "" if limit.subject == "host" else f"{limit.subject}: "
    return Advice(
        subject=limit.subject,
        key=limit.key,
        alert=limit.alert,
        now=limit.warn,
        advised=candidate,
        alerts=len(known),
        spared=spared,
        kept=kept,
        text=f"{where}{limit.key}: {limit.show(candidate)} (now {limit.show(limit.warn)}) "
        f"would have spared {spared} of {len(known)} alerts {delayed}",
    )


def _candidates(limit: Limit) -> Iterator[float]:
    """Higher than now, round, and clear of the critical limit."""
    top = limit.warn + (limit.critical - limit.warn) * ROOM if limit.critical else limit.warn * 3.0
    if limit.show is format_share:
        percent = int(limit.warn * 100.0 + 1e-6) + 1
        steps = (value / 100.0 for value in range(percent, 100) if value % 5 == 0 or value / 100.0 > top - 0.05)
    else:
        steps = (float(f"{limit.warn * factor:.2g}") for factor in (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0))
    yield from (value for value in steps if limit.warn < value <= top + 1e-9)


def _within(minutes: Sequence[Point], one: Episode) -> bool:
    """Its time is known, from its very beginning."""
    return any(one.begin - 2 * MINUTE <= point.begin <= one.begin for point in minutes)


def _spared(limit: float, minutes: Sequence[Point], one: Episode) -> bool:
    """Nothing reached the limit, from a little before it was raised."""
    return all(point.max < limit for point in minutes if one.begin - 2 * MINUTE < point.begin <= one.end)


def _delayed(limit: Limit, candidate: float, minutes: Sequence[Point], one: Episode) -> bool:
    """It would not have been raised within the same minute: unless all of that time was above the limit."""
    since = one.begin - limit.for_ - MINUTE
    during = [point for point in minutes if since < point.begin <= one.begin]
    high = [point for point in during if point.max >= limit.warn]
    return not high or any(point.max < candidate for point in high) or high[-1].last < candidate
