"""What time alone brings: a promise that was not kept, and the end."""

from __future__ import annotations

from msgspec.structs import replace

from ...vocabulary.events import IncidentClosed, IncidentEscalated
from ...vocabulary.incident_picture import picture, resolve_seconds
from ...vocabulary.incidents import Escalating, Escalation, Incident
from ..outcome import earliest
from . import record
from .desk import Desk, wall

MOST_ESCALATIONS = 20
AT_ITS_END: frozenset[Escalating] = frozenset({"recovery", "runbook"})
"""A spent budget ends the runbook, too."""
ONE_THING = 60.0


def look(desk: Desk) -> None:
    """Closes what is over, and escalates what is late."""
    for incident in [*desk.book.open.values()]:
        _look(desk, incident)
    desk.book = replace(desk.book, due=due(desk))


def _look(desk: Desk, incident: Incident) -> None:
    now = desk.now
    if incident.restored_at is not None:
        if now >= incident.restored_at + desk.rules.hold:
            _close(desk, incident)
        return
    if _late_to_respond(incident) and now >= incident.respond_by:
        incident = escalate(desk, incident, "respond", "nobody has acted on it in time, and edged could not")
    if _late_to_resolve(incident) and now >= incident.resolve_by:
        escalate(desk, incident, "resolve", f"it was to be resolved by now; still: {_still(incident)}")


def _still(incident: Incident) -> str:
    return ", ".join(f"{a.name} of {a.subject}" for a in incident.firing[:5])


def _late_to_respond(incident: Incident) -> bool:
    return incident.responded_at is None and not _escalated(incident, "respond")


def _late_to_resolve(incident: Incident) -> bool:
    return incident.well_at is None and not _escalated(incident, "resolve")


def _escalated(incident: Incident, why: Escalating) -> bool:
    """Since it was opened, or opened again."""
    return any(e.why == why and e.at >= incident.since for e in incident.escalated)


def escalate(desk: Desk, incident: Incident, why: Escalating, text: str) -> Incident:
    """Once for each reason, until it is opened again; and once when one thing is two reasons."""
    mates = [e.at for e in incident.escalated if {e.why, why} <= AT_ITS_END]
    if _escalated(incident, why) or any(desk.now - at <= ONE_THING for at in mates):
        return incident
    said = Escalation(desk.now, why, record.cut(text))
    incident = replace(incident, escalated=(*incident.escalated, said)[-MOST_ESCALATIONS:])
    incident = desk.note(incident, "escalated", incident.cause, f"a person is needed: {text}")
    desk.told.append(
        IncidentEscalated(
            subject=incident.cause, incident=incident.id, why=why, severity=incident.severity, text=said.text
        )
    )
    return incident


def _close(desk: Desk, incident: Incident) -> None:
    now = desk.now
    incident = record.entered(incident, now, "closed", incident.cause, f"clear for {desk.rules.hold:g} s: closed")
    well_at = incident.restored_at if incident.well_at is None else incident.well_at
    incident = desk.close(replace(incident, closed_at=now, well_at=well_at))
    at = wall(desk.state, now)
    desk.told.append(
        IncidentClosed(
            subject=incident.cause,
            incident=incident.id,
            severity=incident.severity,
            seconds=resolve_seconds(incident, now),
            record=picture(incident, lambda moment: at + (moment - now), now),
        )
    )


def due(desk: Desk) -> float | None:
    """When to look again."""
    times: list[float | None] = []
    for incident in desk.book.open.values():
        if incident.restored_at is not None:
            times.append(incident.restored_at + desk.rules.hold)
            continue
        times.append(incident.respond_by if _late_to_respond(incident) else None)
        times.append(incident.resolve_by if _late_to_resolve(incident) else None)
    return earliest(*times)
