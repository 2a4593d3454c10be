"""Whether a restore of an app's data may begin now, and whether the app has to be stopped for it. Pure."""

from __future__ import annotations

from ..vocabulary.deployments import TOUCHING
from ..vocabulary.state import AppState
from . import backups, drilled, isolation
from .outcome import View
from .run import engine_restarts_it, runs


def refusal(app: AppState, view: View) -> tuple[str, str] | None:
    """Reason code and words why it cannot begin now; ``None``: it can."""
    refused = backups.refusal(app, view)
    if refused is not None:
        return refused
    kept = app.kept
    # While an attempt of edged's own is only being verified nothing is under way, and a person comes first.
    if kept.recovery.phase in ("capturing", "acting") or kept.recovery.command:
        return "busy", f"{app.name} is just being acted upon ({kept.recovery.reason}); try again when that is over"
    if isolation.under_way(app) or drilled.acting(app):
        return "busy", f"{app.name} is just being acted upon; try again in a moment"
    if kept.drill is not None:
        return "busy", f"the drill {kept.drill.kind} of {app.name} is under way: try again when it is over"
    if kept.deployment is not None and kept.deployment.phase in TOUCHING:
        return "busy", f"a deployment of {app.name} is under way ({kept.deployment.phase})"
    return None


def may_run(app: AppState) -> bool:
    """It runs, or Docker's own restart policy may begin its next run at any moment, in the middle of a restore too."""
    container = app.container
    if container is None or runs(app) or container.status == "restarting":
        return container is not None
    return engine_restarts_it(app) and app.kept.stopped is None and app.condition != "stopped"
