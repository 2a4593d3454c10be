"""What people did beside edged, or by it."""

from __future__ import annotations

from typing import ClassVar, Literal

from .event import Event, Severity


class IsolationChanged(Event, frozen=True, kw_only=True):
    """An app was cut off from its networks while it runs, or connected again."""

    state: Literal["isolated", "again", "failed", "rejoined"]
    """``again``: it had come back to a network, by a restart or a person's hand."""
    by: str
    networks: tuple[str, ...] = ()
    reason: str = ""

    type: ClassVar[str] = "isolation.changed"


class AlertAcknowledged(Event, frozen=True, kw_only=True):
    """A person has seen it and takes care."""

    name: str
    severity: Severity
    by: str
    note: str = ""

    type: ClassVar[str] = "alert.acknowledged"


class NoteTaken(Event, frozen=True, kw_only=True):
    """What a person wants to be remembered."""

    text: str
    by: str
    incident: str = ""
    """The one that it is about, when that was named."""

    type: ClassVar[str] = "note.taken"


class ReportMade(Event, frozen=True, kw_only=True):
    """Somebody, or a timer, had a review made."""

    verdict: Literal["ok", "attention"]
    seconds: float
    """How long a time it is about."""
    findings: tuple[str, ...]
    """The worst first."""
    by: str

    type: ClassVar[str] = "report.made"
