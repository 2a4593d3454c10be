"""What is told of a drill, on its way and at its end: one event, one final answer, and the app as it was before."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..vocabulary.drills import INCONCLUSIVE, Drill, Drilled, DrillEnded
from ..vocabulary.events import CommandAnswered, Event
from ..vocabulary.state import AppState
from .answer import failed, running, succeeded
from .drilled import EXEMPT
from .outcome import Outcome, View

PROGRESS = {"preparing": 0.1, "injecting": 0.2, "detecting": 0.4, "recovering": 0.7, "restoring": 0.9}
_DOING = {
    "preparing": "getting ready",
    "injecting": "the failure is made",
    "detecting": "waiting for it to be noticed",
    "recovering": "noticed; waiting for the app to be well again",
    "restoring": "what is left of it is undone",
}


def answers(app: AppState, drill: Drill, view: View) -> tuple[CommandAnswered, ...]:
    """A phase has begun: for whoever follows it."""
    told = running(view.state, drill.id, drill.phase, f"{app.name}: {_DOING[drill.phase]}")
    return tuple(replace(one, result={**one.result, "progress": PROGRESS[drill.phase]}) for one in told)


def over(app: AppState, view: View) -> Outcome:
    """All that it did is undone."""
    drill = app.kept.drill
    assert drill is not None
    detection = _since(drill, drill.detected_at)
    recovery = _since(drill, drill.recovered_at)
    ended = DrillEnded(
        subject=app.name,
        id=drill.id,
        kind=drill.kind,
        origin=drill.origin,
        ok=not drill.code,
        detection_seconds=detection,
        recovery_seconds=recovery,
        code=drill.code,
        reason=drill.why,
        seconds=max(0.0, view.now - drill.began),
    )
    result: dict[str, Any] = {"kind": drill.kind, "detection_seconds": detection, "recovery_seconds": recovery}
    told: tuple[CommandAnswered, ...]
    if drill.code:
        told = failed(view.state, drill.id, drill.code, f"{app.name}: {drill.why}", "restoring")
    else:
        told = succeeded(view.state, drill.id, _said(app, drill, detection or 0.0, recovery or 0.0))
    final = tuple(replace(one, result={**one.result, **result}) for one in told)
    events: tuple[Event, ...] = (ended, *final)
    if drill.code not in INCONCLUSIVE:
        last = Drilled(view.now, not drill.code, detection, recovery, drill.code)
        app = replace(app, kept=replace(app.kept, drilled={**app.kept.drilled, drill.kind: last}))
    return Outcome(_as_before(app, drill), events=events)


def _since(drill: Drill, at: float) -> float | None:
    return max(0.0, at - drill.injected_at) if drill.injected_at and at else None


def _said(app: AppState, drill: Drill, detection: float, recovery: float) -> str:
    if drill.kind == "bad-model":
        return f"{app.name}: a spoiled model was {drill.verdict}; {drill.current[:19]} is in place, whole, as before"
    return f"{app.name}: {drill.kind} noticed after {detection:.2f} s, verified healthy after {recovery:.2f} s"


def _as_before(app: AppState, drill: Drill) -> AppState:
    """Its attempts count for nothing; what is still down by its doing spends no budget either."""
    kept = replace(app.kept, drill=None)
    recovery = kept.recovery
    if app.condition != "healthy":
        return replace(app, kept=replace(kept, excused=kept.excused or bool(drill.injected_at)))
    if recovery.phase == "idle" and drill.attempts <= recovery.attempts <= drill.attempts + EXEMPT:
        at = recovery.next_at if recovery.attempts == drill.attempts else 0.0
        kept = replace(kept, recovery=replace(recovery, attempts=drill.attempts, next_at=at))
    return replace(app, kept=kept)
