"""One deployment as a table: what each phase does, and where it leads when that worked or did not.

Everything is written down before it is done (the loop commits state and intent in one synced transaction), and every
action may be carried out again: so a run of edged that ends anywhere goes on from there with the next one.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from ..vocabulary.actions import Action
from ..vocabulary.deployments import ENDS, Deployment, Phase
from ..vocabulary.events import Event
from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState
from . import artifacts, drilled, gating, hindrance, redelivery, reloading, telling, tidying, turns
from .budget import backoff, jitter
from .outcome import Outcome, View
from .remedies import next_id
from .run import runs

Make = Callable[[AppState, Deployment, str, View], Action]

PATIENCE = 3600.0
"""Seconds that an app or the engine may be away while a deployment waits for it."""


class Step(Struct, frozen=True):
    """What a phase does. One without ``make`` waits for something else than an action."""

    make: Make | None
    good: Phase
    bad: Phase
    seconds: float
    """For the phase as a whole, attempts and waits between them included."""
    attempts: int = 1
    engine: bool = False
    """It needs the container engine, and waits for it."""


TABLE: dict[Phase, Step] = {
    "fetching": Step(artifacts.fetch, "verifying", "refused", 6 * 3600.0, 20),
    "verifying": Step(artifacts.verify, "validating", "refused", 900.0, 3),
    "validating": Step(artifacts.validate, "backing_up", "refused", 900.0, 2),
    "backing_up": Step(artifacts.back_up, "swapping", "refused", 900.0, 3, engine=True),
    "swapping": Step(artifacts.swap, "reloading", "rolling_back", 300.0, 3, engine=True),
    "reloading": Step(None, "gating", "rolling_back", 600.0, engine=True),
    "gating": Step(None, "committed", "rolling_back", 3600.0, engine=True),
    "rolling_back": Step(artifacts.swap_back, "reverting", "failed", PATIENCE, 20, engine=True),
    "reverting": Step(None, "rolled_back", "failed", PATIENCE, engine=True),
}


def begin(app: AppState, deployment: Deployment, view: View) -> Outcome:
    """The first phase. One that goes back to what is here already has nothing to fetch."""
    first: Phase = "verifying" if deployment.request.digest else "fetching"
    there = artifacts.where(app, deployment.request.kind)
    return enter(app, replace(deployment, path=there.path, delivery=there.delivery), first, view)


def step(app: AppState, view: View) -> Outcome:
    """Moves the deployment of this app on as far as the moment allows."""
    deployment = app.kept.deployment
    if view.state.stopping:
        return Outcome(app)
    if deployment is None:
        return _next(app, view)
    rules = TABLE[deployment.phase]
    if deployment.action_id:
        return Outcome(artifacts.wake(app, deployment.deadline))
    unclear = hindrance.unclear(app, deployment, view)
    if unclear is not None:
        return Outcome(artifacts.wake(app, unclear))
    hindered = hindrance.look(app, deployment, view)
    if hindered is not None:
        return fail(app, deployment, *hindered, view)
    if hindrance.needs_engine(app, deployment, view) and not _engine(app, view):
        if deployment.phase in hindrance.BACK and hindrance.gone(app, deployment, view):
            # The next container begins with what is in place by then.
            return enter(app, deployment, "rolled_back", view)
        return _wait_for_engine(app, deployment, view)
    if deployment.phase == "swapping" and app.kept.data.restoring is not None:
        return _after_restore(app, deployment, view)
    if hindrance.went_down(app, deployment):
        # With the engine or the host: that says nothing of the new one. It has one more start, and is watched anew.
        return enter(replace(app, kept=replace(app.kept, excused=False)), deployment, "reloading", view)
    if view.now >= deployment.deadline:
        return fail(app, deployment, "timeout", f"{deployment.phase} took longer than {rules.seconds:.0f} s", view)
    if rules.make is None:
        found = gating.look(app, deployment, view) if deployment.phase == "gating" else _reload(app, deployment, view)
        return _follow(found, view)
    if view.now < deployment.next_at:
        return Outcome(artifacts.wake(app, deployment.next_at))
    app, action_id = next_id(app, view)
    made = replace(deployment, action_id=action_id, attempt=deployment.attempt + 1)
    made = replace(made, container=app.container.id if app.container is not None else "")
    app = artifacts.keep(app, made)
    return Outcome(artifacts.wake(app, made.deadline), (rules.make(app, made, action_id, view),))


def _next(app: AppState, view: View) -> Outcome:
    """What has waited for its turn."""
    request = app.kept.waiting
    if app.kept.tidying:
        return tidying.due(app, view)
    if request is None:
        app, again = redelivery.due(app, view)
        return Outcome(app) if again is None else enter(app, again, "swapping", view)
    app, request, told = turns.take(app, view)
    if request is None:
        return Outcome(app, events=told)
    return begin(app, Deployment(request=request, began=view.now), view)


def _reload(app: AppState, deployment: Deployment, view: View) -> reloading.Progress:
    return reloading.look(app, deployment, view)


def _follow(found: reloading.Progress, view: View) -> Outcome:
    """What a phase without an action of its own has come to."""
    deployment = found.app.kept.deployment
    assert deployment is not None
    if found.verdict == "open":
        return Outcome(found.app, found.actions, found.events)
    if found.verdict == "good":
        after = enter(found.app, deployment, TABLE[deployment.phase].good, view)
    else:
        after = fail(found.app, deployment, found.code, found.why, view)
    return Outcome(after.app, (*found.actions, *after.actions), (*found.events, *after.events))


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    """The action of the phase came to its end."""
    deployment = app.kept.deployment
    interrupted = fact.result.get("code") == "interrupted"
    if fact.action_id == app.kept.tidying:
        return tidying.finished(app, fact, view)
    if deployment is None or not deployment.action_id or fact.action_id != deployment.action_id:
        return tidying.unblocked(app, view)
    deployment = replace(deployment, action_id="")
    if interrupted and TABLE[deployment.phase].make is None:
        # Signal, call or smoke test: whether it was carried out, nobody knows. Again does no harm.
        return Outcome(artifacts.wake(artifacts.keep(app, replace(deployment, attempt=0)), view.now))
    if deployment.phase in ("reloading", "reverting"):
        return _follow(reloading.told(app, deployment, fact, view), view)
    if deployment.phase == "gating":
        return _follow(gating.smoked(app, deployment, fact, view), view)
    rules = TABLE[deployment.phase]
    if fact.ok:
        if deployment.phase != "rolling_back":
            deployment = replace(deployment, code="", reason="")  # what an earlier attempt failed by is mended
        app, deployment = artifacts.learn(app, deployment, fact.result)
        if deployment.request.drill and deployment.phase == "validating":
            # Its answers are wrong, and nobody has noticed: it goes no further.
            return enter(app, replace(deployment, code="drill", reason="it passed validation"), "cancelled", view)
        return enter(app, deployment, rules.good, view)
    code = str(fact.result.get("code", "")) or "failed"
    if code in artifacts.TRANSIENT and deployment.attempt < rules.attempts and view.now < deployment.deadline:
        wait = backoff(deployment.attempt, 1.0, 300.0) * jitter(f"{deployment.request.id}/{deployment.attempt}")
        waiting = replace(deployment, next_at=view.now + wait)
        if deployment.phase != "rolling_back":  # what the new one failed by is what counts
            waiting = replace(waiting, code=code, reason=fact.error)
        return Outcome(artifacts.wake(artifacts.keep(app, waiting), waiting.next_at))
    return fail(app, deployment, code, fact.error, view)


def fail(app: AppState, deployment: Deployment, code: str, why: str, view: View) -> Outcome:
    """This phase did not do it. Before the swap that is all; after it the old one comes back."""
    phase = deployment.phase
    target = TABLE[phase].bad
    if deployment.again:  # there is nothing else to go back to
        target = "cancelled" if code in artifacts.INNOCENT else "failed"
        return enter(app, replace(deployment, code=code, reason=why), target, view)
    if target == "rolling_back":
        deployment = replace(deployment, failed_at=view.now)
    if target == "failed":
        why = f"{deployment.reason}; and it could not be rolled back: {why}" if deployment.reason else why
    return enter(app, replace(deployment, code=code, reason=why), target, view)


def cancel(app: AppState, deployment: Deployment, why: str, view: View) -> Outcome:
    """Before the swap nothing has happened to the app yet."""
    return enter(app, replace(deployment, action_id="", code="cancelled", reason=why), "cancelled", view)


def enter(app: AppState, deployment: Deployment, phase: Phase, view: View) -> Outcome:
    """Goes on to another phase, and tells of it."""
    now, before = view.now, deployment.phase
    if deployment.again and (phase == "gating" or (phase == "reloading" and not runs(app))):
        phase = "committed"
    seconds = TABLE[phase].seconds if phase in TABLE else 0.0
    deployment = replace(
        deployment, phase=phase, since=now, deadline=now + seconds, attempt=0, next_at=0.0, action_id=""
    )
    if phase == "swapping" and not deployment.again:
        deployment = gating.baseline(app, deployment, view)
    if phase == "gating":
        deployment = replace(deployment, first=None, checks=(), smoked=None)
    app = artifacts.place(artifacts.keep(app, deployment), deployment, tried=before in hindrance.WATCHED)
    told = telling.changed(app, deployment, before, view)
    events: tuple[Event, ...] = (told, *telling.answers(deployment, view))
    if phase in ENDS:
        app, aside = turns.behind(_held(drilled.deployed(app, deployment), deployment), deployment, view)
        return tidying.end(app, deployment, (*events, *aside), view)
    return Outcome(artifacts.wake(app, now), events=events)


def _held(app: AppState, deployment: Deployment) -> AppState:
    """After one that could not be undone a person has to look before anything else is put in."""
    if deployment.phase in ("committed", "rolled_back") and app.kept.stuck:
        return replace(app, kept=replace(app.kept, stuck=""))
    if deployment.phase == "failed":
        return replace(app, kept=replace(app.kept, stuck=telling.said(deployment)))
    return app


def _engine(app: AppState, view: View) -> bool:
    return bool(view.state.engine.up) and view.state.engine.listed and app.container is not None


def _after_restore(app: AppState, deployment: Deployment, view: View) -> Outcome:
    """A restore of its data stops the app and starts it again, and comes to its end by itself: the swap is after it."""
    waiting = replace(deployment, since=view.now, deadline=view.now + TABLE[deployment.phase].seconds)
    return Outcome(artifacts.wake(artifacts.keep(app, waiting), view.now + 30.0))


def _wait_for_engine(app: AppState, deployment: Deployment, view: View) -> Outcome:
    """While it is away the phase's time stands still, for as long as ``PATIENCE``."""
    if view.now - deployment.since >= PATIENCE + TABLE[deployment.phase].seconds:
        return fail(app, deployment, "engine_down", "the container engine, or the container, stayed away", view)
    rest = max(TABLE[deployment.phase].seconds / 2.0, deployment.deadline - view.now)
    waiting = replace(deployment, deadline=view.now + rest)
    return Outcome(artifacts.wake(artifacts.keep(app, waiting), view.now + 30.0))
