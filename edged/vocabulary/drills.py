"""Drills: a failure is made on purpose, and what edged does about it is measured."""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct

from .event import Event

DrillKind = Literal["kill", "hang", "oom", "unhealthy", "bad-model"]
KINDS: tuple[DrillKind, ...] = ("kill", "hang", "oom", "unhealthy", "bad-model")

DrillPhase = Literal["preparing", "injecting", "detecting", "recovering", "restoring"]
"""``restoring``: it is over, well or not, and what it did is undone where that is still needed."""


class Drill(Struct, frozen=True, kw_only=True):
    """One drill of one app, from its order to its result. Survives restarts of edged, so that it is always undone."""

    id: str
    kind: DrillKind
    origin: str
    phase: DrillPhase = "preparing"
    began: float
    deadline: float
    """When it is given up."""
    container_id: str = ""
    run: float | None = None
    """When the run that it began with was started, by the engine's clock; ``None``: not known."""
    action_id: str = ""
    """The step under way; empty: none."""
    action_deadline: float = 0.0
    """When that step counts as lost."""
    injected_at: float = 0.0
    """When the failure began; 0: not yet."""
    detected_at: float = 0.0
    recovered_at: float = 0.0
    undo: Literal["", "signal", "memory", "model"] = ""
    """What is still to be undone: a stopped process, a lowered memory limit, a spoiled model that lies about."""
    tries: int = 0
    """Failed attempts to undo it."""
    retry_at: float = 0.0
    memory: int = 0
    """The container's own memory limit, bytes."""
    swap: int = 0
    """The same with swap; -1: without limit."""
    current: str = ""
    """Digest of the model in place."""
    spoiled: str = ""
    """Digest of the model that must not get there."""
    verdict: str = ""
    """How the deployment of that one ended."""
    attempts: int = 0
    """The app's failed attempts before: the drill adds none."""
    code: str = ""
    """Why it failed, for programs."""
    why: str = ""


INCONCLUSIVE = ("interfered", "interrupted")
"""Codes of drills that say nothing of the app, nor of what edged does for it."""


class Drilled(Struct, frozen=True):
    """What came of the last drill of its kind that says something."""

    at: float
    ok: bool
    detection: float | None = None
    """Seconds from the injection; ``None``: not detected."""
    recovery: float | None = None
    code: str = ""


class DrillStarted(Event, frozen=True, kw_only=True):
    """What follows on this app is meant to happen."""

    id: str
    kind: DrillKind
    origin: str

    type: ClassVar[str] = "drill.started"


class DrillEnded(Event, frozen=True, kw_only=True):
    id: str
    kind: DrillKind
    origin: str
    ok: bool
    """The failure was detected, and the app recovered, or kept its model, in time."""
    detection_seconds: float | None = None
    """From the injection to the decision that something is wrong; ``None``: it was not detected."""
    recovery_seconds: float | None = None
    """From the injection to verified healthy."""
    code: str = ""
    reason: str = ""
    seconds: float
    """The whole drill."""

    type: ClassVar[str] = "drill.ended"
