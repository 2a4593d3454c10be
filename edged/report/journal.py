"""One line in the log for each transition and action, with its reason. Plain for people, JSON for machines."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..config.units import format_duration
from ..vocabulary import events as ev
from . import backups, runbook_lines
from .payloads import rfc3339

PRIORITY = {"critical": 3, "warning": 4, "info": 6}
"""syslog priorities, which journald reads from a ``<N>`` prefix."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Answers of probes and engines end up in sentences: they must not forge a line or steer a terminal."""
_encode = msgspec.json.Encoder(order="deterministic").encode
_GIVEN_UP = {
    "size": "the spool's size limit was reached",
    "age": "they were older than the spool keeps them",
    "refused": "the broker will never take them",
    "damaged": "the database was damaged",
    "lost": "the database was lost or put back from a backup",
    "disk": "the disk took nothing for too long",
}


def severity(event: ev.Event) -> str:
    """How loud the line is."""
    match event:
        case ev.AlertRaised() | ev.AlertChanged():
            return event.severity
        case ev.RunbookStepEnded() | ev.RunbookHeld() | ev.RunbookEscalated() | ev.RunbookExhausted():
            return runbook_lines.severity(event)
        case ev.IncidentEscalated() | ev.RecoveryGaveUp() | ev.EventsDropped() | ev.DeploymentChanged(new="failed"):
            return "critical"
        case (
            ev.RecoveryFailed()
            | ev.ConfigRefused()
            | ev.ConfigTrial(state="undone")
            | ev.AlertFlapping()
            | ev.IsolationChanged()
            | ev.RecoveryHeld()
            | ev.CommandsRefused()
            | ev.IncidentOpened()
            | ev.IncidentReopened()
            | ev.DrillEnded(ok=False)
            | ev.KeysChanged()
            | ev.DataBackedUp(ok=False)
            | ev.DataRestored(ok=False)
            | ev.DriftChanged(begun=(_, *_))
        ):
            return "warning"
        case ev.DeploymentChanged(new="rolling_back" | "rolled_back" | "refused"):
            return "warning"
        case ev.ActionEnded(ok=False) | ev.StorageTrouble(ok=False) | ev.CheckBroken(broken=True) | ev.MetricsNoted():
            return "warning"
        case _:
            return "info"


def sentence(event: ev.Event) -> str:
    """What happened, in words: to whom, what, why, and what comes next."""
    who = event.subject
    match event:
        case ev.EdgedStarted():
            return f"edged {event.version} started, run {event.boot}; the run before ended: {event.previous_end}"
        case ev.CommandsRefused():
            many = f"{event.count} commands were" if event.count != 1 else "a command was"
            by = f" by {event.key}" if event.key else ""
            return f"{many} refused{by} ({event.code}), nothing was done: {event.message}"
        case ev.KeysChanged(change="file"):
            return f"the trust file names other keys: {', '.join(event.keys)}"
        case ev.KeysChanged():
            return f"the key {', '.join(event.keys)} was {event.change} by {event.origin}"
        case ev.EdgedStopping():
            return f"edged is stopping: {event.reason}; containers are left as they are"
        case ev.AppChanged():
            return f"{who}: {event.old} → {event.new}: {event.reason}"
        case ev.AlertRaised():
            return f"ALERT {event.name} {who} ({event.severity}): {event.summary}. Next: {event.advice}"
        case ev.AlertChanged():
            return f"ALERT {event.name} {who}: {event.old} → {event.severity}: {event.summary}"
        case ev.AlertCleared():
            return f"cleared {event.name} {who} after {_s(event.seconds)}: {event.summary}"
        case ev.AlertFlapping():
            return (
                f"{event.name} {who} changed {event.changes} times within {_s(event.seconds)}: it flaps, and is held "
                "as raised in silence until it is calm"
            )
        case ev.ActionStarted():
            attempt = f", attempt {event.attempt}" if event.attempt else ""
            return f"{who}: {event.action} begins{attempt}: {event.reason}"
        case ev.ActionEnded() if event.result.get("stopped_on_purpose"):
            return f"{who}: left alone: a person stopped it"
        case ev.ActionEnded():
            how = "done" if event.ok else f"FAILED: {event.error}"
            return f"{who}: {event.action} {how} ({_s(event.seconds)})"
        case ev.RecoveryStarted():
            after = _s(event.detected_after)
            return f"{who}: recovery from {event.ailment} begins {after} after the first sign: {event.reason}"
        case ev.RecoverySucceeded():
            return (
                f"{who}: recovered from {event.ailment} in {_s(event.seconds)} by {event.by}, "
                f"attempts: {event.attempts}; verified healthy"
            )
        case ev.RecoveryFailed():
            return f"{who}: attempt {event.attempt} did not help: {event.reason}; the next one in {_s(event.next_in)}"
        case ev.RecoveryHeld():
            return f"{who}: no action on {event.ailment}: {event.reason}"
        case ev.RecoveryGaveUp():
            return (
                f"{who}: {event.attempts} attempts spent the budget and did not help ({event.ailment}); a person is "
                f"needed, one slow retry in {_s(event.retry_in)}"
            )
        case ev.MaintenanceChanged():
            if event.on:
                return f"{who}: maintenance by {event.owner} for {_s(event.seconds)}: {event.why}"
            return f"{who}: maintenance by {event.owner} is over after {_s(event.seconds)}: {event.why}"
        case ev.IsolationChanged(state="failed"):
            return f"{who}: the isolation by {event.by}, or its undoing, FAILED and is tried again: {event.reason}"
        case ev.IsolationChanged(state="rejoined"):
            return f"{who}: the isolation is over: {event.reason}"
        case ev.IsolationChanged():
            again = " again: it had come back to a network" if event.state == "again" else ""
            return f"{who}: cut off from {', '.join(event.networks)} by {event.by}{again}; it runs on"
        case ev.AlertAcknowledged():
            note = f": {event.note}" if event.note else ""
            return f"{event.name} {who} ({event.severity}) acknowledged by {event.by}{note}"
        case ev.ReportMade():
            return f"the review of {format_duration(event.seconds)} by {event.by}: {event.verdict}"
        case ev.NoteTaken():
            return f"{who}: note by {event.by}: {event.text}"
        case ev.ConfigReloaded():
            return f"configuration {event.path} is in force; changed: {', '.join(event.changed) or 'nothing'}"
        case ev.ConfigRefused():
            return f"configuration {event.path} refused, the one before stays in force: {'; '.join(event.errors)}"
        case ev.ConfigTrial(state="begun"):
            return f"configuration {event.digest[:19]} is on trial for {_s(event.seconds)}; {event.before[:19]} is kept"
        case ev.ConfigTrial(state="kept"):
            return f"configuration {event.digest[:19]} has stood its trial and is kept"
        case ev.ConfigTrial():
            return (
                f"configuration {event.digest[:19]} has not stood its trial [{event.code}]: {event.reason}; "
                f"{event.before[:19]} is in force"
            )
        case ev.CheckBroken():
            if event.broken:
                return f"{who}: the check {event.check} cannot be made, so nothing is concluded from it: {event.error}"
            return f"{who}: the check {event.check} works again"
        case ev.MetricsNoted():
            return f"{who}: {event.text}"
        case ev.DriftChanged():
            said = [f"{one.name} {one.direction} (PSI {one.psi:.2f})" for one in event.top]
            begun = f"drift begins: {', '.join(event.begun)}" if event.begun else ""
            ended = f"drift is over: {', '.join(event.ended)}" if event.ended else ""
            far = f"; farthest away: {', '.join(said)}" if said else ""
            return f"{who}: {'; '.join(part for part in (begun, ended) if part) or 'drift goes on'}{far}"
        case ev.ReferenceChanged():
            where = "edged has learned itself" if event.learned else f"came with the model {event.model[:19]}"
            size = f"{event.features} features, {event.rows} rows"
            return f"{who}: inputs are held against a reference that {where} ({size})"
        case ev.DrillStarted():
            return f"{who}: the drill {event.kind} by {event.origin} begins: what follows is meant to happen"
        case ev.DrillEnded(ok=True):
            seen, well = _s(event.detection_seconds or 0.0), _s(event.recovery_seconds or 0.0)
            return f"{who}: the drill {event.kind} is over: noticed after {seen}, well again after {well}"
        case ev.DrillEnded():
            return f"{who}: the drill {event.kind} FAILED [{event.code}]: {event.reason}"
        case ev.CommandAnswered():
            code = f" [{event.reason}]" if event.reason else ""
            return f"{who}: command {event.command} by {event.origin} {event.status}{code}: {event.message}"
        case ev.CommandsRefused():
            return f"{event.count} orders from the broker refused [{event.code}]: {event.message}"
        case ev.KeysChanged():
            by = f" by {event.origin}" if event.origin else ""
            change = {"added": "trusted from now on", "revoked": "revoked", "file": "changed with the trust file"}
            return f"keys {', '.join(event.keys)} {change[event.change]}{by}"
        case ev.DeploymentChanged():
            what = " ".join(part for part in (event.kind, event.name, event.version) if part)
            code, why = (f" [{event.code}]" if event.code else ""), (f": {event.reason}" if event.reason else "")
            return f"{who}: {what} {event.old} → {event.new}{code}{why}"
        case (
            ev.RunbookBegun()
            | ev.RunbookStepEnded()
            | ev.RunbookHeld()
            | ev.RunbookEscalated()
            | ev.RunbookExhausted()
            | ev.RunbookEnded()
        ):
            return runbook_lines.sentence(event)
        case ev.IncidentOpened():
            return f"{event.incident} {event.severity} opened: {event.title} ({', '.join(event.alerts)})"
        case ev.IncidentUpdated():
            return f"{event.incident} {event.severity}: {event.text}"
        case ev.IncidentEscalated():
            return f"{event.incident} {event.severity} ESCALATED ({event.why}), a person is needed: {event.text}"
        case ev.IncidentReopened():
            return f"{event.incident} {event.severity} opened again by {event.alert}: {event.text}"
        case ev.IncidentClosed() if event.merged_into:
            return f"{event.incident} is a part of {event.merged_into} now"
        case ev.IncidentClosed():
            return f"{event.incident} {event.severity} closed; all was clear {_s(event.seconds)} after the first sign"
        case ev.DataBackedUp() | ev.DataRestored():
            return backups.sentence(event)
        case ev.EventsDropped():
            return f"{event.count} events ({event.first}–{event.last}) were given up unsent: {_given_up(event)}"
        case ev.StorageTrouble():
            return (
                "the state folder can be written again" if event.ok else f"reports are not being stored: {event.error}"
            )
    return f"{who}: {event.type}"


def _given_up(event: ev.EventsDropped) -> str:
    return _GIVEN_UP.get(event.reason, event.reason)


def _s(seconds: float) -> str:
    if seconds < 10.0:
        return f"{seconds:.2f} s" if seconds < 1.0 else f"{seconds:.1f} s"
    return format_duration(round(seconds))


def line(event: ev.Event, wall: float, style: str, *, prefix: bool) -> str:
    """The line for the log. ``prefix``: with journald's priority in front."""
    level = severity(event)
    head = f"<{PRIORITY[level]}>" if prefix else ""
    if style == "json":
        body: dict[str, Any] = {"time": rfc3339(wall), "level": level, "event": event.type, "message": sentence(event)}
        body["data"] = {f: getattr(event, f) for f in event.__struct_fields__}
        return head + _encode(body).decode()
    return head + _CONTROL.sub("?", sentence(event))
