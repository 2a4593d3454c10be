"""The steps of a drill as actions, and what undoes them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..vocabulary.deployments import SIDE
from ..vocabulary.drill_actions import FindLimits, ForgetModel, InjectSignal, RestoreMemory, SpoilModel, SqueezeMemory
from ..vocabulary.drills import Drill
from ..vocabulary.events import Event
from ..vocabulary.state import AppState
from . import isolation
from .artifacts import where
from .drill_end import answers
from .outcome import Outcome, View, earliest
from .remedies import next_id

TIMEOUT = 15.0
"""Seconds for a step."""
MODEL_TIMEOUT = 300.0
LOST_AFTER = 30.0
"""Seconds beyond that after which a step that never came back counts as failed."""
_HANDS = ("capturing", "acting")

Step = InjectSignal | FindLimits | SqueezeMemory | RestoreMemory | SpoilModel | ForgetModel


def left(app: AppState, drill: Drill) -> bool:
    """There is something to undo."""
    box = app.container
    if not drill.undo:
        return False
    if drill.undo == "model":
        return True
    if box is None:
        return not app.sought
    if box.id != drill.container_id:
        return False
    return drill.undo == "memory" or (box.status in ("running", "paused") and not fresh(app, drill))


def fresh(app: AppState, drill: Drill) -> bool:
    """Another run than the one that was frozen. After a restart of edged only the engine's word counts."""
    assert app.container is not None
    if app.container.started_at is not None and drill.run is not None:
        return app.container.started_at != drill.run
    return drill.code != "interrupted" and app.started_at is not None and 0.0 < drill.injected_at <= app.started_at


def undo(app: AppState, drill: Drill, view: View) -> Outcome:
    """The next attempt, when the moment allows it."""
    state, kept = view.state, app.kept
    if view.now < drill.retry_at:
        return Outcome(wake(keep(app, drill), drill.retry_at))
    on_it, side = said(app, drill, view)
    if drill.undo == "model":
        if kept.deployment is not None or kept.tidying:
            return Outcome(keep(app, drill))  # the deployment of it comes to its end first
        action = ForgetModel(**side, where=where(app, "model"), digest=drill.spoiled, current=drill.current)
        return do(app, drill, action, view)
    if not state.engine.up or not state.engine.listed or app.container is None or kept.recovery.phase in _HANDS:
        return Outcome(keep(app, drill))
    if isolation.under_way(app):
        return Outcome(wake(keep(app, drill), view.now + 1.0))
    if drill.undo == "memory":
        action_ = RestoreMemory(**on_it, container_id=drill.container_id, memory=drill.memory, swap=drill.swap)
        return do(app, drill, action_, view)
    return do(app, drill, InjectSignal(**on_it, container_id=drill.container_id, signal="CONT"), view)


def do(app: AppState, drill: Drill, action: Step, view: View) -> Outcome:
    """Gives the step out."""
    before = app.kept.drill
    deadline = view.now + action.timeout + LOST_AFTER
    drill = replace(drill, action_id=action.id, action_deadline=deadline)
    app = replace(app, kept=replace(app.kept, actions=app.kept.actions + 1))
    told: tuple[Event, ...] = answers(app, drill, view) if before is None or before.phase != drill.phase else ()
    return Outcome(wake(keep(app, drill), deadline), (action,), told)


def said(app: AppState, drill: Drill, view: View) -> tuple[dict[str, Any], dict[str, Any]]:
    """What every step on the container says, and every one on its models."""
    _, action_id = next_id(app, view)
    reason = f"drill {drill.kind} by {drill.origin}"
    about = {"id": action_id, "subject": app.name, "reason": reason, "timeout": TIMEOUT}
    return about, about | {"subject": app.name + SIDE, "timeout": MODEL_TIMEOUT}


def keep(app: AppState, drill: Drill) -> AppState:
    return app if app.kept.drill is drill else replace(app, kept=replace(app.kept, drill=drill))


def wake(app: AppState, at: float) -> AppState:
    return replace(app, wake_at=earliest(app.wake_at, at))
