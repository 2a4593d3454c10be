"""Making an app use what was put in place: a restart through the recovery machine, a signal, or a call."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..config import ReloadBy
from ..vocabulary.actions import Action, CallHook, SignalContainer
from ..vocabulary.deployments import Deployment
from ..vocabulary.events import Event
from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState
from .artifacts import BUSY, keep, rules_of, wake
from .hindrance import engaged
from .outcome import View
from .recovery import evidence_first, perform
from .remedies import next_id
from .run import runs

SETTLED = 2.0
"""Seconds after a signal or a call before the app's health says anything of what it read."""
WITHIN = 120.0
"""Seconds within which it must be healthy again, beside what its own start takes."""


class Progress(Struct, frozen=True):
    """How a phase that has no action of its own stands."""

    app: AppState
    verdict: Literal["open", "good", "bad"]
    code: str = ""
    why: str = ""
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


def look(app: AppState, deployment: Deployment, view: View) -> Progress:
    """Begins the reload, then waits for the app to be healthy."""
    if deployment.phase == "reverting" and app.condition == "stopped":
        return Progress(app, "good")  # the next start is with the old one, and is not edged's to make
    if deployment.attempt == 0:
        return _begin(app, deployment, view)
    recovery, now = app.kept.recovery, view.now
    if recovery.phase != "idle":  # its own restart, which another run of edged may have begun
        return Progress(wake(app, deployment.deadline), "open")
    if now < deployment.next_at:
        return Progress(wake(app, deployment.next_at), "open")
    if app.condition == "healthy":
        return Progress(app, "good")
    if deployment.phase == "reverting" and not deployment.old.digest:
        return Progress(app, "good")  # it had nothing before, and is no worse off now
    # A restart has been given all the time it may take by the recovery machine; the others have none of their own.
    limit = deployment.next_at + WITHIN + app.config.health.start_period
    if app.condition == "starting" and now < limit:
        return Progress(wake(app, limit), "open")
    if deployment.phase == "reverting" and deployment.attempt == 1 and reload_of(app, deployment) != "restart":
        health = app.config.health
        soon = deployment.next_at + health.successes * (health.every + health.timeout)
        if now < soon:  # it may be well already, and nobody has looked yet
            return Progress(wake(app, soon), "open")
        return _restart(app, deployment, view, attempt=2)
    return Progress(app, "bad", "unhealthy", f"{app.name} is {app.condition}: {app.reason}")


def _begin(app: AppState, deployment: Deployment, view: View) -> Progress:
    if engaged(app) or view.now < deployment.next_at:  # what was begun before comes to its end first
        return Progress(wake(app, max(deployment.next_at, view.now + 1.0)), "open")
    how = reload_of(app, deployment)
    if how == "restart" or not runs(app) or app.condition in ("paused", "restarting"):
        return _restart(app, deployment, view)
    app, action_id = next_id(app, view)
    made = replace(deployment, attempt=1, action_id=action_id, next_at=view.now + SETTLED)
    action: Action
    reason = f"deployment {deployment.request.id}"
    if how.signal:
        assert app.container is not None
        action = SignalContainer(
            id=action_id, subject=app.name, reason=reason, timeout=15.0, container_id=app.container.id,
            signal=how.signal,
        )  # fmt: skip
    else:
        action = CallHook(id=action_id, subject=app.name, reason=reason, timeout=30.0, url=how.http)
    return Progress(wake(keep(app, made), made.deadline), "open", actions=(action,))


def reload_of(app: AppState, deployment: Deployment) -> Literal["restart"] | ReloadBy:
    """How the app is made to use what is new, as configured now."""
    rules = rules_of(app, deployment.request.kind)
    return rules.reload if rules is not None else "restart"


def _restart(app: AppState, deployment: Deployment, view: View, attempt: int = 1) -> Progress:
    """By the recovery machine, which verifies it, and knows what is its own doing."""
    if app.kept.recovery.phase != "idle" or engaged(app):
        return Progress(wake(app, view.now + 1.0), "open")
    remedy = "restart" if runs(app) else "start"
    reason = f"deployment {deployment.request.id}"
    app = keep(app, replace(deployment, attempt=attempt, next_at=view.now))
    recovery = replace(app.kept.recovery, command=mark(deployment), ailment="", held="")
    app = replace(app, kept=replace(app.kept, recovery=recovery))
    if remedy == "start" and app.kept.stopped is None:  # it has ended by itself: what it left is kept first
        begun = evidence_first(app, remedy, mark(deployment), reason, view)
    else:
        begun = perform(app, remedy, reason, view)
    return Progress(begun.app, "open", actions=begun.actions, events=begun.events)


def told(app: AppState, deployment: Deployment, fact: ActionFinished, view: View) -> Progress:
    """The signal was sent, or the call answered."""
    code, signal = fact.result.get("code", ""), fact.action == "SignalContainer"
    if not fact.ok and (code == BUSY or (signal and (code == "unreachable" or app.kept.stopped is not None))):
        # The app has not heard of it: that says nothing of what it was to read. The phase's time bounds it.
        again = replace(deployment, attempt=0, next_at=view.now + 1.0)
        return Progress(wake(keep(app, again), again.next_at), "open")
    if not fact.ok:
        return Progress(keep(app, deployment), "bad", "reload", f"the reload failed: {fact.error}")
    waiting = replace(deployment, next_at=view.now + SETTLED)
    return Progress(wake(keep(app, waiting), waiting.next_at), "open")


def mark(deployment: Deployment) -> str:
    """The recovery machine's name for who asked for a restart."""
    return f"deployment/{deployment.request.id}/{deployment.phase}"
