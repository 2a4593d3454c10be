"""What is written into one incident, within its bounds. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ...vocabulary.incidents import FIRST_LINES, Deed, Entry, EntryKind, Exhibit, Harm, Incident, Joined

MOST = 80
"""Lines of the timeline: how it began and how it stands now matter more than what was in between."""
FIRST_DEEDS, MOST_DEEDS = 10, 40
MOST_EXHIBITS = 10
MOST_ALERTS = 100
MOST_HARMED = 100
LONGEST = 240
"""Characters of a line."""
BAD = ("restarting", "unhealthy", "down", "missing")
"""Conditions in which an app does not serve, the worst last."""
LINGERING = frozenset({"RecoveryExhausted", "CrashLoop", "OomKilled"})
"""Alerts that stay for a while after all is well again, so that they are seen."""


def cut(text: str) -> str:
    """To ``LONGEST`` characters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def entered(incident: Incident, at: float, kind: EntryKind, subject: str, text: str) -> Incident:
    """One more line, not earlier than the one before."""
    lines = [*incident.timeline, Entry(at, kind, subject, cut(text))]
    left_out = incident.left_out
    if len(lines) > MOST:
        left_out += len(lines) - MOST
        del lines[FIRST_LINES : FIRST_LINES + len(lines) - MOST]
    return replace(incident, timeline=tuple(lines), left_out=left_out)


def begun(incident: Incident, deed: Deed) -> Incident:
    """One more action."""
    deeds = [*incident.actions, replace(deed, reason=cut(deed.reason), error=cut(deed.error))]
    left_out = incident.actions_left_out
    if len(deeds) > MOST_DEEDS:
        left_out += len(deeds) - MOST_DEEDS
        del deeds[FIRST_DEEDS : FIRST_DEEDS + len(deeds) - MOST_DEEDS]
    return replace(incident, actions=tuple(deeds), actions_left_out=left_out)


def ended(incident: Incident, action_id: str, ok: bool, seconds: float, error: str) -> Incident:
    """How an action came out."""
    deeds = tuple(
        replace(d, ok=ok, seconds=seconds, error=cut(error)) if d.action_id == action_id else d
        for d in incident.actions
    )
    return replace(incident, actions=deeds)


def exhibited(incident: Incident, exhibit: Exhibit) -> Incident:
    """The oldest give way."""
    return replace(incident, evidence=(*incident.evidence, exhibit)[-MOST_EXHIBITS:])


def joined(incident: Incident, alert: Joined) -> Incident:
    """With this alert, which was raised just now. The ones that cleared longest ago make room."""
    alerts = [a for a in incident.alerts if (a.name, a.subject) != (alert.name, alert.subject)]
    alerts.append(alert)
    while len(alerts) > MOST_ALERTS and any(a.cleared_at is not None for a in alerts):
        alerts.remove(min((a for a in alerts if a.cleared_at is not None), key=lambda a: a.cleared_at or 0.0))
    return replace(incident, alerts=tuple(alerts))


def without(incident: Incident, name: str, subject: str) -> Incident:
    """It belongs to another incident now."""
    return replace(incident, alerts=tuple(a for a in incident.alerts if (a.name, a.subject) != (name, subject)))


def harmed(incident: Incident, app: str, condition: str, at: float) -> Incident:
    """The app is in this condition from now on, for what it means to those who use it."""
    harm = incident.impact.get(app)
    if condition in BAD:
        if harm is None and len(incident.impact) >= MOST_HARMED:
            return incident
        harm = harm or Harm()
        worst = condition if not harm.worst else max(harm.worst, condition, key=BAD.index)
        since = at if harm.since is None else min(harm.since, at)
        return _with(incident, app, replace(harm, since=since, worst=worst))
    if harm is None or harm.since is None or condition in ("starting", "unknown"):
        return incident
    return _with(incident, app, relieved(harm, at))


def assessed(incident: Incident, at: float) -> Incident:
    """With the moment since which nothing is wrong any more, though some alert may still be shown."""
    wrong = any(a.name not in LINGERING for a in incident.firing)
    if wrong or any(harm.since is not None for harm in incident.impact.values()):
        return incident if incident.well_at is None else replace(incident, well_at=None)
    return incident if incident.well_at is not None else replace(incident, well_at=at)


def relieved(harm: Harm, at: float) -> Harm:
    """The app is well again since ``at``, on edged's clock."""
    if harm.since is None:
        return harm
    return replace(harm, seconds=harm.seconds + max(0.0, at - harm.since), since=None)


def _with(incident: Incident, app: str, harm: Harm) -> Incident:
    return replace(incident, impact={**incident.impact, app: harm})
