"""All that is remembered between two facts. Frozen: a rule returns a new state, it never changes the old one.

What is under ``kept`` (and ``HostState.alerts``, ``EngineState``'s restarts) survives restarts of edged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from .app_state import AppState, Condition, Kept, Maintenance, Phase, Recovery, Starter, Stopped
from .events import CommandAnswered
from .incidents import Book
from .inputs import Inputs
from .logs import LogBook
from .runbooks import Run
from .signs import Acknowledged, Alert, Cpu, Streak, Trend, Verdict
from .trust import Authority
from .world import Disk, HostSample

__all__ = [
    "Acknowledged",
    "Alert",
    "Answered",
    "AppState",
    "CommandState",
    "Condition",
    "ConfigState",
    "Cpu",
    "DependencyState",
    "EngineState",
    "HostState",
    "Kept",
    "Maintenance",
    "Phase",
    "Recovery",
    "Starter",
    "State",
    "Stopped",
    "Streak",
    "Trend",
    "Trial",
    "Verdict",
]


class DependencyState(Struct, frozen=True):
    name: str
    streak: Streak = Streak()
    alerts: dict[str, Alert] = {}
    broken: dict[str, str] = {}


class EngineState(Struct, frozen=True):
    up: bool | None = None
    since: float = 0.0
    lost_at: float | None = None
    """When it was last seen to be gone."""
    listed: bool = False
    """Its containers have been listed since it last came up: before that nothing is missing."""
    version: str = ""
    error: str = ""
    restarts: tuple[float, ...] = ()
    """When edged restarted it."""
    action_id: str = ""
    deadline: float = 0.0
    """When the restart under way counts as lost."""
    next_at: float = 0.0
    on_purpose: bool = False
    """A person stopped it: edged leaves it alone."""
    alerts: dict[str, Alert] = {}


class HostState(Struct, frozen=True):
    sample: HostSample | None = None
    sampled_at: float = 0.0
    disks: dict[str, Disk] = {}
    """By path, as last measured; one that cannot be measured now is not there."""
    alerts: dict[str, Alert] = {}
    paused_at: float = 0.0
    """When an app was last paused for memory."""
    broken: dict[str, str] = {}


class Trial(Struct, frozen=True):
    """A command about edged's own configuration, while it is carried out."""

    command: str
    """Its id."""
    type: str
    origin: str
    phase: Literal["reloading", "checking", "taking", "watching", "keeping", "undoing"]
    action_id: str
    hold: float = 0.0
    """Seconds that the new one has to prove itself."""
    before: str = ""
    """Digest of what was in force."""
    digest: str = ""
    """Of what is on trial."""
    since: float = 0.0
    """When it was put in force."""
    until: float = 0.0
    engine: bool = False
    """The container engine answered before: it must do so again."""
    broker: bool = False
    """The broker was reached before: it must be again."""
    fresh: bool = False
    """The way to the broker is another one: only a new connection counts."""
    code: str = ""
    why: str = ""
    """With ``undoing``."""


class ConfigState(Struct, frozen=True):
    digest: str = ""
    path: str = ""
    instead_of: str = ""
    """The file that what a command applied is in force instead of, until that file changes."""
    loaded_at: float = 0.0
    errors: tuple[str, ...] = ()
    """Of the last reload, when it was refused."""
    reloads: int = 0
    refused: int = 0
    trial: Trial | None = None


class CommandState(Struct, frozen=True):
    """A command that is being carried out."""

    id: str
    type: str
    app: str
    origin: str
    since: float


class Answered(Struct, frozen=True):
    """A command that came to its end: asked again, it gets the same answer."""

    at: float
    answer: CommandAnswered


class State(Struct, frozen=True):
    boot: int = 0
    started_at: float = 0.0
    started_wall: float = 0.0
    """Unix time of the same moment; 0: not known."""
    stopping: bool = False
    previous_end: str = ""
    engine: EngineState = EngineState()
    host: HostState = HostState()
    apps: dict[str, AppState] = {}
    remembered: dict[str, Kept] = {}
    """Of discovered apps of the run before, until the engine has listed its containers."""
    inputs: dict[str, Inputs] = {}
    """By app. It knows of more than are watched now: containers come and go."""
    logs: dict[str, LogBook] = {}
    """By app, as with ``inputs``."""
    dependencies: dict[str, DependencyState] = {}
    config: ConfigState = ConfigState()
    commands: dict[str, CommandState] = {}
    authority: Authority = Authority()
    answered: dict[str, Answered] = {}
    """The last ones, by id."""
    broker: bool = False
    broker_detail: str = ""
    broker_since: float = 0.0
    storage_error: str = ""
    incidents: Book = Book()
    runs: dict[str, Run] = {}
    """Runbooks that are being carried out, by ``alert/subject``."""

    def firing(self) -> Iterator[tuple[str, str, Alert]]:
        """(name, subject, alert) of all that fire; first what others may follow from."""
        for key, alert in self.host.alerts.items():
            name, _, path = key.partition("/")
            if alert.severity is not None:
                yield name, path or "host", alert
        kept = [("engine", self.engine.alerts)]
        kept += [(dependency.name, dependency.alerts) for dependency in self.dependencies.values()]
        kept += [(app.name, app.kept.alerts) for app in self.apps.values()]
        for subject, alerts in kept:
            yield from ((name, subject, alert) for name, alert in alerts.items() if alert.severity is not None)
