"""All that is remembered between two facts. Frozen: a rule returns a new state, it never changes the old one.

What is under ``kept`` (and ``HostState.alerts``, ``EngineState``'s restarts) survives restarts of edged.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from .deployments import Deployment, Kind, Placed, Request, Traffic
from .events import CommandAnswered, Severity
from .world import Container, Disk, HostSample, Usage

Condition = Literal["unknown", "missing", "stopped", "down", "restarting", "paused", "starting", "healthy", "unhealthy"]
"""An app as people see it. ``stopped``: on purpose; ``down``: not on purpose; ``missing``: no container."""

Verdict = Literal["unknown", "good", "bad"]


class Streak(Struct, frozen=True):
    """Consecutive answers of one probe, and the verdict they led to."""

    good: int = 0
    bad: int = 0
    verdict: Verdict = "unknown"
    first_bad_at: float | None = None
    """When the first probe of the running series of failures was sent."""
    detail: str = ""
    """What the last failed probe said."""
    last_at: float | None = None
    seconds: float = 0.0
    """How long the last answer took."""


class Alert(Struct, frozen=True):
    """One alert of one subject, firing (``severity`` set) or on its way there."""

    severity: Severity | None = None
    since: float = 0.0
    """When it began to fire."""
    warn_since: float | None = None
    """The level has been at least warning since then."""
    critical_since: float | None = None
    calm_since: float | None = None
    """While firing: the level has been below the present severity since then."""
    summary: str = ""
    advice: str = ""
    value: float | None = None
    threshold: float | None = None
    changes: tuple[float, ...] = ()
    """When it was last raised and cleared, for flapping."""
    flapping: bool = False


class Cpu(Struct, frozen=True):
    """CPU use between the last two samples."""

    share: float | None = None
    """Of the container's quota, else of the whole host."""
    throttled: float | None = None
    """Share of scheduler periods in which the container was throttled."""


class Trend(Struct, frozen=True):
    """Evenly spaced samples of the recent past, for a robust slope."""

    points: tuple[tuple[float, float], ...] = ()
    """(seconds, value)"""


class Stopped(Struct, frozen=True):
    """The container was stopped on purpose and stays so."""

    by: str
    at: float
    unsure: bool = False
    """It came together with the end of edged itself, so it may have been the host's shutdown."""


class Maintenance(Struct, frozen=True):
    """Hands off: edged reports, and takes no action by itself."""

    owner: str
    why: str
    since: float
    until: float


Starter = Literal["", "edged", "engine", "person"]
"""Who started what runs now; empty: not seen."""

Phase = Literal["idle", "capturing", "acting", "verifying"]


class Recovery(Struct, frozen=True):
    """Where the recovery of one app stands."""

    phase: Phase = "idle"
    ailment: str = ""
    """What it is being recovered from; empty: nothing."""
    reason: str = ""
    first_sign: float = 0.0
    announced: bool = False
    """``RecoveryStarted`` was told in this episode."""
    remedy: str = ""
    """``start``, ``restart``, ``stop``, ``pause`` or ``unpause``."""
    action_id: str = ""
    deadline: float = 0.0
    acted_at: float = 0.0
    """When the remedy's action was given out."""
    carried_at: float = 0.0
    """When the engine said that it had carried it out; 0: not known."""
    run: float | None = None
    """When the run that is to end began, by the engine's clock; ``None``: not known."""
    unsure: bool = False
    """edged ended while the engine was at it."""
    failed_at: float = 0.0
    """When its last restart or stop failed; 0: it did not. What that set going may still come to its end."""
    attempts: int = 0
    """Since it last stayed healthy for ``restart.reset_after``."""
    episode: int = 0
    """Attempts in this episode, from the first sign to healthy again."""
    charged: tuple[float, ...] = ()
    """When the budget was spent."""
    last_attempt: float | None = None
    next_at: float = 0.0
    """No attempt before."""
    open: bool = False
    """The circuit is open: the budget is spent, one slow retry now and then."""
    held: str = ""
    """Why edged waits although the app needs help."""
    healthy_since: float | None = None
    command: str = ""
    """Id of the command that asked for it; empty: edged decided."""


class Kept(Struct, frozen=True):
    """What is remembered of an app over restarts of edged."""

    container_id: str = ""
    stopped: Stopped | None = None
    maintenance: Maintenance | None = None
    recovery: Recovery = Recovery()
    paused_by_edged: bool = False
    deaths: tuple[float, ...] = ()
    actions: int = 0
    """Actions ever begun on it: makes their ids unique."""
    restarts: int = 0
    """Starts and restarts by edged that the engine carried out."""
    excused: bool = False
    """It is down because the engine or the host went down: getting it up again spends no budget."""
    alerts: dict[str, Alert] = {}
    placed: dict[Kind, Placed] = {}
    deployment: Deployment | None = None
    waiting: Request | None = None
    """The deployment that comes next."""
    tidying: str = ""
    """Action that cleans up after the one before: the next one waits for it."""
    stuck: str = ""
    """Why the last deployment could neither be finished nor undone; empty: it could."""
    ended: Request | None = None
    """The one before."""


class AppState(Struct, frozen=True):
    name: str
    config: Any
    """``edged.config.App`` in force: from the file, from labels, or the default (Any: vocabulary imports nothing)."""
    discovered: bool = False
    problems: tuple[str, ...] = ()
    """What is wrong with the container's labels."""
    container: Container | None = None
    seen_at: float = 0.0
    """The container is known as it was then."""
    sought: bool = False
    """A list of containers has been searched for it: before that it is not missing."""
    known_since: float = 0.0
    """Answers to probes that were sent before then say nothing: it was another container, paused, or out of sight."""
    started_at: float | None = None
    """When the container was seen to start; ``None``: it was already up when edged first saw it."""
    started_by: Starter = ""
    died_at: float | None = None
    kill_at: float | None = None
    """When somebody last sent it a signal through the engine."""
    oom_at: float | None = None
    suspect_until: float = 0.0
    """A death that may turn out to be a stop on purpose: wait until then before judging."""
    condition: Condition = "unknown"
    condition_since: float = 0.0
    reason: str = ""
    probe: Streak = Streak()
    usage: Usage | None = None
    usage_at: float = 0.0
    cpu: Cpu = Cpu()
    trend: Trend = Trend()
    broken: dict[str, str] = {}
    """Checks that cannot be carried out, with the error."""
    traffic: tuple[Traffic, ...] = ()
    """Scrapes of its metrics since it last started, the newest last."""
    kept: Kept = Kept()
    wake_at: float | None = None
    """Look at it again then, even if nothing happens."""


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
    stopping: bool = False
    previous_end: str = ""
    engine: EngineState = EngineState()
    host: HostState = HostState()
    apps: dict[str, AppState] = {}
    remembered: dict[str, Kept] = {}
    """Of discovered apps of the run before, until the engine has listed its containers."""
    dependencies: dict[str, DependencyState] = {}
    config: ConfigState = ConfigState()
    commands: dict[str, CommandState] = {}
    answered: dict[str, Answered] = {}
    """The last ones, by id."""
    broker: bool = False
    broker_detail: str = ""
    broker_since: float = 0.0
    storage_error: str = ""
