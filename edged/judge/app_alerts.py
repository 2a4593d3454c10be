"""The alerts of one app that follow from its condition: AppDown, Unhealthy, CrashLoop, OomKilled, RecoveryExhausted."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.events import Event
from ..vocabulary.state import Alert, AppState
from .alerting import Reading, advance
from .budget import within
from .outcome import Outcome, View, earliest
from .recovery import engine_restarts_it, waits_for_stop

CRASH_DEATHS = 3
"""Deaths within ``restart.per`` that make a crash loop."""
OOM_SHOWN = 600.0
"""Seconds for which an OOM kill stays on the board."""


def readings(app: AppState, now: float) -> dict[str, Reading]:
    """What each of these alerts should show now."""
    return {
        "AppDown": _down(app, now),
        "Unhealthy": _unhealthy(app),
        "CrashLoop": _crash_loop(app, now),
        "OomKilled": _oom(app, now),
        "RecoveryExhausted": _exhausted(app),
    }


def _down(app: AppState, now: float) -> Reading:
    if app.kept.recovery.phase == "acting":
        # edged itself is restarting it: an alert that fires goes on, none begins.
        firing = app.kept.alerts.get("AppDown", Alert()).severity
        return Reading(level=firing, summary=_state(app))
    if app.condition == "missing" and not app.discovered:
        return Reading(
            level="critical",
            summary=f"{app.name} has no container",
            raise_for=2.0,
            advice="edged never creates containers: create it again (docker compose up -d, or docker run), or remove "
            "the app from the configuration",
        )
    if app.condition == "restarting" or (app.condition == "down" and engine_restarts_it(app)):
        grace = app.config.restart.policy_grace
        return Reading(
            level="critical",
            summary=f"{app.name} is down: {app.reason}",
            raise_for=grace,
            advice="Docker's own restart policy is at work; see the container's logs",
        )
    if app.condition == "down" and not waits_for_stop(app, now):
        return Reading(
            level="critical", summary=f"{app.name} is down: {app.reason}", advice="see the container's last log lines"
        )
    held = "AppDown" in app.kept.alerts and app.condition in ("starting", "unknown")
    return Reading(level="critical" if held and app.kept.alerts["AppDown"].severity else None, summary=_state(app))


def _unhealthy(app: AppState) -> Reading:
    if app.condition == "unhealthy":
        return Reading(
            level="critical",
            summary=f"{app.name} is unhealthy: {app.reason}",
            advice="the process runs but does not do its work: see its logs and its dependencies",
        )
    held = "Unhealthy" in app.kept.alerts and app.condition in ("starting", "unknown", "down", "restarting")
    return Reading(level="critical" if held and app.kept.alerts["Unhealthy"].severity else None, summary=_state(app))


def _crash_loop(app: AppState, now: float) -> Reading:
    deaths = within(app.kept.deaths, now, app.config.restart.per)
    if waits_for_stop(app, now):
        return Reading(level=app.kept.alerts.get("CrashLoop", Alert()).severity, summary=_state(app))
    if len(deaths) < CRASH_DEATHS or app.condition in ("stopped", "missing"):
        return Reading(level=None, summary=_state(app))
    minutes = app.config.restart.per / 60.0
    return Reading(
        level="critical",
        summary=f"{app.name} ended {len(deaths)} times within {minutes:g} min; {app.reason}",
        value=float(len(deaths)),
        threshold=float(CRASH_DEATHS),
        clear_for=0.0,
        advice="restarting does not help it: see its exit code and last log lines, and what was deployed last",
    )


def _oom(app: AppState, now: float) -> Reading:
    if app.oom_at is None or now - app.oom_at >= OOM_SHOWN:
        return Reading(level=None, summary=_state(app))
    return Reading(
        level="critical",
        summary=f"the kernel killed a process of {app.name} for want of memory",
        advice="raise the container's memory limit, or look for a leak (edged status shows the trend)",
    )


def _exhausted(app: AppState) -> Reading:
    recovery = app.kept.recovery
    if not recovery.open:
        return Reading(level=None, summary=_state(app))
    return Reading(
        level="critical",
        summary=f"{app.name}: {recovery.attempts} recovery attempts did not help ({recovery.ailment})",
        advice="a person is needed; edged goes on trying slowly. `edged restart` tries at once",
    )


def _state(app: AppState) -> str:
    return f"{app.name} is {app.condition}: {app.reason}"


def settle_alerts(app: AppState, view: View) -> Outcome:
    """Brings these alerts in line with the app's condition."""
    alerts = app.kept.alerts
    events: list[Event] = []
    due: list[float | None] = []
    for name, reading in readings(app, view.now).items():
        alert = alerts.get(name)
        if alert is None and reading.level is None:
            continue
        new, told, again = advance(name, app.name, alert or Alert(), reading, view.now, view.config.alerts)
        due.append(again)
        events.extend(told)
        if new is not alert:
            alerts = put(alerts, name, new)
    if alerts is not app.kept.alerts:
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    if app.oom_at is not None and view.now - app.oom_at < OOM_SHOWN:
        due.append(app.oom_at + OOM_SHOWN)
    deaths = within(app.kept.deaths, view.now, app.config.restart.per)
    if len(deaths) >= CRASH_DEATHS:
        due.append(deaths[-CRASH_DEATHS] + app.config.restart.per)
    soonest = earliest(*due)
    return Outcome(replace(app, wake_at=earliest(app.wake_at, soonest)), events=tuple(events))


def put(alerts: dict[str, Alert], name: str, alert: Alert) -> dict[str, Alert]:
    """The alerts with this one in its new shape; one that says nothing any more is left out."""
    if alert == Alert():
        return {k: v for k, v in alerts.items() if k != name}
    return {**alerts, name: alert}
