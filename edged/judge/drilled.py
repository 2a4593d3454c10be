"""What a drill under way means to the rest of the judge. Pure, and small: ``drill`` is the machine itself."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.deployments import Deployment
from ..vocabulary.drills import Drill
from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState

MODEL = "/model"
"""Behind a drill's id: the deployment that it asks for."""
EXEMPT = 3
"""So many attempts in one episode are the drill's doing; the ones after that are the app's."""
INTERRUPTED = "edged ended in the middle of it: what it did is undone, and it can be begun again"


def acting(app: AppState) -> bool:
    """A step of it is being carried out on the container: nothing else may be done to that."""
    drill = app.kept.drill
    return drill is not None and bool(drill.action_id) and drill.kind != "bad-model"


def holds(app: AppState) -> bool:
    """Recovery waits for a moment: a step is under way, or the app would start with the lowered memory limit."""
    drill = app.kept.drill
    return acting(app) or (drill is not None and drill.undo == "memory" and drill.phase != "restoring")


def exempt(app: AppState) -> bool:
    """Attempts spend no budget: what they mend was made on purpose."""
    return app.kept.drill is not None and app.kept.recovery.episode < EXEMPT


def struck(app: AppState) -> bool:
    """A death now is the drill's doing, and no failure of the app."""
    drill = app.kept.drill
    return drill is not None and drill.kind in ("kill", "oom", "hang") and drill.phase in ("injecting", "detecting")


def falsified(app: AppState) -> bool:
    """Good answers of its health check count as bad ones, until it has been restarted for them."""
    drill = app.kept.drill
    if drill is None or drill.kind != "unhealthy" or drill.phase not in ("detecting", "recovering"):
        return False
    begun = app.started_at is not None and app.started_at >= drill.injected_at
    return not begun and app.kept.recovery.acted_at < drill.injected_at


def concerns(app: AppState, fact: ActionFinished) -> bool:
    drill = app.kept.drill
    return drill is not None and bool(drill.action_id) and drill.action_id == fact.action_id


def deployed(app: AppState, deployment: Deployment) -> AppState:
    """The deployment that a drill has asked for came to its end."""
    drill = app.kept.drill
    if drill is None or deployment.request.id != drill.id + MODEL:
        return app
    verdict = f"{deployment.phase} [{deployment.code}]: {deployment.reason}"
    return replace(app, kept=replace(app.kept, drill=replace(drill, verdict=verdict)))


def interrupted(drill: Drill | None) -> Drill | None:
    """At the start of a run: nobody has watched meanwhile, so there is nothing to measure any more."""
    if drill is None:
        return None
    told = drill.code or "interrupted"
    return replace(drill, action_id="", phase="restoring", code=told, why=drill.why or INTERRUPTED)
