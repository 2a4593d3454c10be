"""What people manage: an incident, made of the alerts of one cause, with all that was seen and done about it.

Times are seconds on edged's own clock, which goes on over restarts and reboots, unless the docstring says otherwise.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .event import Severity
from .signs import Acknowledged

Level = Literal["P0", "P1", "P2", "P3"]
"""Critical, high, medium, low."""
LEVELS: tuple[Level, ...] = ("P0", "P1", "P2", "P3")
FIRST_LINES = 20
"""Of a timeline that are kept in any case; lines are left out behind them."""
CauseKind = Literal["app", "dependency", "host", "engine"]
EntryKind = Literal[
    "sign", "detected", "alert", "cleared", "action", "recovery", "restored", "acknowledged", "note", "change",
    "runbook", "evidence", "severity", "escalated", "merged", "reopened", "closed",
]  # fmt: skip
Escalating = Literal["respond", "resolve", "runbook", "recovery"]
"""Nobody responded in time · not resolved in time · the runbook is exhausted · the restart budget is spent."""


class Joined(Struct, frozen=True):
    """One alert of the incident."""

    name: str
    subject: str
    severity: Severity
    """The worst it had."""
    summary: str
    raised_at: float
    """First."""
    cleared_at: float | None = None
    """Last; ``None``: it fires."""
    times: int = 1
    """How often it was raised."""


class Entry(Struct, frozen=True):
    """One line of the timeline."""

    at: float
    kind: EntryKind
    subject: str
    text: str


class Deed(Struct, frozen=True):
    """What edged did, or a person by it."""

    at: float
    action_id: str
    action: str
    subject: str
    reason: str
    ok: bool | None = None
    """``None``: under way, or its end was never seen."""
    seconds: float = 0.0
    error: str = ""


class Harm(Struct, frozen=True):
    """What it meant for one app."""

    seconds: float = 0.0
    """Not healthy in all, without what goes on since ``since``."""
    since: float | None = None
    """``None``: it is well now."""
    worst: str = ""
    """The condition that was farthest from healthy."""


class Exhibit(Struct, frozen=True):
    """Evidence that was kept."""

    at: float
    subject: str
    path: str
    digest: str = ""
    bytes: int = 0


class Change(Struct, frozen=True):
    """What was changed on this device, by whomever."""

    at: float
    kind: Literal["deployment", "config", "image", "edged", "reboot", "isolation", "maintenance", "drill"]
    subject: str
    """App, or ``edged`` when it concerns all."""
    text: str
    over: bool = True
    """``False``: it is under way."""
    ref: str = ""
    """Id of the deployment or drill."""


class Escalation(Struct, frozen=True):
    at: float
    why: Escalating
    text: str


class Incident(Struct, frozen=True):
    id: str
    """``INC-2026-11-21-001``: the day it was opened on (UTC), and its number on that day."""
    title: str
    kind: CauseKind
    cause: str
    """App, dependency, ``host`` or ``engine`` that is taken for the root of it."""
    severity: Level
    """The worst it had."""
    began_at: float
    """The first sign of trouble."""
    opened_at: float
    """When the first alert was raised."""
    respond_by: float
    resolve_by: float
    alerts: tuple[Joined, ...] = ()
    responded_at: float | None = None
    """When the first action was begun, or a person took care."""
    acknowledged: Acknowledged | None = None
    stirred_at: float = 0.0
    """When one of its alerts last came, changed or went."""
    since: float = 0.0
    """When it was opened or last reopened: what escalated before may do so again."""
    restored_at: float | None = None
    """All its alerts have been clear since then; ``None``: one fires."""
    well_at: float | None = None
    """Nothing has been wrong since then, though some alert may still be shown; ``None``: something is."""
    closed_at: float | None = None
    closed_wall: float = 0.0
    """Unix time of ``closed_at``, as the clock stood then."""
    reopened: int = 0
    """How often."""
    merged_into: str = ""
    """Another incident turned out to have the same cause, and goes on."""
    merged: tuple[str, ...] = ()
    """Those that were merged into this one."""
    timeline: tuple[Entry, ...] = ()
    left_out: int = 0
    """Lines that were left out of the middle of the timeline."""
    actions: tuple[Deed, ...] = ()
    actions_left_out: int = 0
    evidence: tuple[Exhibit, ...] = ()
    """The last ones."""
    impact: dict[str, Harm] = {}
    """By app."""
    changes: tuple[Change, ...] = ()
    """Shortly before it began, the newest last."""
    likely: str = ""
    """The change that is most likely to blame; empty: none."""
    drill: bool = False
    """It was made on purpose."""
    hints: tuple[str, ...] = ()
    """What else may be at the root of it."""
    escalated: tuple[Escalation, ...] = ()

    @property
    def firing(self) -> tuple[Joined, ...]:
        return tuple(a for a in self.alerts if a.cleared_at is None)

    @property
    def subjects(self) -> frozenset[str]:
        """What its alerts are about."""
        return frozenset(a.subject for a in self.alerts)


class Book(Struct, frozen=True):
    """All incidents that edged has in mind."""

    open: dict[str, Incident] = {}
    """By id, the oldest first."""
    closed: dict[str, Incident] = {}
    """The last ones, the oldest first."""
    numbers: dict[str, int] = {}
    """Highest number given out by day (``2026-11-21``), of the last days."""
    changes: tuple[Change, ...] = ()
    """The newest last."""
    images: dict[str, str] = {}
    """By app, as last seen."""
    due: float | None = None
    """When time alone changes something. Not kept over restarts: it is found out anew then."""
