"""What the end of a run of edged has left in the middle, as the next one takes it up. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from .vocabulary.deployments import Deployment
from .vocabulary.isolation import Isolation
from .vocabulary.state import Kept, Recovery

_AT_ONCE = 0.001
RESTORE = "data/"
OTHERS = ("deployment/", RESTORE)
"""What a recovery's command begins with when it is no person's: whoever asked looks for itself."""


def interrupted(recovery: Recovery) -> Recovery:
    """An action that was under way when the last run ended may still be carried out by the engine: its outcome is
    waited for as if it had been reported, so that what it does to the app is not taken for a person's doing. A person
    who asked for it is answered by that outcome; a deployment looks for itself."""
    if recovery.phase == "idle":
        return recovery
    pending = recovery.phase in ("acting", "verifying") and recovery.remedy in ("start", "restart", "stop")
    if recovery.remedy == "stop" and recovery.command.startswith(RESTORE):
        pending = False  # an engine that is left alone with a stop may give it up; again does no harm
    return replace(
        recovery,
        phase="verifying" if pending else "idle",
        action_id="",
        command=recovery.command if pending and not recovery.command.startswith(OTHERS) else "",
        unsure=recovery.unsure or recovery.phase == "acting",
    )


def again(kept: Kept) -> Deployment | None:
    """Nobody knows whether a restart that a deployment had asked for was carried out: it asks for it once more, since
    an app that was not restarted still uses what it had before."""
    deployment, recovery = kept.deployment, kept.recovery
    if deployment is None or recovery.phase != "acting" or not recovery.command.startswith("deployment/"):
        return deployment
    return replace(deployment, attempt=0)


def step_again(kept: Kept) -> Isolation | None:
    """Every step may be carried out again; and nobody has looked at its networks meanwhile."""
    isolation = kept.isolation
    return None if isolation is None else replace(isolation, action_id="", checked_at=0.0)


def unattended(kept: Kept) -> Kept:
    """An app that is only known again when the engine has listed its containers hears of no action that was cut short:
    what was under way is done again then."""
    deployment = kept.deployment
    if deployment is not None and deployment.action_id:
        alone = deployment.phase in ("reloading", "reverting", "gating")  # its first attempt is a step of its own
        deployment = replace(deployment, action_id="", attempt=0 if alone else deployment.attempt)
    once_more = bool(kept.tidying and not kept.tidy_at)
    return replace(kept, deployment=deployment, tidy_at=_AT_ONCE if once_more else kept.tidy_at)
