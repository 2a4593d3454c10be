"""After a deployment: slots that nobody goes back to go, and what was staged for it. The next one waits for that."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.actions import TidyArtifacts
from ..vocabulary.deployments import SIDE, Deployment, Request
from ..vocabulary.events import Event
from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState
from .artifacts import BUSY, TRANSIENT, placed, wake, where
from .budget import backoff
from .outcome import Outcome, View
from .remedies import next_id

SECONDS = 120.0
ATTEMPTS = 6
"""Of one that fails by what another attempt may mend; what stays is swept up a day later."""
BUSY_ATTEMPTS = 90
"""Of one that finds something else under way, such as the fetch of a deployment that was cancelled: hours."""


def end(app: AppState, deployment: Deployment, events: tuple[Event, ...], view: View) -> Outcome:
    """It is over: what is not needed any more goes, and the next one may begin."""
    touched = deployment.phase in ("committed", "rolled_back", "failed")
    at = view.now if touched else app.kept.deployed_at
    kept = replace(app.kept, deployment=None, ended=deployment.request, tidy_attempt=0, deployed_at=at)
    return _tidy(replace(app, kept=kept), deployment.request, events, view)


def due(app: AppState, view: View) -> Outcome:
    """Another attempt when its time has come."""
    ended = app.kept.ended
    if not app.kept.tidy_at or ended is None:
        return Outcome(app)
    if view.now < app.kept.tidy_at:
        return Outcome(wake(app, app.kept.tidy_at))
    return _tidy(app, ended, (), view)


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    """It came to its end, or could not even begin."""
    kept, code = app.kept, fact.result.get("code", "")
    if kept.ended is not None and code == "interrupted":
        return _tidy(app, kept.ended, (), view)
    if kept.ended is not None and not fact.ok:
        if view.state.stopping:  # the next run does it
            return Outcome(replace(app, kept=replace(kept, tidy_at=view.now)))
        if kept.tidy_attempt < (BUSY_ATTEMPTS if code == BUSY else ATTEMPTS if code in TRANSIENT else 0):
            at = view.now + backoff(kept.tidy_attempt, 1.0, 300.0)
            return Outcome(wake(replace(app, kept=replace(kept, tidy_at=at)), at))
    return Outcome(wake(replace(app, kept=replace(kept, tidying="", tidy_at=0.0)), view.now))


def unblocked(app: AppState, view: View) -> Outcome:
    """What it may have waited for has ended."""
    if not app.kept.tidy_at:
        return Outcome(app)
    return Outcome(wake(replace(app, kept=replace(app.kept, tidy_at=view.now)), view.now))


def _tidy(app: AppState, ended: Request, events: tuple[Event, ...], view: View) -> Outcome:
    known = placed(app, ended.kind)
    app, action_id = next_id(app, view)
    kept = replace(app.kept, tidying=action_id, tidy_at=0.0, tidy_attempt=app.kept.tidy_attempt + 1)
    app = replace(app, kept=kept)
    pinned = (known.current.digest, known.previous.digest if known.previous is not None else "")
    action = TidyArtifacts(
        id=action_id,
        subject=app.name + SIDE,
        reason=f"the end of deployment {ended.id}",
        timeout=SECONDS,
        where=where(app, ended.kind),
        pinned=tuple(digest for digest in pinned if digest),
        deployment=ended.id,
    )
    return Outcome(wake(app, view.now), (action,), events)
