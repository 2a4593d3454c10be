"""One app, looked at whole: its condition, then its alerts, then its recovery."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.events import AppChanged, Event, MaintenanceChanged
from ..vocabulary.state import AppState
from . import backups, deployment, drill, isolation, restoring
from .app_alerts import settle_alerts
from .condition import condition, settles_at
from .outcome import Outcome, View, earliest
from .recovery import step
from .run import runs, under_way, waits_for_stop


def see(app: AppState, view: View) -> tuple[AppState, AppChanged | None]:
    """Brings the app's condition up to date.

    All apps that a fact touches are seen before the first one is settled: after an outage of the engine they
    change together, and recovery has to know what each one needs.
    """
    new, reason = condition(app, view.state.engine, view.now)
    if new == "down" and under_way(app):
        new, reason = "restarting", "edged is restarting it"
    if new == "down" and app.condition != "down" and waits_for_stop(app, view.now):
        return app, None
    cut = app.kept.isolation
    if cut is not None and cut.told and runs(app):
        reason = f"{reason}; isolated by {cut.by}"
    if new == app.condition:
        return (app if reason == app.reason else replace(app, reason=reason)), None
    container = app.container
    told = AppChanged(
        subject=app.name,
        old=app.condition,
        new=new,
        reason=reason,
        container_id=container.id[:12] if container else "",
        image=container.image if container else "",
    )
    return replace(app, condition=new, condition_since=view.now, reason=reason), told


def settle(app: AppState, view: View) -> Outcome:
    """Draws all conclusions about an app after something has happened to it, or its time has come."""
    later = app.suspect_until if waits_for_stop(app, view.now) else None
    app = replace(app, wake_at=earliest(settles_at(app, view.now), later))
    app, ended = _maintenance(app, view.now)
    alerted = settle_alerts(app, view)
    stepped = step(alerted.app, view)
    deployed = deployment.step(stepped.app, view)
    drilled = drill.step(deployed.app, view)
    cut = _data(isolation.step(drilled.app, view), view)
    actions = (*stepped.actions, *deployed.actions, *drilled.actions, *cut.actions)
    events = (*ended, *alerted.events, *stepped.events, *deployed.events, *drilled.events, *cut.events)
    if cut.app.kept.recovery is alerted.app.kept.recovery and not cut.events:
        return Outcome(cut.app, actions, events)
    # How recovery and isolation stand is itself something that alerts tell of.
    again = settle_alerts(cut.app, view)
    return Outcome(again.app, actions, (*events, *again.events))


def _data(before: Outcome, view: View) -> Outcome:
    """Its backups, and a restore of one."""
    restored = restoring.step(before.app, view)
    kept = backups.step(restored.app, view)
    actions = (*before.actions, *restored.actions, *kept.actions)
    return Outcome(kept.app, actions, (*before.events, *restored.events, *kept.events))


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
