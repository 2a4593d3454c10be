"""The book of incidents while the events of one turn are entered, and its clock."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ...config import Config
from ...vocabulary.events import Event
from ...vocabulary.incidents import Book, CauseKind, EntryKind, Incident
from ...vocabulary.state import Alert, State
from . import record

MOST_CLOSED = 30
"""Kept in mind, to be opened again or referred to; older ones are in the history of events."""
Key = tuple[str, str]
"""Alert name and subject."""


class Desk:
    """Changes nothing but itself; ``book`` and ``told`` are what came of it."""

    def __init__(self, state: State, config: Config, now: float) -> None:
        self.state, self.rules, self.now = state, config.incidents, now
        self.book: Book = state.incidents
        self.told: list[Event] = []

    @property
    def newest_first(self) -> list[Incident]:
        return [*self.book.open.values()][::-1]

    def put(self, incident: Incident) -> Incident:
        """An open one, in its new shape."""
        self.book = replace(self.book, open={**self.book.open, incident.id: incident})
        return incident

    def close(self, incident: Incident) -> Incident:
        """One that is over."""
        incident = replace(
            incident,
            closed_wall=wall(self.state, self.now),
            impact={
                name: record.relieved(harm, incident.restored_at or self.now) for name, harm in incident.impact.items()
            },
        )
        still = {k: i for k, i in self.book.open.items() if k != incident.id}
        closed = {**self.book.closed, incident.id: incident}
        for oldest in [*closed][: max(0, len(closed) - MOST_CLOSED)]:
            del closed[oldest]
        self.book = replace(self.book, open=still, closed=closed)
        return incident

    def holder(self, key: Key) -> Incident | None:
        """The open incident that has this alert."""
        for incident in self.book.open.values():
            if any((a.name, a.subject) == key for a in incident.alerts):
                return incident
        return None

    def home(self, subject: str) -> Incident | None:
        """Where what happens to this subject belongs: where one of its alerts fires, the newest first."""
        found = [i for i in self.newest_first if subject in i.subjects or subject == i.cause]
        return next((i for i in found if any(a.subject == subject for a in i.firing)), found[0] if found else None)

    def note(self, incident: Incident, kind: EntryKind, subject: str, text: str, **more: Any) -> Incident:
        """One more line in its timeline, and ``more`` of it changed."""
        return self.put(record.entered(replace(incident, **more), self.now, kind, subject, text))


def kind_of(state: State, subject: str) -> CauseKind:
    """What a subject is. A path of the host's disks is the host."""
    if subject in state.apps or subject in state.remembered:
        return "app"
    if subject in state.dependencies:
        return "dependency"
    return "engine" if subject == "engine" else "host"


def alert_of(state: State, name: str, subject: str) -> Alert | None:
    """The alert itself, wherever it is kept; also of an app that is remembered and not yet found again."""
    match kind_of(state, subject):
        case "app":
            app = state.apps.get(subject)
            found = (app.kept if app is not None else state.remembered[subject]).alerts.get(name)
        case "dependency":
            found = state.dependencies[subject].alerts.get(name)
        case "engine":
            found = state.engine.alerts.get(name)
        case "host":
            found = state.host.alerts.get(name if subject == "host" else f"{name}/{subject}")
    return found if found is not None and found.severity is not None else None


def alerts(state: State) -> dict[Key, Alert]:
    """All that fire, also of apps that are remembered and not yet found again."""
    found: dict[Key, Alert] = {}
    for subject, kept in state.remembered.items():
        found.update({(name, subject): alert for name, alert in kept.alerts.items() if alert.severity is not None})
    found.update({(name, subject): alert for name, subject, alert in state.firing()})
    return found


def wall(state: State, now: float) -> float:
    """Unix time as the device's clock shows it, from what was last seen of it."""
    sample = state.host.sample
    if sample is not None and sample.wall:
        return sample.wall + (now - state.host.sampled_at)
    if state.started_wall:
        return state.started_wall + (now - state.started_at)
    return now
