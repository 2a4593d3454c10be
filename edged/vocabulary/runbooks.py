"""Runs of runbooks: how far edged has come with what is to be done about one alert."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .event import Severity

StepResult = Literal["done", "failed", "refused", "skipped"]
"""``refused``: edged may not, or cannot. ``skipped``: its condition does not hold, or there is nothing to do."""
RunResult = Literal["cleared", "done", "exhausted", "superseded", "removed"]
"""The alert cleared · all steps were taken · and did not help · another runbook, or a worse alert · not watched."""


class Wanted(Struct, frozen=True):
    """What a runbook asks the recovery of an app for, beside what ails the app by itself."""

    remedy: Literal["capture", "restart", "start", "stop"]
    alert: str
    reason: str
    since: float


class Past(Struct, frozen=True):
    """A step that has come to its end."""

    step: str
    result: StepResult
    why: str = ""


class Run(Struct, frozen=True, kw_only=True):
    """One runbook being carried out, for one alert of one subject. Survives restarts of edged."""

    alert: str
    subject: str
    severity: Severity
    book: str
    """Digest of the steps: another one is begun anew."""
    began: float
    cursor: int = 0
    """The step that is next, or under way."""
    since: float | None = None
    """When that began; ``None``: not yet."""
    deadline: float = 0.0
    phase: str = ""
    """Of a step that has several."""
    action_id: str = ""
    """Of the step's own action, while it is under way."""
    outcome: Past | None = None
    """How that action ended."""
    command: str = ""
    """Id of the command that the step has given."""
    tries: int = 0
    held: str = ""
    """Why the step waits, although its turn has come."""
    evidence: int | None = None
    """The step ``capture`` that is carried out as the first part of a later one."""
    reached: tuple[str, ...] = ()
    """Steps that others carry out, and that the run has come to: from now on they may."""
    past: tuple[Past, ...] = ()
    over: bool = False
    """All steps were taken. It is kept until the alert clears."""
    aftermath: bool = False
    """The alert is over, and what is under way is only brought to its end."""
    smoked: tuple[str, ...] = ()
    """Apps whose model was tried, with ``recover_all`` and ``smoke_test``."""
    wake_at: float | None = None
