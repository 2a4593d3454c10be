"""When it was first to be seen that something is wrong. Pure."""

from __future__ import annotations

from ...vocabulary.state import AppState, State
from .desk import Key, alert_of

LONGEST_AGO = 86400.0


def first_sign(state: State, key: Key, now: float) -> float:
    """When it was first to be seen that something is wrong."""
    name, subject = key
    times: list[float | None] = [now]
    if (alert := alert_of(state, name, subject)) is not None:
        times += [alert.warn_since, alert.critical_since]
    if (app := state.apps.get(subject)) is not None:
        times += _of_app(app, name)
    elif (dependency := state.dependencies.get(subject)) is not None:
        times.append(dependency.streak.first_bad_at)
    elif subject == "engine":
        times.append(state.engine.lost_at if state.engine.up is False else None)
    return min(t for t in times if t is not None and max(0.0, now - LONGEST_AGO) < t <= now)


def _of_app(app: AppState, name: str) -> list[float | None]:
    recovery = app.kept.recovery
    mine: list[float | None] = [recovery.first_sign if recovery.ailment == name and recovery.first_sign else None]
    if name in ("AppDown", "CrashLoop") and app.condition in ("down", "restarting"):
        mine.append(app.died_at)
    if name == "OomKilled":
        mine.append(app.oom_at)
    if name == "Unhealthy":
        mine.append(app.probe.first_bad_at)
    return mine
