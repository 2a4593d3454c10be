"""Order of recovery: what an app needs comes first, then lower ``priority`` numbers."""

from __future__ import annotations

from ..vocabulary.state import AppState
from .outcome import View

PATIENCE = 30.0
"""Seconds for which an app that is down waits for others. After that it is started all the same: an app without
its dependency is often still better than no app."""
LOOK_AGAIN = 0.5


def failing(app: AppState, view: View) -> tuple[str, ...]:
    """What the app needs and does not have now."""
    missing: list[str] = []
    for need in app.config.needs:
        dependency = view.state.dependencies.get(need)
        if dependency is not None and dependency.streak.verdict == "bad":
            missing.append(need)
        other = view.state.apps.get(need)
        if other is not None and other.condition not in ("healthy", "unknown"):
            missing.append(need)
    return tuple(missing)


def unmet(app: AppState, ailment: str, since: float, view: View) -> tuple[str, float] | None:
    """Why the app's recovery waits for something else, and until when to look again; ``None``: nothing to wait for.

    An unhealthy app waits for as long as a need fails, since a restart cures no dependency. An app that is
    down waits ``PATIENCE`` seconds. Memory is the app's own affair: no wait.
    """
    if ailment == "HighMemory":
        return None
    missing = failing(app, view)
    patient = ailment == "Unhealthy" or view.now - since < PATIENCE
    if missing and patient:
        return f"waiting for {', '.join(missing)}, which it needs", view.now + LOOK_AGAIN
    if ailment == "AppDown" and patient:
        first = _more_urgent(app, view)
        if first is not None:
            return f"waiting for {first}, which comes first", view.now + LOOK_AGAIN
    return None


def _more_urgent(app: AppState, view: View) -> str | None:
    """Another app with a lower priority number that is being started right now."""
    for other in view.state.apps.values():
        if other.config.priority >= app.config.priority or other.condition != "down":
            continue
        recovery = other.kept.recovery
        soon = recovery.phase == "idle" and recovery.episode == 0 and not recovery.open and not recovery.held
        able = other.config.restart.enabled and other.kept.maintenance is None
        if able and (recovery.phase in ("capturing", "acting") or soon):
            return other.name
    return None
