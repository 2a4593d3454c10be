"""The last word over every action, whatever rule asked for it.

The rules already keep to all of this. The guard is here so that a mistake in one of them cannot become an
action that makes things worse.
"""

from __future__ import annotations

from ..vocabulary.actions import Action, CaptureEvidence, RestartContainer, RestartEngine, StartContainer
from ..vocabulary.state import State

HARMLESS = (CaptureEvidence,)


def refusal(action: Action, state: State, busy: frozenset[str], now: float) -> str:
    """Why this action must not begin; empty: it may. ``busy``: subjects with an action under way."""
    if action.subject in busy:
        return f"another action on {action.subject} is under way"
    if isinstance(action, HARMLESS):
        return ""
    if state.stopping:
        return "edged is stopping"
    if isinstance(action, RestartEngine):
        return "the engine answers" if state.engine.up else ""
    if not state.engine.up:
        return "the container engine does not answer"
    app = state.apps.get(action.subject)
    if app is None or app.container is None:
        return f"there is no container of {action.subject}"
    if isinstance(action, RestartContainer | StartContainer) and app.container.status in ("restarting", "removing"):
        return f"{action.subject} is already {app.container.status}"
    if app.kept.recovery.command:
        return ""
    if not app.config.restart.enabled:
        return f"edged only observes {action.subject}"
    if app.kept.maintenance is not None and now < app.kept.maintenance.until:
        return f"{action.subject} is in maintenance"
    if app.kept.stopped is not None:
        return f"{action.subject} was stopped on purpose"
    return ""
