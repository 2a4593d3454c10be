"""What is told of runbooks. ``subject`` is the alert's: app, dependency, path, ``host`` or ``engine``."""

from __future__ import annotations

from typing import ClassVar

from .event import Event, Severity
from .runbooks import Past, RunResult, StepResult


class RunbookBegun(Event, frozen=True, kw_only=True):
    """Once for each run; ``RunbookEnded`` follows in any case."""

    alert: str
    runbook: str
    """Its name: the alert's, or ``alert/subject``."""
    severity: Severity
    steps: tuple[str, ...]

    type: ClassVar[str] = "runbook.begun"


class RunbookStepEnded(Event, frozen=True, kw_only=True):
    """One step came to its end. Steps that were skipped are only told at the end of the run."""

    alert: str
    step: str
    result: StepResult
    reason: str
    seconds: float

    type: ClassVar[str] = "runbook.step_ended"


class RunbookHeld(Event, frozen=True, kw_only=True):
    """The next step waits on purpose: said once for each reason."""

    alert: str
    step: str
    reason: str

    type: ClassVar[str] = "runbook.held"


class RunbookEscalated(Event, frozen=True, kw_only=True):
    """The step ``escalate``: a person is needed."""

    alert: str
    reason: str

    type: ClassVar[str] = "runbook.escalated"


class RunbookExhausted(Event, frozen=True, kw_only=True):
    """All steps were taken, what should have helped did not, and the alert still fires: a person is needed.

    Not told after ``RunbookEscalated`` in the same run.
    """

    alert: str
    reason: str

    type: ClassVar[str] = "runbook.exhausted"


class RunbookEnded(Event, frozen=True, kw_only=True):
    alert: str
    result: RunResult
    steps: tuple[Past, ...]
    """Those that were taken, or skipped, in order."""
    seconds: float

    type: ClassVar[str] = "runbook.ended"
