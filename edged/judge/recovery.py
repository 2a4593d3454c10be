"""The recovery of one app, as a small machine: idle → capturing → acting → verifying → idle.

Commands of people and the pause under memory pressure go through the same machine, so that no two actions are
ever under way on one app. ``guard`` has the last word over the actions that come out of here.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.events import ActionStarted, Event, RecoveryFailed, RecoveryStarted
from ..vocabulary.facts import ActionFinished, CommandReceived
from ..vocabulary.state import AppState, Recovery
from . import verify
from .ailment import Ailment, Hold, ailment, as_wanted, asked, excused, hands_off, hold
from .answer import failed, succeeded
from .budget import within
from .episode import give_up, held, keep, noted, slow, spent, wait, wake, well
from .outcome import Outcome, View
from .remedies import EVIDENCE_TIMEOUT, capture, next_id, remedy_action
from .run import ENDING, begun, runs

LOST_AFTER = 30.0
"""Seconds beyond its own time-out after which an action that never came back counts as failed."""


def step(app: AppState, view: View) -> Outcome:
    """Moves the recovery on as far as the moment allows."""
    recovery = app.kept.recovery
    match recovery.phase:
        case "idle":
            return _idle(app, view)
        case "verifying":
            return _verifying(app, view)
        case "capturing" if view.now >= recovery.deadline:
            # Evidence that cannot be had is no reason to leave the app as it is.
            return act(app, view)
        case "acting" if view.now >= recovery.deadline:
            return _attempt_failed(app, f"no answer within {view.now - recovery.acted_at:.0f} s", view)
    return Outcome(wake(app, recovery.deadline))


def _idle(app: AppState, view: View) -> Outcome:
    ill = ailment(app)
    wanted = app.kept.wanted
    if ill is None:
        return _evidence(app, view) or well(app, view)
    app = keep(app, noted(app.kept.recovery, ill))
    why_not = hold(app, ill, view)
    if why_not is not None:
        return _evidence(app, view) or held(app, ill, why_not)
    recovery = replace(app.kept.recovery, held="")
    app = keep(app, recovery)
    if ill.remedy != "stop" and spent(app, view):
        if wanted is not None and asked(app) == ill:
            return held(app, ill, Hold("its restart budget is spent"))
        return give_up(app, ill, view)
    if view.now < recovery.next_at:
        return Outcome(wake(app, recovery.next_at))
    return _begin(app, ill, view)


def _begin(app: AppState, ill: Ailment, view: View) -> Outcome:
    """First the evidence: a restart destroys it."""
    now = view.now
    app, action_id = next_id(app, view)
    evidence = capture(app, action_id, ill.name, f"{ill.name}: {ill.reason}", view)
    events: tuple[Event, ...] = ()
    if not app.kept.recovery.announced:
        events = (
            RecoveryStarted(
                subject=app.name, ailment=ill.name, reason=ill.reason, detected_after=max(0.0, now - ill.since)
            ),
        )
    recovery = replace(
        app.kept.recovery,
        phase="capturing",
        announced=True,
        remedy=ill.remedy,
        action_id=action_id,
        deadline=now + EVIDENCE_TIMEOUT + LOST_AFTER,
        reason=ill.reason,
    )
    return Outcome(wake(keep(app, recovery), recovery.deadline), (evidence,), events)


def _evidence(app: AppState, view: View) -> Outcome | None:
    """A runbook wants it, and nothing else; ``None``: none does, or not now."""
    wanted = app.kept.wanted
    if wanted is None or wanted.remedy != "capture" or app.container is None or hands_off(app, view) is not None:
        return None
    app, action_id = next_id(app, view)
    reason = wanted.reason
    evidence = capture(app, action_id, wanted.alert, reason, view)
    deadline = view.now + EVIDENCE_TIMEOUT + LOST_AFTER
    recovery = replace(
        app.kept.recovery, phase="capturing", remedy="capture", action_id=action_id, deadline=deadline, reason=reason
    )
    app = replace(app, kept=replace(app.kept, wanted=None))
    return Outcome(wake(keep(app, recovery), deadline), (evidence,))


def begin_command(app: AppState, remedy: str, fact: CommandReceived, view: View) -> Outcome:
    """A person asked for it: the same way through evidence, action and verification, at no cost to the budget."""
    return evidence_first(app, remedy, fact.id, f"{fact.type} by {fact.origin}", view)


def evidence_first(app: AppState, remedy: str, command: str, reason: str, view: View) -> Outcome:
    """For whoever asked, which ``command`` names."""
    app, action_id = next_id(app, view)
    evidence = capture(app, action_id, "", reason, view)
    recovery = replace(
        app.kept.recovery,
        phase="capturing",
        remedy=remedy,
        action_id=action_id,
        command=command,
        reason=reason,
        deadline=view.now + EVIDENCE_TIMEOUT + LOST_AFTER,
        held="",
    )
    return Outcome(wake(keep(app, recovery), recovery.deadline), (evidence,))


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    """An action of this app came to its end."""
    recovery = app.kept.recovery
    if fact.action_id != recovery.action_id:
        return Outcome(app)
    if recovery.phase == "capturing":
        return act(app, view)
    if recovery.phase != "acting":
        return Outcome(app)
    if not fact.ok:
        return _attempt_failed(app, fact.error, view)
    if recovery.remedy in ("start", "restart"):
        app = replace(app, kept=replace(app.kept, restarts=app.kept.restarts + 1))
    if recovery.remedy == "pause":
        return Outcome(keep(verify.paused(app, fact.at), replace(recovery, phase="idle", action_id="")))
    deadline = view.now + app.config.restart.verify_within + app.config.health.start_period
    recovery = replace(recovery, phase="verifying", action_id="", carried_at=fact.at, deadline=deadline)
    return Outcome(wake(keep(app, recovery), deadline))


def act(app: AppState, view: View) -> Outcome:
    """The evidence is kept. Does the app still need help?"""
    recovery, container, now = app.kept.recovery, app.container, view.now
    ill = ailment(app) if recovery.remedy != "capture" else None
    if recovery.command:
        stuck = ("removing",) if recovery.remedy == "stop" else ("restarting", "removing")
        if container is None or container.status in stuck:
            return _attempt_failed(app, f"{app.condition}: {app.reason}", view)
    elif ill is None or container is None or hold(app, ill, view) is not None:
        return Outcome(wake(keep(app, replace(recovery, phase="idle", action_id="")), now))
    else:
        recovery = replace(recovery, ailment=ill.name, reason=ill.reason, remedy=ill.remedy)
        free = ill.remedy == "stop" or excused(app, view)
        charged = recovery.charged if free else (*recovery.charged, now)
        app = as_wanted(app, ill, now)
        recovery = replace(
            recovery,
            attempts=recovery.attempts + (ill.remedy != "stop"),
            episode=recovery.episode + 1,
            charged=within(charged, now, app.config.restart.per),
        )
    app = keep(app, recovery)
    if not recovery.command:
        app = keep(app, replace(recovery, last_attempt=now, next_at=now + wait(app, view)))
        reason = f"{recovery.ailment}: {recovery.reason}"
    else:
        reason = recovery.reason
    return perform(app, recovery.remedy, reason, view)


def perform(app: AppState, remedy: str, reason: str, view: View) -> Outcome:
    """Gives out the remedy's action."""
    app, action_id = next_id(app, view)
    action = remedy_action(remedy, app, action_id, reason)
    deadline = view.now + action.timeout + LOST_AFTER
    recovery = replace(
        app.kept.recovery,
        phase="acting",
        remedy=remedy,
        action_id=action_id,
        acted_at=view.now,
        carried_at=0.0,
        run=app.container.started_at if app.container is not None and remedy in ENDING else None,
        unsure=False,
        deadline=deadline,
    )
    if remedy in ENDING:
        # Signals of before have nothing to do with the end that comes now.
        app, recovery = replace(app, kill_at=None), replace(recovery, failed_at=0.0)
    automatic = remedy in ("start", "restart") and not recovery.command
    told = ActionStarted(
        subject=app.name,
        action_id=action_id,
        action=type(action).__name__,
        reason=reason,
        attempt=recovery.attempts if automatic else 0,
    )
    return Outcome(wake(keep(app, recovery), deadline), (action,), (told,))


def _verifying(app: AppState, view: View) -> Outcome:
    """Success is claimed when the app is seen healthy (or stopped, if that was asked for), not before."""
    believed = verify.at_its_word(app, view.now)
    if believed is not None:
        # Its condition is another one now: that is looked at in the turn that follows at once.
        return Outcome(wake(believed, view.now))
    found = verify.look(app, view)
    match found.verdict:
        case "good":
            return _verified(app, view)
        case "bad":
            return _attempt_failed(app, found.why, view)
    return Outcome(wake(app, found.until))


def _verified(app: AppState, view: View) -> Outcome:
    recovery = app.kept.recovery
    if not recovery.command:
        return well(keep(app, replace(recovery, phase="idle")), view)
    events: tuple[Event, ...] = succeeded(view.state, recovery.command, f"{app.name} is {app.condition}")
    if app.condition == "healthy":
        # A person saw to it, so old failures count no more: the circuit closes and the budget is whole again.
        outcome = well(app, view)
        app = keep(outcome.app, Recovery())
        events = (*events, *outcome.events)
    else:
        app = keep(app, replace(recovery, phase="idle", command=""))
    return Outcome(app, events=events)


def _attempt_failed(app: AppState, why: str, view: View) -> Outcome:
    """It did not help, or could not be carried out. The next attempt waits."""
    recovery, now = app.kept.recovery, view.now
    events = list[Event]()
    automatic = not recovery.command and recovery.remedy in ("start", "restart")
    interrupted = view.state.engine.up is False or app.condition == "stopped"
    if recovery.command:
        code = "engine_down" if view.state.engine.up is False else "not_healthy"
        if verify.untouched(app, view):
            code = "interrupted"
        events.extend(failed(view.state, recovery.command, code, f"{app.name}: {why}"))
    elif automatic and recovery.ailment and not interrupted:
        recovery = replace(recovery, next_at=max(recovery.next_at, now + wait(app, view)))
        over = spent(keep(app, recovery), view)
        told = RecoveryFailed(
            subject=app.name,
            ailment=recovery.ailment,
            attempt=recovery.attempts,
            reason=why,
            next_in=slow(app, view) if over else recovery.next_at - now,
        )
        events.append(told)
    if recovery.remedy == "stop" and runs(app):
        app = replace(app, kept=replace(app.kept, stopped=None))
    if recovery.remedy in ENDING and not begun(app):
        recovery = replace(recovery, failed_at=now)
    recovery = replace(recovery, phase="idle", action_id="", command="", failure=why)
    return Outcome(wake(keep(app, recovery), recovery.next_at), events=tuple(events))
