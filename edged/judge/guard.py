"""The last word over every action, whatever rule asked for it.

The rules already keep to all of this. The guard is here so that a mistake in one of them cannot become an
action that makes things worse.
"""

from __future__ import annotations

from ..vocabulary.actions import (
    Action,
    BackUpArtifact,
    BackUpData,
    CallHook,
    CaptureEvidence,
    CheckConfig,
    FetchBundle,
    FindBackup,
    FindLimits,
    FindNetworks,
    ForgetModel,
    InjectSignal,
    Isolate,
    KeepConfig,
    PauseContainer,
    PlaceArtifact,
    PruneDisk,
    ReadOut,
    Rejoin,
    ReloadConfig,
    RestartContainer,
    RestartEngine,
    RestoreData,
    RestoreMemory,
    SignalContainer,
    SmokeTest,
    SpoilModel,
    SqueezeMemory,
    StartContainer,
    StopContainer,
    TidyArtifacts,
    TryConfig,
    UndoConfig,
    UnpauseContainer,
    ValidateArtifact,
    VerifyArtifact,
)
from ..vocabulary.deployments import owner
from ..vocabulary.state import AppState, State
from . import drilled, isolation, run
from .ailment import BY_RUNBOOK
from .readout import SUBJECT as READ
from .runbooks.permission import asked

DEPLOYING = (
    FetchBundle,
    VerifyArtifact,
    ValidateArtifact,
    BackUpArtifact,
    PlaceArtifact,
    SignalContainer,
    CallHook,
    SmokeTest,
    TidyArtifacts,
)
ISOLATING = (FindNetworks, Isolate, Rejoin)
DRILLING = (InjectSignal, FindLimits, SqueezeMemory, RestoreMemory, SpoilModel, ForgetModel)
OWN = (ReloadConfig, CheckConfig, TryConfig, KeepConfig, UndoConfig)


def refusal(action: Action, state: State, busy: frozenset[str], now: float) -> str:
    """Why this action must not begin; empty: it may. ``busy``: subjects that were given an action just now."""
    if action.subject in busy:
        return f"another action on {action.subject} is under way"
    if isinstance(action, RestartEngine):
        return _engine(action, state)
    if isinstance(action, OWN):
        return _own(action, state)
    if isinstance(action, PruneDisk):
        if not asked(state, action.id):
            return "no runbook asked for it"
        return "edged is stopping" if state.stopping else ""
    if isinstance(action, ReadOut):
        return "" if action.id.removeprefix(READ) in state.commands else "no command asked for it"
    app = state.apps.get(owner(action.subject))
    if app is None:
        # What edged paused it lets go on, even when it does not watch it any more.
        return "" if isinstance(action, UnpauseContainer) and state.engine.up else f"there is no app {action.subject}"
    if isinstance(action, DEPLOYING):
        return _deploying(action, app, state)
    if isinstance(action, BackUpData | FindBackup | RestoreData):
        return _data(action, app, state)
    if isinstance(action, DRILLING):
        return _drilling(action, app, state, now)
    if drilled.acting(app):
        return f"a step of a drill of {app.name} is under way"
    if isolation.under_way(app) or isinstance(action, ISOLATING):
        return _isolating(action, app, state)
    recovery = app.kept.recovery
    if recovery.phase not in ("capturing", "acting") or recovery.action_id != action.id:
        return f"another action on {action.subject} is under way"
    if isinstance(action, CaptureEvidence):
        return ""
    if state.stopping:
        return "edged is stopping"
    if not state.engine.up:
        return "the container engine does not answer"
    if app.container is None:
        return f"there is no container of {action.subject}"
    if isinstance(action, RestartContainer | StartContainer) and app.container.status in ("restarting", "removing"):
        return f"{action.subject} is already {app.container.status}"
    return "" if recovery.command else _automatic(action, app, now)


def _deploying(action: Action, app: AppState, state: State) -> str:
    if state.stopping:
        return "edged is stopping"
    if isinstance(action, TidyArtifacts):
        return "" if app.kept.tidying == action.id else f"nothing of {action.subject} is to be tidied"
    if isinstance(action, SmokeTest) and asked(state, action.id):
        return ""
    deployment = app.kept.deployment
    if deployment is None or deployment.action_id != action.id:
        return f"no deployment of {action.subject} asked for it"
    return ""


def _data(action: BackUpData | FindBackup | RestoreData, app: AppState, state: State) -> str:
    if state.stopping:
        return "edged is stopping"
    if not state.engine.up:
        return "the container engine does not answer"
    care = app.kept.data
    if isinstance(action, BackUpData):
        return "" if care.action_id == action.id else f"no backup of the data of {app.name} is due"
    if care.restoring is None or care.restoring.action_id != action.id:
        return f"no restore of the data of {app.name} was asked for"
    if isinstance(action, FindBackup):
        return ""
    return f"{app.name} runs" if run.runs(app) or app.kept.recovery.phase != "idle" else ""


def _isolating(action: Action, app: AppState, state: State) -> str:
    wanted = app.kept.isolation
    if wanted is None or wanted.action_id != action.id:
        return f"{app.name} is being isolated, or connected again" if wanted is not None else "nobody asked for it"
    if state.stopping:
        return "edged is stopping"
    return "" if state.engine.up else "the container engine does not answer"


def _drilling(action: Action, app: AppState, state: State, now: float) -> str:
    """What undoes a drill is never refused for what somebody wants of the app: only for what is under way on it."""
    drill, kept = app.kept.drill, app.kept
    if drill is None or drill.action_id != action.id:
        return f"no drill of {app.name} asked for it"
    if state.stopping:
        return "edged is stopping"
    if isinstance(action, SpoilModel | ForgetModel):
        return ""
    if kept.recovery.phase in ("capturing", "acting") or isolation.under_way(app):
        return f"another action on {app.name} is under way"
    if not state.engine.up:
        return "the container engine does not answer"
    if drill.phase not in ("preparing", "injecting") or isinstance(action, RestoreMemory):
        return ""
    if kept.maintenance is not None and now < kept.maintenance.until:
        return f"{app.name} is in maintenance"
    if kept.isolation is not None or kept.stopped is not None or not app.config.drills:
        return f"{app.name} is isolated, stopped on purpose, or not to be drilled"
    return "" if not kept.recovery.open else f"edged has given {app.name} up for now"


def _own(action: Action, state: State) -> str:
    """About edged's own configuration."""
    if state.stopping:
        return "edged is stopping"
    trial = state.config.trial
    return "" if trial is not None and trial.action_id == action.id else "no command asked for it"


def _engine(action: RestartEngine, state: State) -> str:
    if state.stopping:
        return "edged is stopping"
    if state.engine.up:
        return "the engine answers"
    return "" if state.engine.action_id == action.id else "another restart of the engine is under way"


def _automatic(action: Action, app: AppState, now: float) -> str:
    """What only a person may ask for."""
    if app.kept.maintenance is not None and now < app.kept.maintenance.until:
        return f"{action.subject} is in maintenance"
    if app.kept.isolation is not None and not isinstance(action, PauseContainer | UnpauseContainer):
        return f"{action.subject} is isolated"
    if isinstance(action, UnpauseContainer):
        return "" if app.kept.paused_by_edged else f"{action.subject} was not paused by edged"
    if not app.config.restart.enabled:
        return f"edged only observes {action.subject}"
    if app.kept.stopped is not None and not (isinstance(action, StopContainer) and app.kept.stopped.by == BY_RUNBOOK):
        return f"{action.subject} was stopped on purpose"
    return ""
