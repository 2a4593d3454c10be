"""Order of recovery: what an app needs comes first, then lower ``priority`` numbers."""

from __future__ import annotations

from msgspec import Struct

from ..vocabulary.state import AppState
from . import order
from .outcome import View
from .run import engine_restarts_it, waits_for_stop

PATIENCE = 30.0
"""Seconds for which an app that is down waits for others. After that it is started all the same: an app without
its dependency is often still better than no app."""
LONGEST = 300.0
"""As long as what it needs is on its way up, it waits for so long."""


class Wait(Struct, frozen=True):
    reason: str
    until: float | None
    """``None``: until what it waits for changes."""


def failing(app: AppState, view: View) -> tuple[str, ...]:
    """What the app needs and does not have now."""
    missing: list[str] = []
    for need in app.config.needs:
        dependency = view.state.dependencies.get(need)
        other = view.state.apps.get(need)
        if dependency is not None:
            lacks = dependency.streak.verdict == "bad"
        else:
            lacks = other is not None and other.condition not in ("healthy", "unknown")
        if lacks:
            missing.append(need)
    return tuple(missing)


def unmet(app: AppState, ailment: str, view: View) -> Wait | None:
    """Why the app's recovery waits for something else; ``None``: nothing to wait for.

    An app that runs waits for as long as a need fails, since a restart cures no dependency. An app that is
    down waits with ``PATIENCE``. Memory is the app's own affair: no wait.
    """
    if ailment == "HighMemory":
        return None
    missing = failing(app, view)
    reason = f"waiting for {', '.join(missing)}, which it needs"
    if ailment != "AppDown":
        return Wait(reason, None) if missing else None
    before = order.first(app, view.state, view.config, view.now)
    if before is not None:
        return Wait(f"waiting for {before[0]}, which comes first", before[1])
    since = app.condition_since
    if missing and view.now < since + PATIENCE:
        return Wait(reason, since + PATIENCE)
    if view.now < since + LONGEST and any(_coming(view.state.apps.get(need), view) for need in missing):
        return Wait(reason, since + LONGEST)
    if view.now < since + PATIENCE:
        first = _more_urgent(app, view)
        if first is not None:
            return Wait(f"waiting for {first}, which comes first", since + PATIENCE)
    return None


def _coming(other: AppState | None, view: View) -> bool:
    """It is on its way up, or will be as soon as what it needs is up."""
    if other is None:
        return False
    recovery = other.kept.recovery
    if other.condition in ("starting", "restarting") or recovery.phase != "idle":
        return True
    return other.condition in ("down", "unhealthy") and recovery.episode == 0 and _may_be_helped(other, view)


def _may_be_helped(other: AppState, view: View) -> bool:
    if not order.helps(other, view.config):
        return False
    return other.config.restart.enabled and other.kept.maintenance is None and not other.kept.recovery.open


def _more_urgent(app: AppState, view: View) -> str | None:
    """Another app with a lower priority number that is being started, or will be in this very moment."""
    for other in view.state.apps.values():
        if other.config.priority >= app.config.priority or other.condition != "down":
            continue
        recovery = other.kept.recovery
        if recovery.phase in ("capturing", "acting"):
            return other.name
        at_once = recovery.phase == "idle" and recovery.episode == 0 and view.now >= recovery.next_at
        waits = waits_for_stop(other, view.now) or engine_restarts_it(other) or bool(failing(other, view))
        if at_once and not waits and _may_be_helped(other, view):
            return other.name
    return None
