"""What people do in the middle of a deployment: they stop the app, remove its container, or take it out of the file."""

from __future__ import annotations

from ..vocabulary.deployments import TOUCHING, Deployment
from ..vocabulary.state import AppState
from . import drilled
from .artifacts import placed, rules_of
from .outcome import View

GONE = 60.0
"""Seconds for which a container may be away while it is made anew."""

STOPPED = 5.0
"""Seconds after which a stop is a person's, and not the beginning of the engine's own end."""
WATCHED = ("reloading", "gating")
BACK = ("rolling_back", "reverting")


def look(app: AppState, deployment: Deployment, view: View) -> tuple[str, str] | None:
    """Code and reason why it cannot go on; ``None``: it can. On the way back nothing hinders."""
    kind, phase = deployment.request.kind, deployment.phase
    if phase in BACK:
        return None
    if rules_of(app, kind) is None:
        key = "model" if kind == "model" else "app_config"
        return "not_configured", f"the configuration of {app.name} has no `{key}:` any more"
    if app.condition == "stopped" and phase in WATCHED and not deployment.again:
        return "app_stopped", f"{app.name} is no longer there to be watched: {app.reason}"
    if app.container is None:
        return ("no_container", f"the container of {app.name} is gone") if gone(app, deployment, view) else None
    lost = deployment.delivery == "copy" and app.container.id != placed(app, kind).container
    if lost and phase in WATCHED and not deployment.again:
        return "gate_container", f"the container of {app.name} was made anew, and has not what was copied into it"
    return None


def unclear(app: AppState, deployment: Deployment, view: View) -> float | None:
    """Until when it is not known who ended the app: an engine that goes down stops its containers, too."""
    if deployment.phase not in WATCHED:
        return None
    until = app.suspect_until
    if app.kept.stopped is not None and app.condition == "stopped":
        until = app.kept.stopped.at + STOPPED
    return until if view.now < until else None


def went_down(app: AppState, deployment: Deployment) -> bool:
    """The engine or the host took it along, and nothing starts it."""
    tried = deployment.phase == "gating" or (deployment.phase == "reloading" and deployment.attempt > 0)
    return tried and app.kept.excused and app.condition == "down" and app.kept.recovery.phase == "idle"


def gone(app: AppState, deployment: Deployment, view: View) -> bool:
    """Its container has been away for longer than it takes to make it anew."""
    engine = view.state.engine
    if app.container is not None or not app.sought or not engine.up or not engine.listed:
        return False
    return view.now >= max(deployment.since, app.seen_at) + GONE


def engaged(app: AppState) -> bool:
    """Something else is being done to its container right now, begun before the swap; two things never meet there."""
    kept = app.kept
    if kept.recovery.phase in ("capturing", "acting") or kept.data.restoring is not None or drilled.acting(app):
        return True
    return kept.isolation is not None and bool(kept.isolation.action_id)


def reaching_in(app: AppState) -> bool:
    """The deployment itself does something to its container right now: a signal, a call, a smoke test."""
    running = app.kept.deployment
    return running is not None and bool(running.action_id) and running.phase in ("reloading", "reverting", "gating")


def needs_engine(app: AppState, deployment: Deployment, view: View) -> bool:
    """The links of a mount are edged's own: going back waits for nobody."""
    if deployment.phase == "rolling_back" and deployment.delivery == "mount":
        return False
    return deployment.phase in TOUCHING or deployment.phase == "backing_up"
