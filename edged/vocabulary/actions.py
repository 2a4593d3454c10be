"""What to do. Actions are data; ``act`` has one executor for each type."""

from __future__ import annotations

from typing import ClassVar, Literal

from .action import Action as Action
from .action import Where as Where
from .data import Prunable
from .data_actions import BackUpData as BackUpData
from .data_actions import FindBackup as FindBackup
from .data_actions import RestoreData as RestoreData
from .drill_actions import FindLimits as FindLimits
from .drill_actions import ForgetModel as ForgetModel
from .drill_actions import InjectSignal as InjectSignal
from .drill_actions import RestoreMemory as RestoreMemory
from .drill_actions import SpoilModel as SpoilModel
from .drill_actions import SqueezeMemory as SqueezeMemory
from .isolation import Endpoint


class CaptureEvidence(Action, frozen=True, kw_only=True):
    """Keep what a restart would destroy: last log lines, inspect, usage, probe answers."""

    container_id: str
    context: dict[str, str] = {}
    """What edged itself knows of the moment (probe details, usage, recent deaths)."""
    log_lines: int = 200
    incident: str = ""
    """Whose evidence it is; empty: none is open."""

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
    incident: str = ""


class FetchBundle(Action, frozen=True, kw_only=True):
    """Get a bundle into the app's staging folder; goes on where an attempt before ended."""

    where: Where
    source: str
    deployment: str


class VerifyArtifact(Action, frozen=True, kw_only=True):
    """Signature, digests and listing of what was staged (or, with ``digest``, of what is kept), then a whole slot."""

    where: Where
    deployment: str
    digest: str
    """Of an artifact that is kept already; empty: what was staged."""
    highest: int
    """A sequence below is refused."""
    quarantined: tuple[str, ...] = ()


class ValidateArtifact(Action, frozen=True, kw_only=True):
    """Try it, in a short-lived process of its own: a model runs, a configuration is parsed."""

    where: Where
    digest: str
    schema: str = ""
    """File with the JSON schema of a configuration."""
    current: str = ""
    """Digest of what is in place, to compare with."""
    recorded: str = ""
    """File on the host with recent real inputs, for the comparison."""


class BackUpArtifact(Action, frozen=True, kw_only=True):
    """Make sure that what is in place now is kept whole, wherever it came from."""

    where: Where
    container_id: str
    current: str
    """Digest of what should be in place; empty: from before edged's time."""


class PlaceArtifact(Action, frozen=True, kw_only=True):
    """Put a kept artifact in place; the same again does nothing."""

    where: Where
    container_id: str
    digest: str
    previous: str
    """Digest of what is in place now, as far as this deployment knows."""
    back: str = ""
    """Digest of what a rollback would go back to afterwards; empty: nothing."""
    evidence: bool = False
    """What is in place now has failed: how the app stands is kept first."""
    incident: str = ""


class SignalContainer(Action, frozen=True, kw_only=True):
    container_id: str
    signal: str


class CallHook(Action, frozen=True, kw_only=True):
    """POST to the app itself: ask it to read its files again."""

    url: str


class SmokeTest(Action, frozen=True, kw_only=True):
    """Send the bundle's own inputs to the app."""

    where: Where
    digest: str
    url: str
    """Where the app answers."""


class TidyArtifacts(Action, frozen=True, kw_only=True):
    """Remove what is neither in place nor to go back to, beyond the newest ``where.keep``; and what was staged."""

    where: Where
    pinned: tuple[str, ...]
    """Digests that stay in any case."""
    deployment: str = ""
    """Whose staging folder may go."""


class ReloadConfig(Action, frozen=True, kw_only=True):
    """Read edged's own configuration anew and put it in force, as SIGHUP does."""


class CheckConfig(Action, frozen=True, kw_only=True):
    """Is this text a configuration that edged could put in force now?"""

    text: str
    """May hold passwords."""

    journalled: ClassVar[bool] = False


class TryConfig(Action, frozen=True, kw_only=True):
    """Put what was checked in force, without keeping it: a restart brings the one before back."""

    digest: str


class KeepConfig(Action, frozen=True, kw_only=True):
    """Make what is on trial outlive restarts."""

    digest: str


class UndoConfig(Action, frozen=True, kw_only=True):
    """Put the configuration from before the trial back in force."""

    digest: str


class ReadOut(Action, frozen=True, kw_only=True):
    """Get what a command asks for. Changes nothing; the result is packed, see ``act.parcel``."""

    what: Literal["logs", "evidence", "report", "status", "backups"]
    app: str = ""
    """Empty: all of them."""
    container_id: str = ""
    lines: int = 0
    since: float = 0.0
    """Seconds back; 0 with ``logs``: as far as there are any."""
    which: str = ""
    """An evidence record; empty: the app's latest."""
    incident: str = ""
    """All evidence of this one."""
    paths: tuple[str, ...] = ()
    """Records that belong to it, wherever they are."""

    journalled: ClassVar[bool] = False


class FindNetworks(Action, frozen=True, kw_only=True):
    """Which networks is it connected to?"""

    container_id: str

    journalled: ClassVar[bool] = False


class Isolate(Action, frozen=True, kw_only=True):
    """Cut a container off from these networks; it keeps running."""

    container_id: str
    networks: tuple[str, ...]


class Rejoin(Action, frozen=True, kw_only=True):
    """Connect it to them again; those that it is connected to are left as they are."""

    container_id: str
    networks: tuple[Endpoint, ...]


class PruneDisk(Action, frozen=True, kw_only=True):
    """Free what nobody goes back to. Repeatable: what is gone already frees nothing."""

    what: tuple[Prunable, ...] = ("containers", "images", "backups", "evidence", "logs")
    keep: tuple[str, ...] = ()
    """Names and ids of containers that stay in any case: those of apps."""
    logs: tuple[str, ...] = ()
    """Folders and file patterns (``/var/log/app/*.gz``) of rotated logs: only what matches them goes."""
    min_age: float = 3600.0
    """Seconds for which a container has been stopped, or a rotated log untouched, at least."""
    incident: str = ""


AnyAction = (
    CaptureEvidence
    | StartContainer
    | RestartContainer
    | StopContainer
    | PauseContainer
    | UnpauseContainer
    | RestartEngine
    | FetchBundle
    | VerifyArtifact
    | ValidateArtifact
    | BackUpArtifact
    | PlaceArtifact
    | SignalContainer
    | CallHook
    | SmokeTest
    | TidyArtifacts
    | ReloadConfig
    | CheckConfig
    | TryConfig
    | KeepConfig
    | UndoConfig
    | ReadOut
    | FindNetworks
    | Isolate
    | Rejoin
    | PruneDisk
    | BackUpData
    | FindBackup
    | RestoreData
    | InjectSignal
    | FindLimits
    | SqueezeMemory
    | RestoreMemory
    | SpoilModel
    | ForgetModel
)
"""Every action, for decoding."""
