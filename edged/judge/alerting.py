"""How an alert rises, changes, clears and flaps. One function for all alerts."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..config import Alerts
from ..vocabulary.events import AlertChanged, AlertCleared, AlertFlapping, AlertRaised, Event, Severity
from ..vocabulary.state import Alert
from .outcome import earliest


class Reading(Struct, frozen=True):
    """What a rule makes of the moment, for one alert."""

    level: Severity | None
    """``None``: all is well."""
    summary: str = ""
    advice: str = ""
    value: float | None = None
    threshold: float | None = None
    raise_for: float = 0.0
    """Seconds that the level must last before the alert fires."""
    clear_for: float = 0.0


_RANK: dict[Severity | None, int] = {None: 0, "info": 0, "warning": 1, "critical": 2}


def advance(
    name: str, subject: str, alert: Alert, reading: Reading, now: float, flap: Alerts
) -> tuple[Alert, tuple[Event, ...], float | None]:
    """Takes one more reading.

    Returns the alert, the events to tell, and when to look again without a new reading (``None``: no need).
    """
    rank = _RANK[reading.level]
    warn_since = (alert.warn_since if alert.warn_since is not None else now) if rank >= 1 else None
    critical_since = (alert.critical_since if alert.critical_since is not None else now) if rank >= 2 else None
    ripe: Severity | None = None
    if critical_since is not None and now - critical_since >= reading.raise_for:
        ripe = "critical"
    elif warn_since is not None and now - warn_since >= reading.raise_for:
        ripe = "warning"
    below = _RANK[alert.severity] > rank
    calm_since = (alert.calm_since if alert.calm_since is not None else now) if below else None

    if (warn_since, critical_since, calm_since) != (alert.warn_since, alert.critical_since, alert.calm_since):
        alert = replace(alert, warn_since=warn_since, critical_since=critical_since, calm_since=calm_since)

    target = alert.severity
    if _RANK[ripe] > _RANK[alert.severity]:
        target = ripe
    elif calm_since is not None and now - calm_since >= reading.clear_for:
        target = reading.level if rank else None
    alert, events = _move(name, subject, alert, target, reading, now, flap)
    return alert, events, _due(alert, reading, now, flap)


def _move(
    name: str, subject: str, alert: Alert, target: Severity | None, reading: Reading, now: float, flap: Alerts
) -> tuple[Alert, tuple[Event, ...]]:
    was = alert.severity
    if alert.flapping:
        return _while_flapping(name, subject, alert, target, reading, now, flap)
    if target == was:
        return alert, ()
    changes = tuple(t for t in alert.changes if now - t < flap.window)
    if target is None:
        assert was is not None
        cleared = AlertCleared(
            name=name,
            subject=subject,
            severity=was,
            seconds=now - alert.since,
            summary=reading.summary or alert.summary,
        )
        calm = Alert(changes=(*changes, now), warn_since=alert.warn_since, critical_since=alert.critical_since)
        return calm, (cleared,)
    told = replace(
        alert,
        severity=target,
        calm_since=None,
        summary=reading.summary,
        advice=reading.advice,
        value=reading.value,
        threshold=reading.threshold,
    )
    if was is not None:
        changed = AlertChanged(name=name, subject=subject, old=was, severity=target, summary=reading.summary)
        return told, (changed,)
    told = replace(told, since=now, changes=(*changes, now))
    raised: Event = AlertRaised(
        name=name,
        subject=subject,
        severity=target,
        summary=reading.summary,
        advice=reading.advice,
        value=reading.value,
        threshold=reading.threshold,
    )
    if len(told.changes) < flap.changes:
        return told, (raised,)
    flapping = AlertFlapping(name=name, subject=subject, changes=len(told.changes), seconds=now - told.changes[0])
    return replace(told, flapping=True), (raised, flapping)


def _while_flapping(
    name: str, subject: str, alert: Alert, target: Severity | None, reading: Reading, now: float, flap: Alerts
) -> tuple[Alert, tuple[Event, ...]]:
    """Held as raised, in silence, until it has not moved for ``flap.calm`` seconds."""
    moved_at = max(alert.changes[-1], alert.calm_since or 0.0, alert.warn_since or 0.0)
    if now - moved_at < flap.calm:
        return alert, ()
    settled = replace(alert, flapping=False, changes=())
    return _move(name, subject, settled, target, reading, now, flap)


def _due(alert: Alert, reading: Reading, now: float, flap: Alerts) -> float | None:
    due: list[float | None] = []
    if alert.severity != "critical" and alert.critical_since is not None:
        due.append(alert.critical_since + reading.raise_for)
    if alert.severity is None and alert.warn_since is not None:
        due.append(alert.warn_since + reading.raise_for)
    if alert.calm_since is not None:
        due.append(alert.calm_since + reading.clear_for)
    if alert.flapping:
        due = [max(alert.changes[-1], alert.calm_since or 0.0, alert.warn_since or 0.0) + flap.calm]
    later = [t for t in due if t is not None and t > now]
    return earliest(*later)
