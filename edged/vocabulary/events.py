"""What to tell. Each event becomes a CloudEvent, a line in the journal and a row in the event log."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from .command_events import CommandAnswered, CommandPiece, CommandsRefused, KeysChanged
from .data_events import DataBackedUp, DataRestored
from .deployments import GateCheck
from .drills import DrillEnded, DrillStarted
from .event import Event, Severity
from .incident_events import IncidentClosed, IncidentEscalated, IncidentOpened, IncidentReopened, IncidentUpdated
from .model_events import DriftChanged, MetricsNoted, ReferenceChanged
from .own_events import (
    ConfigRefused,
    ConfigReloaded,
    ConfigTrial,
    EdgedStarted,
    EdgedStopping,
    EventsDropped,
    StorageTrouble,
)
from .people_events import AlertAcknowledged, IsolationChanged, NoteTaken, ReportMade
from .runbook_events import (
    RunbookBegun,
    RunbookEnded,
    RunbookEscalated,
    RunbookExhausted,
    RunbookHeld,
    RunbookStepEnded,
)

__all__ = [
    "AlertAcknowledged",
    "AnyEvent",
    "CommandAnswered",
    "CommandPiece",
    "CommandsRefused",
    "ConfigRefused",
    "ConfigReloaded",
    "ConfigTrial",
    "DataBackedUp",
    "DataRestored",
    "DriftChanged",
    "DrillEnded",
    "DrillStarted",
    "EdgedStarted",
    "EdgedStopping",
    "Event",
    "EventsDropped",
    "IncidentClosed",
    "IncidentEscalated",
    "IncidentOpened",
    "IncidentReopened",
    "IncidentUpdated",
    "IsolationChanged",
    "KeysChanged",
    "MetricsNoted",
    "NoteTaken",
    "ReferenceChanged",
    "ReportMade",
    "RunbookBegun",
    "RunbookEnded",
    "RunbookEscalated",
    "RunbookExhausted",
    "RunbookHeld",
    "RunbookStepEnded",
    "Severity",
    "StorageTrouble",
]


class AppChanged(Event, frozen=True, kw_only=True):
    """The app's state as people see it changed."""

    old: str
    new: str
    reason: str
    container_id: str = ""
    image: str = ""

    type: ClassVar[str] = "app.changed"


class AlertRaised(Event, frozen=True, kw_only=True):
    name: str
    severity: Severity
    summary: str
    advice: str = ""
    value: float | None = None
    threshold: float | None = None

    type: ClassVar[str] = "alert.raised"


class AlertChanged(Event, frozen=True, kw_only=True):
    """The severity of a firing alert changed."""

    name: str
    old: Severity
    severity: Severity
    summary: str

    type: ClassVar[str] = "alert.changed"


class AlertCleared(Event, frozen=True, kw_only=True):
    name: str
    severity: Severity
    seconds: float
    """How long it fired."""
    summary: str

    type: ClassVar[str] = "alert.cleared"


class AlertFlapping(Event, frozen=True, kw_only=True):
    """It changes too often to be believed: said once, then held until it is calm."""

    name: str
    changes: int
    seconds: float

    type: ClassVar[str] = "alert.flapping"


class ActionStarted(Event, frozen=True, kw_only=True):
    action_id: str
    action: str
    reason: str
    attempt: int = 0

    type: ClassVar[str] = "action.started"


class ActionEnded(Event, frozen=True, kw_only=True):
    action_id: str
    action: str
    ok: bool
    seconds: float
    error: str = ""
    result: dict[str, Any] = {}

    type: ClassVar[str] = "action.ended"


class RecoveryStarted(Event, frozen=True, kw_only=True):
    ailment: str
    reason: str
    detected_after: float
    """Seconds from the first sign (death, first failed probe) to the decision."""

    type: ClassVar[str] = "recovery.started"


class RecoverySucceeded(Event, frozen=True, kw_only=True):
    """Verified: the app is healthy again."""

    ailment: str
    attempts: int
    seconds: float
    """From the first sign of trouble to verified healthy."""
    by: Literal["edged", "engine", "itself", "person"] = "edged"

    type: ClassVar[str] = "recovery.succeeded"


class RecoveryFailed(Event, frozen=True, kw_only=True):
    """One attempt was made and the app is not healthy."""

    ailment: str
    attempt: int
    reason: str
    next_in: float
    """Seconds until the next attempt."""

    type: ClassVar[str] = "recovery.failed"


class RecoveryHeld(Event, frozen=True, kw_only=True):
    """The app needs recovery and edged waits, on purpose."""

    ailment: str
    reason: str

    type: ClassVar[str] = "recovery.held"


class RecoveryGaveUp(Event, frozen=True, kw_only=True):
    """The restart budget is spent: the circuit is open, and one slow retry is made now and then."""

    ailment: str
    attempts: int
    retry_in: float

    type: ClassVar[str] = "recovery.gave_up"


class MaintenanceChanged(Event, frozen=True, kw_only=True):
    on: bool
    owner: str
    why: str
    seconds: float
    """How long it is to last (on) or has lasted (off)."""

    type: ClassVar[str] = "maintenance.changed"


class CheckBroken(Event, frozen=True, kw_only=True):
    """A check cannot be carried out; said when it begins, and once more when it ends."""

    check: str
    error: str
    broken: bool

    type: ClassVar[str] = "check.broken"


class DeploymentChanged(Event, frozen=True, kw_only=True):
    """A deployment entered its next phase."""

    id: str
    kind: str
    old: str
    new: str
    name: str = ""
    version: str = ""
    digest: str = ""
    previous: str = ""
    """Digest of what was in place before."""
    code: str = ""
    reason: str = ""
    checks: tuple[GateCheck, ...] = ()
    seconds: float = 0.0
    """At the end: of the whole deployment."""

    type: ClassVar[str] = "deployment.changed"


AnyEvent = (
    EdgedStarted
    | EdgedStopping
    | AppChanged
    | AlertRaised
    | AlertChanged
    | AlertCleared
    | AlertFlapping
    | ActionStarted
    | ActionEnded
    | RecoveryStarted
    | RecoverySucceeded
    | RecoveryFailed
    | RecoveryHeld
    | RecoveryGaveUp
    | MaintenanceChanged
    | IsolationChanged
    | AlertAcknowledged
    | NoteTaken
    | ReportMade
    | ConfigReloaded
    | ConfigRefused
    | ConfigTrial
    | CheckBroken
    | MetricsNoted
    | DriftChanged
    | ReferenceChanged
    | CommandAnswered
    | CommandPiece
    | CommandsRefused
    | KeysChanged
    | DeploymentChanged
    | DataBackedUp
    | DataRestored
    | RunbookBegun
    | RunbookEnded
    | RunbookEscalated
    | RunbookExhausted
    | RunbookHeld
    | RunbookStepEnded
    | DrillStarted
    | DrillEnded
    | IncidentOpened
    | IncidentUpdated
    | IncidentEscalated
    | IncidentClosed
    | IncidentReopened
    | EventsDropped
    | StorageTrouble
)
"""Every event, for decoding."""
