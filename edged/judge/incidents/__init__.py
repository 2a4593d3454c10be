"""Incidents: a fold over the events of each turn. Alerts of one cause join one incident, which is opened, grows, is
restored, and closes when all has been calm for a while. Costs nothing in a turn without events.

The alerts themselves are the truth; the book only says which belong together, and what was seen and done meanwhile.
"""

from __future__ import annotations

from msgspec.structs import replace

from ...config import Config
from ...vocabulary import events as ev
from ...vocabulary.incidents import Change
from ...vocabulary.state import State
from ..outcome import Judgement
from . import changes, joining, overdue, telling
from .desk import Desk, alerts

SILENT = (ev.CommandPiece, ev.CommandAnswered, ev.CommandsRefused)
"""Events that no incident has anything to do with."""


def fold(state: State, events: tuple[ev.Event, ...], config: Config, now: float) -> Judgement:
    """Takes in what one turn told. Returns the state with the book brought up to date, and what is to be told of it."""
    due = state.incidents.due
    if not events and (due is None or now < due):
        return Judgement(state)
    desk = Desk(state, config, now)
    _enter(desk, [event for event in events if not isinstance(event, SILENT)])
    if any(isinstance(event, ev.EdgedStarted) for event in events):
        _reconcile(desk)
    if desk.book.open is not state.incidents.open:
        joining.restored(desk)
    if desk.book is not state.incidents or (due is not None and now >= due):
        overdue.look(desk)
    if desk.book == state.incidents:
        return Judgement(state)
    return Judgement(replace(state, incidents=desk.book), events=tuple(desk.told))


def _enter(desk: Desk, events: list[ev.Event]) -> None:
    """In their order; but what happened to an app just before its alert was raised belongs to that alert's incident."""
    seen: list[tuple[ev.Event, Change | None]] = []
    for event in events:
        desk.book, change = changes.noted(desk.book, event, desk.now)
        seen.append((event, change))
    ahead = [event.subject for event in events if isinstance(event, ev.AlertRaised)]
    late: list[tuple[ev.Event, Change | None]] = []
    for event, change in seen:
        match event:
            case ev.AlertRaised():
                ahead.pop(0)
                joining.raised(desk, event.name, event.subject, event.severity, event.summary)
            case ev.AlertChanged():
                joining.changed(desk, event.name, event.subject, event.severity, event.summary)
            case ev.AlertCleared():
                joining.cleared(desk, event.name, event.subject, event.summary)
            case _ if event.subject in ahead:
                late.append((event, change))
            case _:
                telling.entered(desk, event, change)
    for event, change in late:
        telling.entered(desk, event, change)


def _reconcile(desk: Desk) -> None:
    """After a restart of edged: a part of the state may have been lost, or be of a version that knew no incidents."""
    firing = alerts(desk.state)
    for incident in [*desk.book.open.values()]:
        for alert in incident.firing:
            if (alert.name, alert.subject) not in firing:
                joining.cleared(desk, alert.name, alert.subject, "edged does not know of it any more")
    for (name, subject), fires in firing.items():
        holder = desk.holder((name, subject))
        lost = holder is None or all((a.name, a.subject) != (name, subject) for a in holder.firing)
        if lost and subject not in desk.state.remembered and fires.severity is not None:
            joining.raised(desk, name, subject, fires.severity, fires.summary)


def wake_at(state: State) -> float | None:
    """When time alone changes something."""
    return state.incidents.due
