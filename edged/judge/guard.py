"""The last word over every action, whatever rule asked for it.

The rules already keep to all of this. The guard is here so that a mistake in one of them cannot become an
action that makes things worse.
"""

from __future__ import annotations

from ..vocabulary.actions import (
    Action,
    BackUpArtifact,
    CallHook,
    CaptureEvidence,
    CheckConfig,
    FetchBundle,
    FindNetworks,
    Isolate,
    KeepConfig,
    PauseContainer,
    PlaceArtifact,
    ReadOut,
    Rejoin,
    ReloadConfig,
    RestartContainer,
    RestartEngine,
    SignalContainer,
    SmokeTest,
    StartContainer,
    TidyArtifacts,
    TryConfig,
    UndoConfig,
    UnpauseContainer,
    ValidateArtifact,
    VerifyArtifact,
)
from ..vocabulary.deployments import SIDE
from ..vocabulary.state import AppState, State
from . import isolation
from .readout import SUBJECT as READ

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
OWN = (ReloadConfig, CheckConfig, TryConfig, KeepConfig, UndoConfig)


def refusal(action: Action, state: State, busy: frozenset[str], now: float) -> str:
    """Why this action must not begin; empty: it may. ``busy``: subjects that were given an action just now."""
    if action.subject in busy:
        return f"another action on {action.subject} is under way"
    if isinstance(action, RestartEngine):
        return _engine(action, state)
    if isinstance(action, OWN):
        return _own(action, state)
    if isinstance(action, ReadOut):
        return "" if action.id.removeprefix(READ) in state.commands else "no command asked for it"
    app = state.apps.get(action.subject.removesuffix(SIDE))
    if app is None:
        # What edged paused it lets go on, even when it does not watch it any more.
        return "" if isinstance(action, UnpauseContainer) and state.engine.up else f"there is no app {action.subject}"
    if isinstance(action, DEPLOYING):
        return _deploying(action, app, state)
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
    deployment = app.kept.deployment
    if deployment is None or deployment.action_id != action.id:
        return f"no deployment of {action.subject} asked for it"
    return ""


def _isolating(action: Action, app: AppState, state: State) -> str:
    wanted = app.kept.isolation
    if wanted is None or wanted.action_id != action.id:
        return f"{app.name} is being isolated, or connected again" if wanted is not None else "nobody asked for it"
    if state.stopping:
        return "edged is stopping"
    return "" if state.engine.up else "the container engine does not answer"


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
    if app.kept.stopped is not None:
        return f"{action.subject} was stopped on purpose"
    return ""
