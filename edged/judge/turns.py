"""The deployment that waits for its turn: one per app, and whatever is asked for next takes its place."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.deployments import Deployment, Kind, Request
from ..vocabulary.events import Event
from ..vocabulary.state import AppState
from .answer import failed
from .artifacts import placed
from .outcome import View
from .telling import changed


def target(app: AppState, kind: Kind) -> str:
    """Digest that a rollback asked for now goes back to; empty: there is none.

    Behind a deployment under way that is what that one takes the place of.
    """
    known, running = placed(app, kind), app.kept.deployment
    if running is not None and running.request.kind == kind and not running.again:
        return known.current.digest
    return known.previous.digest if known.previous is not None else ""


def put_aside(app: AppState, code: str, why: str, view: View) -> tuple[AppState, tuple[Event, ...]]:
    """It never begins; whoever follows it hears why."""
    request = app.kept.waiting
    if request is None:
        return app, ()
    ended = Deployment(request=request, phase="cancelled", began=view.now, since=view.now, code=code, reason=why)
    told = (changed(app, ended, "received", view), *failed(view.state, request.id, code, why, "cancelled"))
    return replace(app, kept=replace(app.kept, waiting=None)), told


def behind(app: AppState, ended: Deployment, view: View) -> tuple[AppState, tuple[Event, ...]]:
    """A deployment is over: what that means for the one that waits behind it."""
    waiting, identity = app.kept.waiting, ended.request.id
    if waiting is None or ended.again or ended.phase == "committed":
        return app, ()
    if ended.phase == "failed":
        why = f"{identity} failed and could not be rolled back: look first, then deploy again"
        return put_aside(app, "held", why, view)
    if waiting.digest and waiting.kind == ended.request.kind:
        why = f"{identity} did not come to stay ({ended.phase.replace('_', ' ')}), so there is nothing to go back from"
        return put_aside(app, "nothing_before", why, view)
    return app, ()


def take(app: AppState, view: View) -> tuple[AppState, Request | None, tuple[Event, ...]]:
    """It is its turn. What a rollback goes back to is known only now: what it waited for may have come to stay."""
    request = app.kept.waiting
    if request is not None and request.digest:
        back = target(app, request.kind)
        if not back:
            app, told = put_aside(
                app, "nothing_before", f"there is no {request.kind} of {app.name} to go back to", view
            )
            return app, None, told
        request = replace(request, digest=back)
    return replace(app, kept=replace(app.kept, waiting=None)), request, ()
