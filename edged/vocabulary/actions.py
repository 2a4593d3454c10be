"""What to do. Actions are data; ``act`` has one executor for each type."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct


class Action(Struct, frozen=True, kw_only=True, tag=True):
    id: str
    """Unique in the device's life: the journal, the events and the outcome refer to it."""
    subject: str
    """App name, or ``engine``."""
    reason: str
    timeout: float
    """Seconds after which the attempt counts as failed."""

    journalled: ClassVar[bool] = True
    """The intent is on disk before the action begins."""


class CaptureEvidence(Action, frozen=True, kw_only=True):
    """Keep what a restart would destroy: last log lines, inspect, usage, probe answers."""

    container_id: str
    context: dict[str, str] = {}
    """What edged itself knows of the moment (probe details, usage, recent deaths)."""
    log_lines: int = 200

    journalled: ClassVar[bool] = False


class StartContainer(Action, frozen=True, kw_only=True):
    container_id: str


class RestartContainer(Action, frozen=True, kw_only=True):
    container_id: str
    stop_timeout: float
    """Seconds between SIGTERM and SIGKILL."""


class StopContainer(Action, frozen=True, kw_only=True):
    container_id: str
    stop_timeout: float


class PauseContainer(Action, frozen=True, kw_only=True):
    container_id: str


class UnpauseContainer(Action, frozen=True, kw_only=True):
    container_id: str


class RestartEngine(Action, frozen=True, kw_only=True):
    """Restart the container engine's systemd unit, unless a person stopped it."""

    unit: str


AnyAction = (
    CaptureEvidence
    | StartContainer
    | RestartContainer
    | StopContainer
    | PauseContainer
    | UnpauseContainer
    | RestartEngine
)
"""Every action, for decoding."""
