"""Alerts come and go: incidents open, grow, merge, open again, and are restored."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ...vocabulary.event import Severity
from ...vocabulary.events import IncidentClosed, IncidentOpened, IncidentReopened, IncidentUpdated
from ...vocabulary.incidents import CauseKind, Incident, Joined
from . import record
from .beginning import first_sign
from .desk import Desk, Key, kind_of
from .grouping import place
from .merging import merged
from .opening import hinted, in_maintenance, level, likely, numbered, of_drill, promised, relevant, worse

ROOTS: tuple[CauseKind, ...] = ("app", "dependency", "host", "engine")
"""The later is the root when they come together."""
_RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}


def raised(desk: Desk, name: str, subject: str, severity: Severity, summary: str) -> None:
    """A new alert finds its incident."""
    key = (name, subject)
    found = place(desk, key)
    before = desk.holder(key)
    known = _known(before, key)
    alert = Joined(name, subject, severity, record.cut(summary), raised_at=desk.now)
    if before is not None and found.into is not None and before.id == found.into.id and known is not None:
        alert = replace(known, severity=severity, summary=alert.summary, cleared_at=None, times=known.times + 1)
    elif before is not None:
        desk.put(record.without(before, *key))
    if found.into is not None:
        _join(desk, desk.book.open[found.into.id], found.merge, alert)
    elif not of_drill(desk, key) and (old := _recent(desk, key)) is not None:
        _reopen(desk, old, alert)
    else:
        _open(desk, alert)


def _known(incident: Incident | None, key: Key) -> Joined | None:
    return next((a for a in incident.alerts if (a.name, a.subject) == key), None) if incident is not None else None


def _recent(desk: Desk, key: Key) -> Incident | None:
    """One that was closed a moment ago and had this alert. What a drill brought about is not the real thing."""
    for incident in reversed(desk.book.closed.values()):
        since = desk.now - (incident.closed_at or 0.0)
        if incident.drill or incident.merged_into or since > desk.rules.reopen:
            continue
        if _known(incident, key) is not None:
            return incident
    return None


def _open(desk: Desk, alert: Joined) -> None:
    key, now = (alert.name, alert.subject), desk.now
    identity, desk.book = numbered(desk.book, desk.state, now)
    kind = kind_of(desk.state, alert.subject)
    began_at = first_sign(desk.state, key, now)
    severity = level(desk.state, desk.rules, key, alert.severity)
    changes = relevant(desk, alert.subject, began_at)
    far = now + 1e9
    incident = Incident(
        id=identity,
        title=alert.summary or f"{alert.name} {alert.subject}",
        kind=kind,
        cause="host" if kind == "host" else alert.subject,
        severity=severity,
        began_at=began_at,
        opened_at=now,
        respond_by=far,
        resolve_by=far,
        stirred_at=now,
        since=now,
        alerts=(alert,),
        changes=changes,
        likely=likely(changes, began_at),
        drill=of_drill(desk, key),
    )
    if (at_it := in_maintenance(desk.state, alert.subject, now)) is not None:
        incident = replace(incident, responded_at=now, hints=(at_it,))
    incident = _harm(desk, promised(incident, desk.rules, now), alert, began_at)
    incident = record.assessed(replace(incident, hints=hinted(desk, incident, key, first=True)), now)
    if began_at < now:
        incident = record.entered(incident, began_at, "sign", alert.subject, f"first sign of {alert.name}")
    incident = desk.note(incident, "detected", alert.subject, _said(alert))
    if incident.likely:
        incident = desk.note(incident, "change", alert.subject, f"likely cause: {incident.likely}")
    desk.told.append(
        IncidentOpened(
            subject=incident.cause,
            incident=incident.id,
            title=incident.title,
            severity=severity,
            alerts=_firing(incident),
            detected_after=now - began_at,
            respond_in=incident.respond_by - now,
            resolve_in=incident.resolve_by - now,
            likely=incident.likely,
        )
    )


def _reopen(desk: Desk, old: Incident, alert: Joined) -> None:
    """The promise goes on where it stopped."""
    pause = desk.now - (old.closed_at or desk.now)
    closed = {k: i for k, i in desk.book.closed.items() if k != old.id}
    desk.book = replace(desk.book, closed=closed)
    known = _known(old, (alert.name, alert.subject))
    assert known is not None
    again = replace(known, severity=alert.severity, summary=alert.summary, cleared_at=None, times=known.times + 1)
    fresh = replace(
        old,
        closed_at=None,
        closed_wall=0.0,
        restored_at=None,
        well_at=None,
        reopened=old.reopened + 1,
        since=desk.now,
        resolve_by=old.resolve_by + pause,
        respond_by=old.respond_by + pause,
    )
    fresh = desk.note(fresh, "reopened", alert.subject, f"it is back: {_said(alert)}")
    fresh = _take(desk, fresh, again, quiet=True)
    desk.told.append(
        IncidentReopened(
            subject=fresh.cause,
            incident=fresh.id,
            severity=fresh.severity,
            alert=f"{alert.name}/{alert.subject}",
            text=alert.summary,
        )
    )


def _join(desk: Desk, incident: Incident, others: tuple[Incident, ...], alert: Joined) -> None:
    for other in others:
        gone = desk.book.open.get(other.id)
        if gone is not None:
            incident = _absorb(desk, incident, gone)
    incident = desk.note(incident, "alert", alert.subject, _said(alert), restored_at=None)
    _take(desk, incident, alert, quiet=False)


def _take(desk: Desk, incident: Incident, alert: Joined, *, quiet: bool) -> Incident:
    """The alert is one of the incident's from now on."""
    key, before = (alert.name, alert.subject), incident.severity
    began_at = first_sign(desk.state, key, desk.now)
    severity = worse(before, level(desk.state, desk.rules, key, alert.severity))
    hints = hinted(desk, incident, key)
    drill = incident.drill and of_drill(desk, key, *(a.subject for a in incident.alerts))
    incident = replace(incident, hints=hints, stirred_at=desk.now, severity=severity, drill=drill)
    incident = _rooted(desk, record.joined(incident, alert), alert)
    incident = _harm(desk, promised(incident, desk.rules, desk.now), alert, began_at)
    incident = desk.put(record.assessed(incident, desk.now))
    if not quiet:
        desk.told.append(_updated(incident, "alert", _said(alert)))
    _worsened(desk, incident, before)
    return incident


def _rooted(desk: Desk, incident: Incident, alert: Joined) -> Incident:
    """A cause that was found later gives it its name."""
    kind = kind_of(desk.state, alert.subject)
    if ROOTS.index(kind) <= ROOTS.index(incident.kind):
        return incident
    blamed = likely(relevant(desk, alert.subject, incident.began_at), incident.began_at)
    cause = "host" if kind == "host" else alert.subject
    return replace(incident, kind=kind, cause=cause, title=alert.summary, likely=blamed)


def _worsened(desk: Desk, incident: Incident, before: str) -> None:
    if incident.severity == before:
        return
    text = f"{before} → {incident.severity}"
    desk.note(incident, "severity", incident.cause, text)
    desk.told.append(_updated(incident, "severity", text))


def _absorb(desk: Desk, into: Incident, gone: Incident) -> Incident:
    """They have one cause: the older one goes on with all that both had."""
    into = desk.put(merged(into, gone))
    over = replace(gone, merged_into=into.id, closed_at=desk.now, restored_at=desk.now)
    desk.close(over)
    desk.told.append(
        IncidentClosed(
            subject=gone.cause,
            incident=gone.id,
            severity=gone.severity,
            seconds=desk.now - gone.began_at,
            merged_into=into.id,
        )
    )
    text = f"{gone.id} has the same cause and is a part of this one now: {gone.title}"
    desk.told.append(_updated(into, "merged", text))
    return desk.note(into, "merged", gone.cause, text)


def changed(desk: Desk, name: str, subject: str, severity: Severity, summary: str) -> None:
    """The severity of an alert is another one."""
    incident = desk.holder((name, subject))
    known = _known(incident, (name, subject))
    if incident is None or known is None:
        return raised(desk, name, subject, severity, summary)
    worst = max(known.severity, severity, key=lambda s: _RANK[s])
    alert = replace(known, severity=worst, summary=record.cut(summary))
    before, key = incident.severity, (name, subject)
    now_is = worse(before, level(desk.state, desk.rules, key, severity))
    incident = replace(record.joined(incident, alert), severity=now_is, stirred_at=desk.now)
    incident = desk.note(promised(incident, desk.rules, desk.now), "alert", subject, _said(alert, severity))
    _worsened(desk, incident, before)
    return None


def cleared(desk: Desk, name: str, subject: str, text: str) -> None:
    """An alert is over."""
    incident = desk.holder((name, subject))
    known = _known(incident, (name, subject))
    if incident is None or known is None or known.cleared_at is not None:
        return
    incident = record.assessed(record.joined(incident, replace(known, cleared_at=desk.now)), desk.now)
    desk.note(incident, "cleared", subject, f"{name}: {text}", stirred_at=desk.now)


def restored(desk: Desk) -> None:
    """At the end of the turn: what nothing fires of any more."""
    hold = desk.rules.hold
    for incident in [*desk.book.open.values()]:
        if incident.firing or incident.restored_at is not None:
            continue
        incident = desk.note(incident, "restored", incident.cause, "all its alerts are clear", restored_at=desk.now)
        text = f"all its alerts are clear; it closes in {hold:g} s if they stay so"
        desk.told.append(_updated(incident, "restored", text))


def _harm(desk: Desk, incident: Incident, alert: Joined, began_at: float) -> Incident:
    app = desk.state.apps.get(alert.subject)
    if app is None:
        return incident
    return record.harmed(incident, app.name, app.condition, min(began_at, app.condition_since or began_at))


def _said(alert: Joined, severity: Severity | None = None) -> str:
    return f"{alert.name} ({severity or alert.severity}): {alert.summary}"


def _firing(incident: Incident) -> tuple[str, ...]:
    return tuple(f"{a.name}/{a.subject}" for a in incident.firing)


def _updated(
    incident: Incident, what: Literal["alert", "severity", "restored", "merged"], text: str
) -> IncidentUpdated:
    return IncidentUpdated(
        subject=incident.cause, incident=incident.id, what=what, severity=incident.severity, text=record.cut(text)
    )
