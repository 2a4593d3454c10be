"""May a drill begin now? The same answer for people and for the schedule."""

from __future__ import annotations

from ..vocabulary.drills import DrillKind
from ..vocabulary.state import AppState
from . import isolation, needs
from .artifacts import placed, rules_of
from .condition import probed
from .outcome import View

Refusal = tuple[str, str]
"""Reason code and words."""


def refused(app: AppState, kind: DrillKind, view: View) -> Refusal | None:
    """Why not; ``None``: it may."""
    return _other(app, view) or _state(app, view) or _kind(app, kind)


def _other(app: AppState, view: View) -> Refusal | None:
    running = [one for one in view.state.apps.values() if one.kept.drill is not None]
    if running:
        drill = running[0].kept.drill
        assert drill is not None
        return "busy", f"the drill {drill.kind} of {running[0].name} is under way: one at a time"
    if not app.config.drills:
        return "drills_off", f"the configuration of {app.name} says drills: false"
    if not app.config.restart.enabled:
        return "only_observed", f"edged only observes {app.name}: nothing would bring it back"
    if not view.state.engine.up or not view.state.engine.listed:
        return "engine_down", "the container engine does not answer"
    return None


def _state(app: AppState, view: View) -> Refusal | None:
    kept, recovery = app.kept, app.kept.recovery
    if kept.maintenance is not None:
        return "in_maintenance", f"{app.name} is in maintenance by {kept.maintenance.owner}: {kept.maintenance.why}"
    if kept.isolation is not None or isolation.under_way(app):
        return "isolated", f"{app.name} is isolated by {kept.isolation.by if kept.isolation else 'somebody'}"
    if kept.deployment is not None or kept.waiting is not None or kept.tidying:
        return "busy", f"a deployment of {app.name} is under way"
    if kept.data.restoring is not None:
        return "busy", f"{app.name} stays as it is: {kept.data.holds}"
    if recovery.open:
        return "circuit_open", f"edged has given {app.name} up for now: a drill would only add to that"
    if recovery.phase != "idle" or recovery.ailment or recovery.command:
        return "busy", f"{app.name} is just being recovered or acted upon"
    if app.container is None or app.condition != "healthy":
        return "not_healthy", f"{app.name} is {app.condition}: {app.reason}; a drill begins with a healthy app"
    if missing := needs.failing(app, view):
        return "needs_failing", f"{app.name} needs {', '.join(missing)}, which is not there now"
    return None


def _kind(app: AppState, kind: DrillKind) -> Refusal | None:
    assert app.container is not None
    match kind:
        case "hang" if not probed(app.config) and app.container.health == "none":
            return "no_health_check", f"{app.name} has no health check, so nothing would notice that it hangs"
        case "unhealthy" if not probed(app.config):
            return "no_health_check", f"{app.name} has no health.http or health.tcp whose answers could be bad ones"
        case "oom" if app.usage is None:
            return "not_sampled", f"the memory of {app.name} has not been measured yet: try again in a moment"
        case "oom" if app.usage is not None and app.usage.memory_limit is None:
            return "no_memory_limit", f"{app.name} has no memory limit of its own: nothing is lowered on the whole host"
        case "bad-model" if rules_of(app, "model") is None:
            return "not_configured", f"the configuration of {app.name} has no `model:`"
        case "bad-model" if not placed(app, "model").current.digest:
            return "no_model", f"edged has not deployed a model of {app.name} yet: there is none to spoil a copy of"
    return None
