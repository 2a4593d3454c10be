"""How an alert rises, changes, clears and flaps. One function for all alerts."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..config import Alerts
from ..vocabulary.events import AlertChanged, AlertCleared, AlertFlapping, AlertRaised, Event, Severity
from ..vocabulary.state import Alert
from .budget import within
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


class Step(Struct, frozen=True):
    """What one reading made of an alert."""

    alert: Alert
    events: tuple[Event, ...]
    due: float | None
    """When to look again without a new reading; ``None``: no need."""


_RANK: dict[Severity | None, int] = {None: 0, "info": 0, "warning": 1, "critical": 2}
QUIET = Alert()


def advance(name: str, subject: str, alert: Alert, reading: Reading, now: float, flap: Alerts) -> Step:
    """Takes one more reading."""
    rank = _RANK[reading.level]
    warn_since = _since(alert.warn_since, rank >= 1, now)
    critical_since = _since(alert.critical_since, rank >= 2, now)
    calm_since = _since(alert.calm_since, _RANK[alert.severity] > rank, now)
    if (warn_since, critical_since, calm_since) != (alert.warn_since, alert.critical_since, alert.calm_since):
        alert = replace(alert, warn_since=warn_since, critical_since=critical_since, calm_since=calm_since)
    target = _target(alert, reading, now)
    if alert.flapping:
        alert, events = _while_flapping(name, subject, alert, target, reading, now, flap)
    else:
        alert, events = _move(name, subject, alert, target, reading, now, flap)
    return Step(_forgetting(alert, now, flap), events, due(alert, reading.raise_for, reading.clear_for, now, flap))


def _since(before: float | None, true: bool, now: float) -> float | None:
    if not true:
        return None
    return before if before is not None else now


def _target(alert: Alert, reading: Reading, now: float) -> Severity | None:
    """The severity it should have now."""
    ripe: Severity | None = None
    if alert.critical_since is not None and now >= alert.critical_since + reading.raise_for:
        ripe = "critical"
    elif alert.warn_since is not None and now >= alert.warn_since + reading.raise_for:
        ripe = "warning"
    if _RANK[ripe] > _RANK[alert.severity]:
        return ripe
    if alert.calm_since is not None and now >= alert.calm_since + reading.clear_for:
        return reading.level if _RANK[reading.level] else None
    return alert.severity


def _move(
    name: str, subject: str, alert: Alert, target: Severity | None, reading: Reading, now: float, flap: Alerts
) -> tuple[Alert, tuple[Event, ...]]:
    was = alert.severity
    if target == was:
        return alert, ()
    changes = within(alert.changes, now, flap.window)
    if target is None:
        assert was is not None
        told = cleared(name, subject, alert, reading.summary, now)
        return Alert(changes=(*changes, now), warn_since=alert.warn_since, critical_since=alert.critical_since), (told,)
    fires = replace(
        alert,
        severity=target,
        calm_since=None,
        summary=reading.summary,
        advice=reading.advice,
        value=reading.value,
        threshold=reading.threshold,
    )
    if was is not None:
        if _RANK[target] > _RANK[was]:
            fires = replace(fires, acknowledged=None)  # whoever took care of it has not seen this
        changed = AlertChanged(name=name, subject=subject, old=was, severity=target, summary=reading.summary)
        return fires, (changed,)
    fires = replace(fires, since=now, changes=(*changes, now))
    raised = AlertRaised(
        name=name,
        subject=subject,
        severity=target,
        summary=reading.summary,
        advice=reading.advice,
        value=reading.value,
        threshold=reading.threshold,
    )
    if len(fires.changes) < flap.changes:
        return fires, (raised,)
    flapping = AlertFlapping(name=name, subject=subject, changes=len(fires.changes), seconds=now - fires.changes[0])
    return replace(fires, flapping=True), (raised, flapping)


def cleared(name: str, subject: str, alert: Alert, why: str, now: float) -> AlertCleared:
    """The news that a firing alert is over."""
    assert alert.severity is not None
    return AlertCleared(
        name=name, subject=subject, severity=alert.severity, seconds=now - alert.since, summary=why or alert.summary
    )


def _while_flapping(
    name: str, subject: str, alert: Alert, target: Severity | None, reading: Reading, now: float, flap: Alerts
) -> tuple[Alert, tuple[Event, ...]]:
    """Held as raised, in silence, until it has not moved for ``flap.calm`` seconds."""
    if now < _moved_at(alert) + flap.calm:
        return alert, ()
    settled = replace(alert, flapping=False, changes=())
    return _move(name, subject, settled, target, reading, now, flap)


def _moved_at(alert: Alert) -> float:
    return max(alert.changes[-1], alert.calm_since or 0.0, alert.warn_since or 0.0)


def _forgetting(alert: Alert, now: float, flap: Alerts) -> Alert:
    """An alert that neither fires nor is about to is forgotten once its past does not matter any more."""
    if alert.severity is not None or alert.warn_since is not None:
        return alert
    return alert if within(alert.changes, now, flap.window) else QUIET


def due(alert: Alert, raise_for: float, clear_for: float, now: float, flap: Alerts) -> float | None:
    """When the same reading once more would change the alert."""
    if alert.flapping:
        calm_at = _moved_at(alert) + flap.calm
        return calm_at if calm_at > now else None
    times: list[float | None] = []
    if alert.severity != "critical" and alert.critical_since is not None:
        times.append(alert.critical_since + raise_for)
    if alert.severity is None and alert.warn_since is not None:
        times.append(alert.warn_since + raise_for)
    if alert.calm_since is not None:
        times.append(alert.calm_since + clear_for)
    return earliest(*(t for t in times if t is not None and t > now))


def take(
    alerts: dict[str, Alert], subject: str, readings: Mapping[str, Reading], now: float, flap: Alerts
) -> tuple[dict[str, Alert], tuple[Event, ...]]:
    """One subject's alerts after these readings, the same object if nothing changed, and what is to be told."""
    events: list[Event] = []
    for name, reading in readings.items():
        old = alerts.get(name)
        if old is None and reading.level is None:
            continue
        made = advance(name, subject, old or Alert(), reading, now, flap)
        events.extend(made.events)
        if made.alert is not old:
            alerts = put(alerts, name, made.alert)
    return alerts, tuple(events)


def put(alerts: dict[str, Alert], name: str, alert: Alert) -> dict[str, Alert]:
    """The alerts with this one in its new shape; one that says nothing any more is left out."""
    if alert == QUIET:
        return {k: v for k, v in alerts.items() if k != name}
    return {**alerts, name: alert}
