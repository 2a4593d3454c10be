"""The life of an incident. ``subject`` is its cause: an app, a dependency, ``host`` or ``engine``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from .event import Event
from .incidents import Escalating, Level


class IncidentOpened(Event, frozen=True, kw_only=True):
    incident: str
    """Its id."""
    title: str
    severity: Level
    alerts: tuple[str, ...]
    """``name/subject`` of those that fire."""
    detected_after: float
    """Seconds from the first sign to the first alert."""
    respond_in: float
    """Seconds from now."""
    resolve_in: float
    likely: str = ""
    """The change that is most likely to blame."""

    type: ClassVar[str] = "incident.opened"


class IncidentUpdated(Event, frozen=True, kw_only=True):
    incident: str
    what: Literal["alert", "severity", "acknowledged", "restored", "merged"]
    severity: Level
    text: str

    type: ClassVar[str] = "incident.updated"


class IncidentEscalated(Event, frozen=True, kw_only=True):
    """A person is needed, and knows it from this."""

    incident: str
    why: Escalating
    severity: Level
    text: str

    type: ClassVar[str] = "incident.escalated"


class IncidentClosed(Event, frozen=True, kw_only=True):
    """All its alerts stayed clear for the hold time; or it was merged into another one, which goes on."""

    incident: str
    severity: Level
    seconds: float
    """From the first sign to the last alert that cleared."""
    merged_into: str = ""
    record: dict[str, Any] = {}
    """The whole record, as ``edged incidents ID --json`` shows it."""

    type: ClassVar[str] = "incident.closed"


class IncidentReopened(Event, frozen=True, kw_only=True):
    """One of its alerts came back soon after it was closed."""

    incident: str
    severity: Level
    alert: str
    """``name/subject``"""
    text: str

    type: ClassVar[str] = "incident.reopened"
