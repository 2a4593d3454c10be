"""What a new run of edged makes of what the run before had to leave in the middle. Pure.

edged's clock went on meanwhile, through reboots too, and nobody looked: time that passed so is no patience spent, and
what was to be watched is watched anew.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..config import App
from ..vocabulary.deployments import Deployment
from ..vocabulary.events import Event
from ..vocabulary.state import Kept, Recovery, State
from . import drilled, readout, restoring
from .answer import failed
from .deployment import TABLE


def resume(kept: Kept, config: App, now: float) -> Kept:
    """At the first fact of a run."""
    deployment = kept.deployment
    return replace(
        kept,
        recovery=_recovery(kept.recovery, config, now),
        deployment=_deployment(deployment, now) if deployment is not None else None,
        drill=drilled.interrupted(kept.drill),
        data=restoring.resumed(kept.data, now),
    )


def _recovery(recovery: Recovery, config: App, now: float) -> Recovery:
    if recovery.phase != "verifying":
        return recovery
    patience = config.restart.verify_within + config.health.start_period
    return replace(recovery, deadline=max(recovery.deadline, now + patience))


def _deployment(deployment: Deployment, now: float) -> Deployment:
    """The phase begins again. Attempts stay counted: one that ends edged each time is not tried for ever."""
    seconds = TABLE[deployment.phase].seconds if deployment.phase in TABLE else 0.0
    deployment = replace(deployment, since=now, deadline=now + seconds, next_at=max(deployment.next_at, now))
    return replace(deployment, first=None, checks=()) if deployment.phase == "gating" else deployment


def orphans(state: State) -> tuple[Event, ...]:
    """The last answers to commands that nothing carries on."""
    if not state.commands:
        return ()
    owned = {state.config.trial.command} if state.config.trial is not None else set()
    # What is read out is carried on by this run; the start of the next one ends it.
    owned |= {command.id for command in state.commands.values() if command.type in readout.TYPES}
    for kept in (*(app.kept for app in state.apps.values()), *state.remembered.values()):
        owned |= {kept.recovery.command, kept.isolation.command if kept.isolation is not None else ""}
        owned |= {kept.data.command, kept.data.restoring.id if kept.data.restoring is not None else ""}
        owned |= {kept.drill.id} if kept.drill is not None else set()
        owned |= {request.id for request in (kept.deployment and kept.deployment.request, kept.waiting) if request}
    why = "edged ended before it was carried out: see edged status, and ask again if it is still wanted"
    told = [failed(state, identity, "interrupted", why) for identity in state.commands.keys() - owned]
    return tuple(event for events in told for event in events)
