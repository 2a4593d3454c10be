"""A state in which an alert fires that does not: for trying what would be done. Pure, and nothing comes of it."""

from __future__ import annotations

from msgspec.structs import replace

from ...config import Config
from ...config.runbook_builtin import ABOUT
from ...vocabulary.event import Severity
from ...vocabulary.state import Alert, AppState, State, Streak
from ...vocabulary.world import Usage
from ..run import runs
from .move import put
from .scene import Scene, scene

SUPPOSED = "supposed, to see what would be done"
DOWN = ("AppDown",)


def worst(alert: str) -> Severity:
    """How bad it is supposed to be: what it is when edged does most."""
    mild = (
        "MemoryLeak",
        "HighCpu",
        "CpuThrottled",
        "DataDrift",
        "DataQuality",
        "ClockSkew",
        "ModelQuality",
        "AppIsolated",
    )
    return "warning" if alert in mild else "critical"


def imagined(state: State, config: Config, now: float, alert: str, subject: str) -> tuple[Scene, str]:
    """The scene with the alert firing, and what had to be supposed for it; empty: it fires as things are."""
    seen = scene(state, config, now, alert, subject)
    if seen.occasion:
        return seen, "it is no alert: supposing that all apps were down at once"
    if seen.fires is not None:
        return seen, ""
    level = worst(alert)
    fires = Alert(
        severity=level,
        since=now,
        warn_since=now,
        critical_since=now if level == "critical" else None,
        summary=f"{alert} of {subject} ({SUPPOSED})",
    )
    state = _raise(state, seen, fires)
    told = f"it does not fire now; supposing it did ({level})"
    if seen.app is not None:
        app, more = _struck(state.apps[subject], alert, now)
        state = put(state, app)
        told += more
    return scene(state, config, now, alert, subject), told


def _raise(state: State, seen: Scene, fires: Alert) -> State:
    if seen.app is not None:
        kept = replace(seen.app.kept, alerts={**seen.app.kept.alerts, seen.alert: fires})
        return put(state, replace(seen.app, kept=kept))
    kinds = ABOUT.get(seen.alert, ("app",))
    if "dependency" in kinds:
        known = state.dependencies[seen.subject]
        known = replace(known, alerts={**known.alerts, seen.alert: fires})
        return replace(state, dependencies={**state.dependencies, seen.subject: known})
    if "engine" in kinds:
        engine = replace(state.engine, alerts={**state.engine.alerts, seen.alert: fires})
        return replace(state, engine=engine)
    key = f"{seen.alert}/{seen.subject}" if "path" in kinds else seen.alert
    return replace(state, host=replace(state.host, alerts={**state.host.alerts, key: fires}))


def _struck(app: AppState, alert: str, now: float) -> tuple[AppState, str]:
    """The app as the alert tells of it."""
    container = app.container
    if container is None:
        return app, ""
    match alert:
        case "AppDown" if runs(app):
            ended = replace(container, status="exited", exit_code=1, pid=None)
            app = replace(app, container=ended, died_at=now, usage=None, probe=Streak(), kill_at=None)
            return _now(app, "down", now), ", and the app had ended with exit code 1"
        case "Unhealthy" if runs(app):
            sick = replace(container, health="unhealthy" if container.health != "none" else "none")
            app = replace(app, container=sick, probe=Streak(bad=9, verdict="bad", first_bad_at=now, detail=SUPPOSED))
            return _now(app, "unhealthy", now), ", and its health check failed"
        case "HighMemory" if runs(app):
            limit = app.usage.memory_limit if app.usage is not None else None
            usage = Usage(container_id=container.id, memory=limit or 2**30, memory_limit=limit, cpu_seconds=0.0)
            high = app.kept.alerts[alert]
            high = replace(high, critical_since=now - app.config.memory.for_)
            kept = replace(app.kept, alerts={**app.kept.alerts, alert: high})
            return replace(app, usage=usage, usage_at=now, kept=kept), ", and its memory were full"
        case "RecoveryExhausted":
            opened = replace(app.kept.recovery, open=True)
            return replace(app, kept=replace(app.kept, recovery=opened)), ", and its restart budget were spent"
    return app, ""


def _now(app: AppState, condition: str, now: float) -> AppState:
    return replace(app, condition=condition, condition_since=now, reason=SUPPOSED)
