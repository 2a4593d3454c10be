"""All that is remembered of one app."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from .data import DataCare
from .deployments import Deployment, Kind, Placed, Request, Traffic
from .drills import Drill, Drilled
from .inference import Inference
from .isolation import Isolation
from .logs import LogMinute
from .runbooks import Wanted
from .signs import Alert, Cpu, Streak, Trend
from .world import Container, Usage

Condition = Literal["unknown", "missing", "stopped", "down", "restarting", "paused", "starting", "healthy", "unhealthy"]
"""An app as people see it. ``stopped``: on purpose; ``down``: not on purpose; ``missing``: no container."""


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
    """``start``, ``restart``, ``stop``, ``pause`` or ``unpause``; ``capture``: only its evidence is kept."""
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
    failure: str = ""
    """What came of its last attempt that failed, in the engine's words or its checks'."""
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
    ended_at: float = 0.0
    """Unix time of an end of which edged was told only afterwards; 0: it has run since, or there was none."""
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
    tidy_attempt: int = 0
    tidy_at: float = 0.0
    """When it is tried again; 0: it is under way."""
    stuck: str = ""
    """Why the last deployment could neither be finished nor undone; empty: it could."""
    ended: Request | None = None
    """The one before."""
    isolation: Isolation | None = None
    wanted: Wanted | None = None
    """By a runbook, of the recovery."""
    deployed_at: float = 0.0
    """When a deployment that touched the app last came to its end."""
    data: DataCare = DataCare()
    drill: Drill | None = None
    drilled: dict[str, Drilled] = {}
    """The last drill of each kind."""
    drill_due: float = 0.0
    """When the next drill of the schedule is due; 0: not planned yet."""
    drill_turn: int = 0
    """Drills of the schedule so far: which kind is next."""


class Trouble(Struct, frozen=True):
    """A check that could not be carried out."""

    began: tuple[float, ...] = ()
    """When that was told lately, on edged's clock."""
    shaky_at: float | None = None
    """It comes and goes, which was told; when it last failed."""


class AppState(Struct, frozen=True):
    name: str
    config: Any
    """``edged.config.App`` in force: from the file, from labels, or the default (Any: vocabulary imports nothing)."""
    discovered: bool = False
    leaving: bool = False
    """Not to be watched any more, once its deployment has come to its end."""
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
    troubles: dict[str, Trouble] = {}
    """Of checks that could not be carried out lately."""
    traffic: tuple[Traffic, ...] = ()
    """Scrapes of its metrics since it last started, the newest last."""
    inference: Inference = Inference()
    log: LogMinute = LogMinute()
    kept: Kept = Kept()
    wake_at: float | None = None
    """Look at it again then, even if nothing happens."""
