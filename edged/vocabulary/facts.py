"""What was seen. Every fact is frozen and serialisable, so a recorded hour can be judged again elsewhere."""

from __future__ import annotations

from typing import Any, Literal

from .command_facts import CommandReceived, OrderReceived, OrdersRefused
from .fact import Fact
from .log_facts import LogsCounted
from .model_facts import ReferenceSeen, RowsCounted, SmokeProbed, TrafficSampled
from .trust import TrustedKey
from .world import Container, ContainerAction, Disk, DockerHealth, HostSample, Usage

__all__ = [
    "AnyFact",
    "CommandReceived",
    "Fact",
    "LogsCounted",
    "OrderReceived",
    "OrdersRefused",
    "ReferenceSeen",
    "RowsCounted",
    "SmokeProbed",
    "TrafficSampled",
]


class Started(Fact, frozen=True, kw_only=True):
    """edged itself started."""

    boot: int
    """How often edged has started in this device's life."""
    version: str
    host_rebooted: bool
    """The host booted since edged last ran: whatever is down now was not stopped by a person."""
    previous_end: str
    """Why the run before ended: ``first`` (there was none), ``clean``, ``power`` (the host went down with it),
    ``crash``, ``watchdog: `` and what hung, ``oom-kill``, or ``timeout`` (it took too long to start or to stop)."""
    wall: float = 0.0
    """Unix time; 0: not told."""


class StopRequested(Fact, frozen=True, kw_only=True):
    reason: str


class Tick(Fact, frozen=True, kw_only=True):
    """Time went by and nothing else happened."""


class EngineSeen(Fact, frozen=True, kw_only=True):
    """Whether the container engine answers."""

    up: bool
    version: str = ""
    error: str = ""


class ContainersListed(Fact, frozen=True, kw_only=True):
    """All containers of the engine, stopped ones too."""

    containers: tuple[Container, ...]


class ContainerInspected(Fact, frozen=True, kw_only=True):
    """One container in full (restart policy and pid included)."""

    container: Container


class ContainerChanged(Fact, frozen=True, kw_only=True):
    """One message of the engine's event stream."""

    id: str
    name: str
    action: ContainerAction
    image: str = ""
    labels: dict[str, str] = {}
    exit_code: int | None = None
    """With ``die``."""
    signal: int | None = None
    """With ``kill``."""
    health: DockerHealth = "none"
    """With ``health_status``."""
    time: float = 0.0
    """Unix time, by the engine's clock."""


class ResourcesSampled(Fact, frozen=True, kw_only=True):
    """One pass over all containers that are being watched."""

    usages: tuple[Usage, ...]


class HostSampled(Fact, frozen=True, kw_only=True):
    host: HostSample


class DiskSampled(Fact, frozen=True, kw_only=True):
    disk: Disk


class ProbeFinished(Fact, frozen=True, kw_only=True):
    """A health or dependency probe came to a verdict."""

    kind: Literal["app", "dependency"]
    subject: str
    """App or dependency name."""
    ok: bool
    seconds: float
    detail: str = ""
    """What was wrong, for a person: ``HTTP 503``, ``no answer within 2s`` …"""
    started: float = 0.0
    """When the probe was sent, on edged's clock."""


class CheckFailed(Fact, frozen=True, kw_only=True):
    """A check could not be carried out. Neither healthy nor unhealthy."""

    check: str
    subject: str
    error: str


class ActionFinished(Fact, frozen=True, kw_only=True):
    """An action came to its end."""

    action_id: str
    action: str
    """Type name of the action."""
    subject: str
    ok: bool
    seconds: float
    error: str = ""
    result: dict[str, Any] = {}


class ConfigLoaded(Fact, frozen=True, kw_only=True):
    """A valid configuration is in force from this fact on."""

    digest: str
    path: str
    instead_of: str = ""
    """The file that it is in force instead of, when a command applied it."""
    changed: tuple[str, ...] = ()
    """Key paths that differ from the configuration before, e.g. ``apps.detector.memory``."""
    trusted: tuple[TrustedKey, ...] = ()
    """The keys of its trust file."""


class ConfigRejected(Fact, frozen=True, kw_only=True):
    """A reload was asked for and refused; the configuration before stays in force."""

    path: str
    errors: tuple[str, ...]


class BrokerSeen(Fact, frozen=True, kw_only=True):
    connected: bool
    detail: str = ""


class SpoolDropped(Fact, frozen=True, kw_only=True):
    """The outbox was full: these events will never reach the broker."""

    first: int
    last: int
    count: int
    reason: str
    """``size``, ``age``, ``refused``, ``damaged``, ``disk`` or ``lost``."""


class StorageSeen(Fact, frozen=True, kw_only=True):
    """The store could not write, or can again."""

    ok: bool
    error: str = ""


AnyFact = (
    Started
    | StopRequested
    | Tick
    | EngineSeen
    | ContainersListed
    | ContainerInspected
    | ContainerChanged
    | ResourcesSampled
    | HostSampled
    | DiskSampled
    | ProbeFinished
    | TrafficSampled
    | SmokeProbed
    | ReferenceSeen
    | RowsCounted
    | LogsCounted
    | CheckFailed
    | ActionFinished
    | CommandReceived
    | OrderReceived
    | OrdersRefused
    | ConfigLoaded
    | ConfigRejected
    | BrokerSeen
    | SpoolDropped
    | StorageSeen
)
"""Every fact, for decoding."""
