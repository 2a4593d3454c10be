"""One app, looked at whole: its condition, then its alerts, then its recovery."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.events import AppChanged, Event, MaintenanceChanged
from ..vocabulary.state import AppState
from .app_alerts import settle_alerts
from .condition import condition, settles_at
from .outcome import Outcome, View, earliest
from .recovery import step, waits_for_stop


def settle(app: AppState, view: View) -> Outcome:
    """Draws all conclusions about an app after something has happened to it, or its time has come."""
    events: list[Event] = []
    app = replace(app, wake_at=earliest(settles_at(app, view.now), _later(app.suspect_until, view.now)))
    app, ended = _maintenance(app, view.now)
    events.extend(ended)
    app, changed = _condition(app, view)
    events.extend(changed)
    alerted = settle_alerts(app, view)
    events.extend(alerted.events)
    stepped = step(alerted.app, view)
    events.extend(stepped.events)
    return Outcome(stepped.app, stepped.actions, tuple(events))


def _later(at: float, now: float) -> float | None:
    return at if at > now else None


def _condition(app: AppState, view: View) -> tuple[AppState, tuple[Event, ...]]:
    new, reason = condition(app, view.state.engine, view.now)
    if new == app.condition:
        return (app if reason == app.reason else replace(app, reason=reason)), ()
    if new == "down" and app.kept.recovery.phase == "acting" and app.kept.recovery.remedy == "restart":
        new, reason = "restarting", "edged is restarting it"
        if app.condition == new:
            return app, ()
    if new == "down" and waits_for_stop(app, view.now):
        return app, ()
    container = app.container
    told = AppChanged(
        subject=app.name,
        old=app.condition,
        new=new,
        reason=reason,
        container_id=container.id[:12] if container else "",
        image=container.image if container else "",
    )
    return replace(app, condition=new, condition_since=view.now, reason=reason), (told,)


def _maintenance(app: AppState, now: float) -> tuple[AppState, tuple[Event, ...]]:
    """Maintenance ends by itself when its time is over."""
    maintenance = app.kept.maintenance
    if maintenance is None:
        return app, ()
    if now < maintenance.until:
        return replace(app, wake_at=earliest(app.wake_at, maintenance.until)), ()
    ended = MaintenanceChanged(
        subject=app.name, on=False, owner=maintenance.owner, why="its time is over", seconds=now - maintenance.since
    )
    return replace(app, kept=replace(app.kept, maintenance=None)), (ended,)
