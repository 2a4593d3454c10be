"""The recovery of one app, as a small machine: idle → capturing → acting → verifying → idle.

Every question has a function of its own: what ails it, may edged help now, did it help. ``guard`` has the last
word over the actions that come out of here.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..config import Restart
from ..vocabulary.actions import Action, CaptureEvidence, RestartContainer, StartContainer, StopContainer
from ..vocabulary.events import (
    ActionStarted,
    Event,
    RecoveryFailed,
    RecoveryGaveUp,
    RecoveryHeld,
    RecoveryStarted,
    RecoverySucceeded,
)
from ..vocabulary.facts import ActionFinished, CommandReceived
from ..vocabulary.state import AppState, Recovery
from . import needs
from .answer import failed, succeeded
from .budget import backoff, jitter, within
from .containers import started
from .outcome import Outcome, View, earliest

EVIDENCE_TIMEOUT = 2.0
"""Evidence is worth a little delay, not more."""
START_TIMEOUT = 60.0
LOST_AFTER = 30.0
"""Seconds beyond its own time-out after which an action that never came back counts as failed."""
EXCUSED_ATTEMPTS = 3
"""After the engine came back, so many attempts are its fault; the ones after that are the app's."""
POLICIES = ("always", "unless-stopped", "on-failure")


class Ailment(Struct, frozen=True):
    name: str
    """The alert that tells of it."""
    remedy: str
    reason: str
    since: float
    """The first sign of it."""


def engine_restarts_it(app: AppState) -> bool:
    """Docker's own restart policy covers this container."""
    return app.container is not None and app.container.restart_policy in POLICIES


def waits_for_stop(app: AppState, now: float) -> bool:
    return now < app.suspect_until


def ailment(app: AppState) -> Ailment | None:
    """What ails the app, if a start or restart might cure it."""
    since = app.condition_since
    if app.condition == "down":
        return Ailment("AppDown", "start", app.reason, app.died_at if app.died_at is not None else since)
    if app.condition == "unhealthy":
        first = app.probe.first_bad_at if app.probe.verdict == "bad" else None
        return Ailment("Unhealthy", "restart", app.reason, since if first is None else first)
    memory = app.kept.alerts.get("HighMemory")
    if memory is not None and memory.severity == "critical" and app.condition in ("healthy", "starting"):
        return Ailment("HighMemory", "restart", memory.summary, memory.critical_since or memory.since)
    return None


class Hold(Struct, frozen=True):
    """Not now."""

    reason: str = ""
    """For people; empty: a short wait that is not worth a word."""
    until: float | None = None


def hold(app: AppState, ill: Ailment, view: View) -> Hold | None:
    """Why edged must not act now; ``None``: it may."""
    now, recovery = view.now, app.kept.recovery
    if not app.config.restart.enabled:
        return Hold("edged only observes this app")
    if view.state.stopping:
        return Hold()
    if app.kept.maintenance is not None and now < app.kept.maintenance.until:
        owner, until = app.kept.maintenance.owner, app.kept.maintenance.until
        return Hold(f"in maintenance by {owner}", until)
    if not view.state.engine.up:
        return Hold("the container engine does not answer")
    if waits_for_stop(app, now):
        return Hold("", app.suspect_until)
    if ill.remedy == "start" and engine_restarts_it(app):
        grace_ends = (app.died_at if app.died_at is not None else app.condition_since) + app.config.restart.policy_grace
        if now < grace_ends:
            return Hold("", grace_ends)
    waiting = needs.unmet(app, ill.name, ill.since, view)
    if waiting is not None:
        return Hold(*waiting)
    if now < recovery.next_at:
        return Hold("", recovery.next_at)
    return None


def step(app: AppState, view: View) -> Outcome:
    """Moves the recovery on as far as the moment allows."""
    recovery, now = app.kept.recovery, view.now
    if recovery.phase == "idle":
        return _idle(app, view)
    if recovery.phase == "verifying":
        return _verify(app, view)
    if now >= recovery.deadline:
        return _attempt_failed(
            app, f"no answer within {recovery.deadline - (recovery.last_attempt or now):.0f} s", view
        )
    return Outcome(wake(app, recovery.deadline))


def _idle(app: AppState, view: View) -> Outcome:
    recovery, now = app.kept.recovery, view.now
    ill = ailment(app)
    if ill is None:
        return _well(app, view)
    events: list[Event] = []
    if recovery.ailment != ill.name:
        first = recovery.first_sign if recovery.ailment else ill.since
        recovery = replace(recovery, ailment=ill.name, reason=ill.reason, first_sign=first, held="", healthy_since=None)
    reason = hold(app, ill, view)
    if reason is not None:
        if reason.reason and reason.reason != recovery.held:
            recovery = replace(recovery, held=reason.reason)
            if app.config.restart.enabled:
                events.append(RecoveryHeld(subject=app.name, ailment=ill.name, reason=reason.reason))
        app = wake(_keep(app, recovery), reason.until)
        return Outcome(app, events=tuple(events))
    rules = app.config.restart
    recovery = replace(recovery, charged=within(recovery.charged, now, rules.per), held="", remedy=ill.remedy)
    spent = len(recovery.charged) >= rules.budget
    if spent and not recovery.open and not excused(app, view):
        wait = rules.retry_after * jitter(f"{view.config.device.id}/{app.name}/{recovery.attempts}")
        recovery = replace(recovery, open=True, next_at=now + wait)
        gave_up = RecoveryGaveUp(subject=app.name, ailment=ill.name, attempts=recovery.attempts, retry_in=wait)
        return Outcome(wake(_keep(app, recovery), recovery.next_at), events=(gave_up,))
    return _begin(_keep(app, recovery), ill, view)


def excused(app: AppState, view: View) -> bool:
    """What the engine, the host or a dependency did spends no budget of the app's."""
    by_engine = app.kept.excused and app.kept.recovery.episode <= EXCUSED_ATTEMPTS
    return by_engine or bool(needs.failing(app, view))


def _well(app: AppState, view: View) -> Outcome:
    """Nothing ails it: close the episode, and forget old failures after a while of health."""
    recovery, now, events = app.kept.recovery, view.now, ()
    if app.condition != "healthy":
        return Outcome(app)
    if app.kept.excused:
        app = replace(app, kept=replace(app.kept, excused=False))
    if recovery.ailment:
        succeeded_event = RecoverySucceeded(
            subject=app.name,
            ailment=recovery.ailment,
            attempts=recovery.episode,
            seconds=now - recovery.first_sign,
            by="edged" if recovery.episode else "engine" if engine_restarts_it(app) else "itself",
        )
        events = (succeeded_event,)  # type: ignore[assignment]
        recovery = replace(recovery, ailment="", reason="", held="", episode=0, healthy_since=now, command="")
    if recovery.attempts or recovery.open:
        healthy_since = recovery.healthy_since if recovery.healthy_since is not None else now
        reset_at = healthy_since + app.config.restart.reset_after
        if now >= reset_at:
            recovery = Recovery()
        else:
            recovery = replace(recovery, healthy_since=healthy_since)
            app = wake(app, reset_at)
    return Outcome(_keep(app, recovery), events=events)


def _begin(app: AppState, ill: Ailment, view: View) -> Outcome:
    """First the evidence: a restart destroys it."""
    recovery, now, container = app.kept.recovery, view.now, app.container
    assert container is not None
    app, action_id = next_id(app, view)
    capture = CaptureEvidence(
        id=action_id,
        subject=app.name,
        reason=f"{ill.name}: {ill.reason}",
        timeout=EVIDENCE_TIMEOUT,
        container_id=container.id,
        context=context(app, ill),
        log_lines=view.config.evidence.log_lines,
    )
    events: tuple[Event, ...] = ()
    if recovery.episode == 0:
        started = RecoveryStarted(
            subject=app.name, ailment=ill.name, reason=ill.reason, detected_after=max(0.0, now - ill.since)
        )
        events = (started,)
    recovery = replace(
        recovery,
        phase="capturing",
        action_id=action_id,
        deadline=now + EVIDENCE_TIMEOUT + LOST_AFTER,
        last_attempt=now,
        attempts=recovery.attempts + 1,
        episode=recovery.episode + 1,
        reason=ill.reason,
        healthy_since=None,
    )
    return Outcome(wake(_keep(app, recovery), recovery.deadline), (capture,), events)


def begin_command(app: AppState, remedy: str, fact: CommandReceived, view: View) -> Outcome:
    """A person asked for it: the same way through evidence, action and verification, at no cost to the budget."""
    container = app.container
    assert container is not None
    app, action_id = next_id(app, view)
    reason = f"{fact.type} by {fact.origin}"
    capture = CaptureEvidence(
        id=action_id,
        subject=app.name,
        reason=reason,
        timeout=EVIDENCE_TIMEOUT,
        container_id=container.id,
        context=context(app, None),
        log_lines=view.config.evidence.log_lines,
    )
    recovery = replace(
        app.kept.recovery,
        phase="capturing",
        remedy=remedy,
        action_id=action_id,
        command=fact.id,
        reason=reason,
        deadline=view.now + EVIDENCE_TIMEOUT + LOST_AFTER,
        last_attempt=view.now,
        held="",
    )
    return Outcome(wake(_keep(app, recovery), recovery.deadline), (capture,))


def context(app: AppState, ill: Ailment | None) -> dict[str, str]:
    """What edged knows of the moment, for the evidence."""
    usage = app.usage
    return {
        "condition": f"{app.condition}: {app.reason}",
        "ailment": ill.name if ill else "",
        "probe": f"{app.probe.verdict}, good {app.probe.good}, bad {app.probe.bad}: {app.probe.detail}",
        "memory_bytes": str(usage.memory) if usage else "",
        "memory_limit_bytes": str(usage.memory_limit) if usage and usage.memory_limit else "",
        "cpu_share": f"{app.cpu.share:.3f}" if app.cpu.share is not None else "",
        "deaths_seen": str(len(app.kept.deaths)),
        "attempts_before": str(app.kept.recovery.attempts),
    }


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    """An action of this app came to its end."""
    recovery, now = app.kept.recovery, view.now
    if fact.action_id != recovery.action_id:
        return Outcome(app)
    if recovery.phase == "capturing":
        return _act(app, view)
    if recovery.phase != "acting":
        return Outcome(app)
    if not fact.ok:
        return _attempt_failed(app, fact.error, view)
    app = _as_the_engine_said(app, fact.at - fact.seconds, fact.at)
    if recovery.remedy != "stop":
        app = replace(app, kept=replace(app.kept, restarts=app.kept.restarts + 1))
    deadline = now + app.config.restart.verify_within + app.config.health.start_period
    return Outcome(wake(_keep(app, replace(recovery, phase="verifying", deadline=deadline)), deadline))


def _as_the_engine_said(app: AppState, begun: float, ended: float) -> AppState:
    """The engine's word that it started (stopped) the container may come before its own event says so."""
    container, remedy = app.container, app.kept.recovery.remedy
    if container is None:
        return app
    if remedy == "stop":
        gone = container.status not in ("running", "paused")
        return app if gone else replace(app, container=replace(container, status="exited"), died_at=ended)
    if app.started_at is not None and app.started_at >= begun:
        return app
    return started(replace(app, container=replace(container, status="running"), seen_at=ended), ended)


def _act(app: AppState, view: View) -> Outcome:
    """The evidence is kept. Does the app still need help?"""
    recovery, now, container = app.kept.recovery, view.now, app.container
    ill = ailment(app)
    wanted = bool(recovery.command) or (ill is not None and hold(app, ill, view) is None)
    if not wanted or container is None or container.status in ("restarting", "removing"):
        if recovery.command:
            return _attempt_failed(app, f"{app.condition}: {app.reason}", view)
        undone = replace(
            recovery, phase="idle", action_id="", attempts=recovery.attempts - 1, episode=recovery.episode - 1
        )
        return Outcome(_keep(app, undone))
    remedy = recovery.remedy if ill is None or recovery.command else ill.remedy
    app, action_id = next_id(app, view)
    action = remedy_action(remedy, app, action_id, view)
    charge = not recovery.command and not excused(app, view)
    recovery = replace(
        recovery,
        phase="acting",
        remedy=remedy,
        action_id=action.id,
        deadline=now + action.timeout + LOST_AFTER,
        charged=(*recovery.charged, now) if charge else recovery.charged,
        next_at=now
        + backoff(recovery.attempts, app.config.restart.backoff, app.config.restart.max_backoff)
        * jitter(f"{view.config.device.id}/{app.name}/{recovery.attempts}"),
    )
    started = ActionStarted(
        subject=app.name,
        action_id=action.id,
        action=type(action).__name__,
        reason=action.reason,
        attempt=recovery.attempts,
    )
    return Outcome(wake(_keep(app, recovery), recovery.deadline), (action,), (started,))


def remedy_action(remedy: str, app: AppState, action_id: str, view: View) -> Action:
    """The action that carries out a remedy."""
    assert app.container is not None
    rules: Restart = app.config.restart
    recovery = app.kept.recovery
    reason = f"{recovery.ailment}: {recovery.reason}" if recovery.ailment else recovery.reason
    common = {"id": action_id, "subject": app.name, "reason": reason, "container_id": app.container.id}
    stop_time = rules.stop_timeout + START_TIMEOUT
    if remedy == "start":
        return StartContainer(**common, timeout=START_TIMEOUT)
    if remedy == "stop":
        return StopContainer(**common, timeout=stop_time, stop_timeout=rules.stop_timeout)
    return RestartContainer(**common, timeout=stop_time, stop_timeout=rules.stop_timeout)


def _verify(app: AppState, view: View) -> Outcome:
    """Success is claimed when the app is seen healthy (or stopped, if that was asked for), not before."""
    recovery, now = app.kept.recovery, view.now
    wanted = "stopped" if recovery.remedy == "stop" else "healthy"
    if app.condition == wanted:
        return _verified(app, view)
    if app.condition in ("unhealthy", "down", "missing", "stopped") and not waits_for_stop(app, now):
        return _attempt_failed(app, f"{app.condition}: {app.reason}", view)
    if now >= recovery.deadline:
        return _attempt_failed(app, f"still {app.condition} when it should have been {wanted}: {app.reason}", view)
    return Outcome(wake(app, recovery.deadline))


def _verified(app: AppState, view: View) -> Outcome:
    recovery = app.kept.recovery
    by_command = bool(recovery.command)
    events: tuple[Event, ...] = ()
    if by_command:
        events = succeeded(view.state, recovery.command, f"{app.name} is {app.condition}")
    app = _keep(app, replace(recovery, phase="idle", action_id="", command="", open=recovery.open and not by_command))
    outcome = _well(app, view)
    return Outcome(outcome.app, (), (*events, *outcome.events))


def _attempt_failed(app: AppState, why: str, view: View) -> Outcome:
    """The attempt did not help; the next one waits."""
    recovery, now, rules = app.kept.recovery, view.now, app.config.restart
    events: list[Event] = []
    if recovery.command:
        events.extend(failed(view.state, recovery.command, "not_healthy", f"{app.name}: {why}"))
    seed = f"{view.config.device.id}/{app.name}/{recovery.attempts}"
    wait = backoff(recovery.attempts, rules.backoff, rules.max_backoff)
    if recovery.open:
        wait = rules.retry_after
    next_at = max(recovery.next_at, now + wait * jitter(seed)) if not recovery.command else now
    if recovery.ailment:
        told = RecoveryFailed(
            subject=app.name, ailment=recovery.ailment, attempt=recovery.attempts, reason=why, next_in=next_at - now
        )
        events.append(told)
    if recovery.remedy == "stop":
        app = replace(app, kept=replace(app.kept, stopped=None))
    recovery = replace(recovery, phase="idle", action_id="", command="", next_at=next_at)
    return Outcome(wake(_keep(app, recovery), next_at), events=tuple(events))


def next_id(app: AppState, view: View) -> tuple[AppState, str]:
    """An action id that is unique in the device's life, and the app that has given it out."""
    number = app.kept.actions + 1
    return replace(app, kept=replace(app.kept, actions=number)), f"{app.name}-{view.state.boot}-{number}"


def wake(app: AppState, at: float | None) -> AppState:
    return replace(app, wake_at=earliest(app.wake_at, at))


def _keep(app: AppState, recovery: Recovery) -> AppState:
    if recovery == app.kept.recovery:
        return app
    return replace(app, kept=replace(app.kept, recovery=recovery))
