"""What else happens is entered where it belongs: actions, recovery, people, runbooks, changes."""

from __future__ import annotations

from msgspec.structs import replace

from ...vocabulary import events as ev
from ...vocabulary.incidents import Change, Deed, EntryKind, Exhibit, Incident
from ...vocabulary.state import Acknowledged
from . import histograms, record
from .desk import Desk
from .overdue import escalate

DEEDS = frozenset(
    {
        "StartContainer", "RestartContainer", "StopContainer", "PauseContainer", "UnpauseContainer", "RestartEngine",
        "Isolate", "Rejoin", "BackUpData", "RestoreData", "PruneDisk",
    }
)  # fmt: skip
"""Actions that are told at their end even if nobody told of their beginning."""


def entered(desk: Desk, event: ev.Event, change: Change | None) -> None:
    """``change``: what the event changed on this device, if it did."""
    if change is not None:
        _changed(desk, change)
    match event:
        case ev.AppChanged():
            _condition(desk, event)
        case ev.ActionStarted():
            _began(desk, event)
        case ev.ActionEnded():
            _ended(desk, event)
        case ev.RecoveryGaveUp():
            text = f"{event.attempts} attempts did not help ({event.ailment})"
            if (incident := desk.home(event.subject)) is not None:
                escalate(desk, incident, "recovery", text)
        case ev.AlertAcknowledged():
            _acknowledged(desk, event)
        case ev.NoteTaken():
            _note(desk, event)
        case ev.RunbookExhausted() | ev.RunbookEscalated():
            text = f"runbook of {event.alert}: {event.reason}"
            incident = desk.holder((event.alert, event.subject)) or desk.home(event.subject)
            if incident is not None:
                escalate(desk, incident, "runbook", text)
        case ev.RunbookBegun() | ev.RunbookStepEnded() | ev.RunbookHeld() | ev.RunbookEnded():
            _runbook(desk, event)
        case ev.RecoveryStarted() | ev.RecoverySucceeded() | ev.RecoveryFailed() | ev.RecoveryHeld():
            _say(desk, event, "recovery", _recovery(event))
        case ev.MaintenanceChanged(on=True) | ev.IsolationChanged(state="isolated"):
            if (incident := desk.home(event.subject)) is not None:
                desk.put(_responded(incident, desk.now))
        case ev.DriftChanged():
            for text in histograms.lines(event.top):
                if (incident := desk.holder(("DataDrift", event.subject))) is not None:
                    desk.note(incident, "evidence", event.subject, text)
        case ev.AlertFlapping():
            _say(desk, event, "alert", f"{event.name} flaps: it is held as raised until it is calm")


def _say(desk: Desk, event: ev.Event, kind: EntryKind, text: str) -> Incident | None:
    incident = desk.home(event.subject)
    return None if incident is None else desk.note(incident, kind, event.subject, text)


def _recovery(event: ev.RecoveryStarted | ev.RecoverySucceeded | ev.RecoveryFailed | ev.RecoveryHeld) -> str:
    match event:
        case ev.RecoveryStarted():
            return f"recovery from {event.ailment} begins {event.detected_after:.1f} s after the first sign"
        case ev.RecoverySucceeded():
            return f"recovered from {event.ailment} in {event.seconds:.1f} s by {event.by}; verified healthy"
        case ev.RecoveryFailed():
            return f"attempt {event.attempt} did not help: {event.reason}; next in {event.next_in:.0f} s"
    return f"no action on {event.ailment}: {event.reason}"


def _changed(desk: Desk, change: Change) -> None:
    """A change while an incident is open is a part of its story."""
    incident = desk.home(change.subject)
    if incident is None or change.kind in ("drill", "edged"):
        return
    desk.note(incident, "change", change.subject, change.text)


def _condition(desk: Desk, event: ev.AppChanged) -> None:
    incident = desk.home(event.subject)
    if incident is None or event.subject not in incident.subjects:
        return
    incident = record.assessed(record.harmed(incident, event.subject, event.new, desk.now), desk.now)
    if event.new == "starting":
        desk.put(incident)  # on its way: what comes of it is worth a line
        return
    desk.note(incident, "sign", event.subject, f"{event.old} → {event.new}: {event.reason}")


def _began(desk: Desk, event: ev.ActionStarted) -> None:
    incident = desk.home(event.subject)
    if incident is None:
        return
    incident = record.begun(incident, Deed(desk.now, event.action_id, event.action, event.subject, event.reason))
    incident = _responded(incident, desk.now)
    attempt = f", attempt {event.attempt}" if event.attempt else ""
    desk.note(incident, "action", event.subject, f"{event.action} begins{attempt}: {event.reason}")


def _ended(desk: Desk, event: ev.ActionEnded) -> None:
    how = "done" if event.ok else f"FAILED: {event.error}"
    text = f"{event.action} {how} ({event.seconds:.1f} s)"
    for incident in desk.newest_first:
        if any(d.action_id == event.action_id for d in incident.actions):
            incident = record.ended(incident, event.action_id, event.ok, event.seconds, event.error)
            _evidence(desk, desk.note(incident, "action", event.subject, text), event)
            return
    home = desk.home(event.subject)
    if home is None:
        return
    if event.action in DEEDS:
        began_at = desk.now - event.seconds
        deed = Deed(began_at, event.action_id, event.action, event.subject, "", event.ok, event.seconds, event.error)
        home = desk.note(_responded(record.begun(home, deed), desk.now), "action", event.subject, text)
    _evidence(desk, home, event)


def _evidence(desk: Desk, incident: Incident, event: ev.ActionEnded) -> None:
    """What was kept: by an action of its own, or by another one before it destroyed anything."""
    alone = event.action == "CaptureEvidence"
    kept = event.result if alone else event.result.get("evidence")
    path = kept.get("path") if isinstance(kept, dict) else None
    if isinstance(kept, dict) and isinstance(path, str):
        size = kept.get("bytes")
        digest = str(kept.get("digest", ""))
        exhibit = Exhibit(desk.now, event.subject, path, digest, size if isinstance(size, int) else 0)
        desk.note(record.exhibited(incident, exhibit), "evidence", event.subject, f"evidence kept: {path}")
    elif alone or "evidence_error" in event.result:
        why = event.error or str(event.result.get("evidence_error", "nothing came"))
        desk.note(incident, "evidence", event.subject, f"no evidence could be kept: {why}")


def _responded(incident: Incident, now: float) -> Incident:
    return incident if incident.responded_at is not None else replace(incident, responded_at=now)


def _acknowledged(desk: Desk, event: ev.AlertAcknowledged) -> None:
    incident = desk.holder((event.name, event.subject))
    if incident is None:
        return
    seen = Acknowledged(event.by, desk.now, event.note)
    if incident.acknowledged == seen:
        return  # one command took several alerts at once
    note = f": {event.note}" if event.note else ""
    text = f"acknowledged by {event.by}{note}"
    incident = _responded(replace(incident, acknowledged=seen), desk.now)
    incident = desk.note(incident, "acknowledged", event.subject, text)
    desk.told.append(
        ev.IncidentUpdated(
            subject=incident.cause,
            incident=incident.id,
            what="acknowledged",
            severity=incident.severity,
            text=record.cut(text),
        )
    )


def _note(desk: Desk, event: ev.NoteTaken) -> None:
    text = f"{event.by}: {event.text}"
    if (over := desk.book.closed.get(event.incident)) is not None:
        late = record.entered(over, desk.now, "note", event.subject, text)
        desk.book = replace(desk.book, closed={**desk.book.closed, late.id: late})
        return
    incident = desk.book.open.get(event.incident) or desk.home(event.subject)
    if incident is not None:
        desk.note(_responded(incident, desk.now), "note", event.subject, text)


def _runbook(desk: Desk, event: ev.RunbookBegun | ev.RunbookStepEnded | ev.RunbookHeld | ev.RunbookEnded) -> None:
    incident = desk.holder((event.alert, event.subject))
    if incident is None:
        return
    match event:
        case ev.RunbookBegun():
            text = f"runbook {event.runbook} begins: {', '.join(event.steps)}"
        case ev.RunbookStepEnded():
            why = f": {event.reason}" if event.reason else ""
            text = f"runbook of {event.alert}: {event.step} {event.result}{why}"
        case ev.RunbookHeld():
            text = f"runbook of {event.alert}: {event.step} waits: {event.reason}"
        case ev.RunbookEnded():
            text = f"runbook of {event.alert} ended: {event.result}"
    desk.note(incident, "runbook", event.subject, text)
