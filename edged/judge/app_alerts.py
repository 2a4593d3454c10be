"""The alerts of one app that follow from its condition: AppDown, Unhealthy, CrashLoop, OomKilled, RecoveryExhausted.

They also end those that follow from its usage, when there is no usage any more.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.events import Event, Severity
from ..vocabulary.state import Alert, AppState
from . import inputs, logs
from .ailment import CREATED_GRACE
from .alerting import Reading, advance, put
from .budget import within
from .inference import unasked
from .outcome import Outcome, View, earliest
from .run import RESOURCE_ALERTS, engine_restarts_it, runs, under_way, waits_for_stop

CRASH_DEATHS = 3
"""Deaths within ``restart.per`` that make a crash loop."""
OOM_SHOWN = 600.0
"""Seconds for which an OOM kill stays on the board."""
MISSING_FOR = 2.0
"""Seconds for which a container may be gone, while it is created anew."""


def readings(app: AppState, now: float) -> dict[str, Reading]:
    """What each of these alerts should show now."""
    return {
        "AppDown": _down(app, now),
        "Unhealthy": _unhealthy(app),
        "CrashLoop": _crash_loop(app, now),
        "OomKilled": _oom(app, now),
        "RecoveryExhausted": _exhausted(app),
        "DeploymentFailed": _stuck(app),
        "AppIsolated": _isolated(app),
        "BackupFailed": _backup(app),
        "RestoreFailed": _restore(app),
    }


def _firing(app: AppState, name: str) -> Severity | None:
    alert = app.kept.alerts.get(name)
    return alert.severity if alert is not None else None


def _state(app: AppState) -> str:
    return f"{app.name} is {app.condition}: {app.reason}"


def _held(app: AppState, name: str) -> Reading:
    """Nobody knows yet: what fires goes on, and nothing new begins."""
    return Reading(level=_firing(app, name), summary=_state(app))


def _down(app: AppState, now: float) -> Reading:
    if under_way(app) or waits_for_stop(app, now) or app.condition in ("starting", "unknown"):
        return _held(app, "AppDown")
    if app.condition == "missing" and not app.discovered:
        return Reading(
            level="critical",
            summary=f"{app.name} has no container",
            raise_for=MISSING_FOR,
            advice="edged never creates containers: create it again (docker compose up -d, or docker run), or remove "
            "the app from the configuration",
        )
    if app.condition not in ("down", "restarting"):
        return Reading(level=None, summary=_state(app))
    wait, advice = 0.0, "see the container's last log lines"
    if app.condition == "restarting" or engine_restarts_it(app):
        wait = _for_docker(app, now)
        advice = "Docker's own restart policy is at work; see the container's logs"
    elif app.container is not None and app.container.status == "created":
        wait, advice = CREATED_GRACE, "it was created and never started: docker start, or see why that fails"
    return Reading(level="critical", summary=f"{app.name} is down: {app.reason}", raise_for=wait, advice=advice)


def _for_docker(app: AppState, now: float) -> float:
    """Docker has its time from the death on, not from when it was known to be one."""
    pending = app.kept.alerts.get("AppDown")
    begun = pending.warn_since if pending is not None and pending.warn_since is not None else now
    died_at = app.died_at if app.died_at is not None else begun
    return max(0.0, died_at + float(app.config.restart.policy_grace) - begun)


def _unhealthy(app: AppState) -> Reading:
    if app.kept.isolation is not None:
        return _held(app, "Unhealthy")  # nobody reaches it, and that is what was wanted
    if app.condition == "unhealthy":
        return Reading(
            level="critical",
            summary=f"{app.name} is unhealthy: {app.reason}",
            advice="the process runs but does not do its work: see its logs and its dependencies",
        )
    if app.condition in ("starting", "unknown", "down", "restarting"):
        return _held(app, "Unhealthy")
    return Reading(level=None, summary=_state(app))


def _crash_loop(app: AppState, now: float) -> Reading:
    if waits_for_stop(app, now) or app.condition == "unknown":
        return _held(app, "CrashLoop")
    deaths = within(app.kept.deaths, now, app.config.restart.per)
    if len(deaths) < CRASH_DEATHS or app.condition in ("stopped", "missing"):
        return Reading(level=None, summary=_state(app))
    minutes = app.config.restart.per / 60.0
    return Reading(
        level="critical",
        summary=f"{app.name} ended {len(deaths)} times within {minutes:g} min; {app.reason}",
        value=float(len(deaths)),
        threshold=float(CRASH_DEATHS),
        advice="restarting does not help it: see its exit code and last log lines, and what was deployed last",
    )


def _oom_until(app: AppState, now: float) -> float | None:
    """Until when an OOM kill is shown. When it happened is not remembered over a restart of edged, its alert is."""
    alert = app.kept.alerts.get("OomKilled")
    since = app.oom_at
    if since is None and alert is not None and alert.severity is not None:
        since = alert.since
    return since + OOM_SHOWN if since is not None and since + OOM_SHOWN > now else None


def _oom(app: AppState, now: float) -> Reading:
    if _oom_until(app, now) is None:
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
    last = recovery.failure or f"it was well for a while, then {app.reason}"
    summary = (
        f"{app.name}: {recovery.attempts} recovery attempts did not help ({recovery.ailment}); the last one: {last}"
    )
    return Reading(
        level="critical",
        summary=summary,
        advice="a person is needed; edged goes on trying slowly. `edged restart` tries at once",
    )


def _stuck(app: AppState) -> Reading:
    if not app.kept.stuck:
        return Reading(level=None, summary=f"{app.name} has what edged's records say")
    return Reading(
        level="critical",
        summary=f"{app.name}: {app.kept.stuck}",
        advice=f"see edged deployments and the container's logs; then deploy a good one, edged rollback {app.name}, "
        f"or edged deploy {app.name} --cancel to leave it as it is",
    )


def _backup(app: AppState) -> Reading:
    care = app.kept.data
    if app.config.data is None or not care.error:
        return Reading(level=None, summary=f"the data of {app.name} is backed up")
    return Reading(
        level="critical" if care.bad else "warning",
        summary=f"no backup of the data of {app.name}: {care.error}",
        advice=f"see edged data {app.name} ls; the backups from before stay, and "
        + ("edged tries again" if app.config.data.every else f"edged data {app.name} backup tries again")
        + (f". If its data is bad: edged data {app.name} restore" if care.bad else ""),
    )


def _restore(app: AppState) -> Reading:
    care = app.kept.data
    if not care.stuck:
        return Reading(level=None, summary=f"{app.name} has its data")
    return Reading(
        level="critical",
        summary=f"the data of {app.name} could not be restored: {care.stuck}",
        advice=f"edged data {app.name} ls shows what there is to go back to; edged data {app.name} restore WHICH",
    )


def _isolated(app: AppState) -> Reading:
    wanted = app.kept.isolation
    if wanted is None or not (wanted.told or wanted.problem):
        return Reading(level=None, summary=f"{app.name} is not isolated")
    names = ", ".join(endpoint.network for endpoint in wanted.networks) or "its networks"
    if wanted.problem:
        what = "is isolated, and could not be connected again" if wanted.phase == "joining" else "could NOT be isolated"
        return Reading(
            level="critical",
            summary=f"{app.name} {what}: {wanted.problem}",
            advice="edged tries again every half minute; see docker inspect and docker network ls",
        )
    return Reading(
        level="warning",
        summary=f"{app.name} is cut off from {names} by {wanted.by}",
        advice=f"look into its evidence and its memory; edged isolate {app.name} --undo connects it again",
    )


def _idle_usage(app: AppState) -> dict[str, Reading]:
    """A container that does not run uses nothing."""
    if runs(app) or not any(name in app.kept.alerts for name in RESOURCE_ALERTS):
        return {}
    calm = Reading(level=None, summary=f"{app.name} does not run", clear_for=app.config.memory.for_)
    return {name: calm for name in RESOURCE_ALERTS if name in app.kept.alerts}


def settle_alerts(app: AppState, view: View) -> Outcome:
    """Brings these alerts in line with the app's condition."""
    alerts, now = app.kept.alerts, view.now
    events: list[Event] = []
    due: list[float | None] = []
    others = _idle_usage(app) | unasked(app) | inputs.unasked(app) | logs.readings(app, now)
    for name, reading in (readings(app, now) | others).items():
        alert = alerts.get(name)
        if alert is None and reading.level is None:
            continue
        made = advance(name, app.name, alert or Alert(), reading, now, view.config.alerts)
        due.append(made.due)
        events.extend(made.events)
        if made.alert is not alert:
            alerts = put(alerts, name, made.alert)
    if alerts is not app.kept.alerts:
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    deaths = within(app.kept.deaths, now, app.config.restart.per)
    if len(deaths) >= CRASH_DEATHS:
        due.append(sorted(deaths)[-CRASH_DEATHS] + app.config.restart.per)
    due.extend((_oom_until(app, now), logs.due(app, now)))
    return Outcome(replace(app, wake_at=earliest(app.wake_at, *due)), events=tuple(events))
