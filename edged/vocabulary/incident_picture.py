"""An incident as JSON, the same wherever it is shown. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .incidents import FIRST_LINES, Deed, Exhibit, Harm, Incident, Joined
from .times import rfc3339

Unix = Callable[[float], float]
"""From edged's clock to Unix time."""


def anchored(incident: Incident, unix: Unix) -> Unix:
    """One that is over keeps the times that it had at its end, whatever the wall clock does later."""
    at, wall = incident.closed_at, incident.closed_wall
    if at is None or not wall:
        return unix
    return lambda moment: wall + (moment - at)


def card(incident: Incident, unix: Unix, now: float) -> dict[str, Any]:
    """What there is to know at a glance. ``now`` is edged's own clock."""
    when, i = anchored(incident, unix), incident
    return {
        "id": i.id,
        "state": state(i),
        "severity": i.severity,
        "title": i.title,
        "kind": i.kind,
        "cause": i.cause,
        "began": rfc3339(when(i.began_at)),
        "opened": rfc3339(when(i.opened_at)),
        "respond_by": rfc3339(when(i.respond_by)),
        "resolve_by": rfc3339(when(i.resolve_by)),
        "responded": _time(i.responded_at, when),
        "acknowledged": None
        if i.acknowledged is None
        else {"by": i.acknowledged.by, "at": rfc3339(when(i.acknowledged.at)), "note": i.acknowledged.note},
        "resolved": _time(i.well_at, when),
        "restored": _time(i.restored_at, when),
        "closed": _time(i.closed_at, when),
        "detect_seconds": round(detect_seconds(i), 3),
        "resolve_seconds": None if i.well_at is None else round(resolve_seconds(i, now), 3),
        "seconds": round(resolve_seconds(i, now), 3),
        "reopened": i.reopened,
        "merged_into": i.merged_into,
        "merged": list(i.merged),
        "alerts": [_alert(a, when) for a in i.alerts],
        "impact": {name: _harm(harm, when, now) for name, harm in sorted(i.impact.items())},
        "likely": i.likely,
        "drill": i.drill,
        "hints": list(i.hints),
        "escalated": [{"at": rfc3339(when(e.at)), "why": e.why, "text": e.text} for e in i.escalated],
    }


def picture(incident: Incident, unix: Unix, now: float) -> dict[str, Any]:
    """The whole record."""
    when, i = anchored(incident, unix), incident
    return card(i, unix, now) | {
        "timeline": [
            {"at": rfc3339(when(e.at)), "kind": e.kind, "subject": e.subject, "text": e.text} for e in i.timeline
        ],
        "timeline_left_out": i.left_out,
        "timeline_left_out_after": FIRST_LINES,
        "actions": [_deed(d, when) for d in i.actions],
        "actions_left_out": i.actions_left_out,
        "evidence": [_exhibit(e, when) for e in i.evidence],
        "changes": [
            {"at": rfc3339(when(c.at)), "kind": c.kind, "subject": c.subject, "text": c.text, "over": c.over}
            for c in i.changes
        ],
    }


def state(incident: Incident) -> str:
    """``open``, ``restored`` (all alerts are clear, for now), ``closed`` or ``merged``."""
    if incident.merged_into:
        return "merged"
    if incident.closed_at is not None:
        return "closed"
    return "open" if incident.restored_at is None else "restored"


def detect_seconds(incident: Incident) -> float:
    """From the first sign to the first alert."""
    return max(0.0, incident.opened_at - incident.began_at)


def resolve_seconds(incident: Incident, now: float) -> float:
    """From the first sign until all was well again; while it is not: until now."""
    return max(0.0, (now if incident.well_at is None else incident.well_at) - incident.began_at)


def _time(at: float | None, when: Unix) -> str | None:
    return None if at is None else rfc3339(when(at))


def _alert(a: Joined, when: Unix) -> dict[str, Any]:
    return {
        "name": a.name,
        "subject": a.subject,
        "severity": a.severity,
        "summary": a.summary,
        "raised": rfc3339(when(a.raised_at)),
        "cleared": _time(a.cleared_at, when),
        "times": a.times,
    }


def _harm(harm: Harm, when: Unix, now: float) -> dict[str, Any]:
    going_on = now - harm.since if harm.since is not None else 0.0
    return {
        "seconds": round(harm.seconds + max(0.0, going_on), 3),
        "worst": harm.worst,
        "since": _time(harm.since, when),
    }


def _deed(d: Deed, when: Unix) -> dict[str, Any]:
    return {
        "at": rfc3339(when(d.at)),
        "action": d.action,
        "subject": d.subject,
        "reason": d.reason,
        "ok": d.ok,
        "seconds": round(d.seconds, 3),
        "error": d.error,
    }


def _exhibit(e: Exhibit, when: Unix) -> dict[str, Any]:
    return {"at": rfc3339(when(e.at)), "subject": e.subject, "record": e.path, "digest": e.digest, "bytes": e.bytes}
