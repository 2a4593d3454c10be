"""One episode of trouble: from the first sign of an ailment until the app is well again, or is stopped on purpose."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.events import Event, RecoveryGaveUp, RecoveryHeld, RecoverySucceeded
from ..vocabulary.state import AppState, Recovery
from . import verify
from .ailment import Ailment, Hold, excused
from .budget import backoff, jitter, within
from .outcome import Outcome, View, earliest


def noted(recovery: Recovery, ill: Ailment) -> Recovery:
    """What ails it is remembered from the first sign on, through changes of the ailment."""
    if recovery.ailment == ill.name and recovery.healthy_since is None:
        return recovery
    first = recovery.first_sign if recovery.ailment else ill.since
    return replace(recovery, ailment=ill.name, reason=ill.reason, first_sign=first, healthy_since=None)


def held(app: AppState, ill: Ailment, why: Hold) -> Outcome:
    """It waits on purpose, and says so once."""
    recovery, events = app.kept.recovery, list[Event]()
    if why.reason and why.reason != recovery.held:
        recovery = replace(recovery, held=why.reason)
        if app.config.restart.enabled:
            events.append(RecoveryHeld(subject=app.name, ailment=ill.name, reason=why.reason))
    return Outcome(wake(keep(app, recovery), why.until), events=tuple(events))


def spent(app: AppState, view: View) -> bool:
    """The budget will not allow the next attempt when its time has come."""
    recovery, rules = app.kept.recovery, app.config.restart
    if recovery.open or excused(app, view):
        return False
    at = max(view.now, recovery.next_at)
    return len(within(recovery.charged, at, rules.per)) >= int(rules.budget)


def give_up(app: AppState, ill: Ailment, view: View) -> Outcome:
    """The budget is spent: the circuit opens, and one slow retry is made now and then."""
    recovery = app.kept.recovery
    wait = slow(app, view)
    recovery = replace(recovery, open=True, next_at=view.now + wait)
    told = RecoveryGaveUp(subject=app.name, ailment=ill.name, attempts=recovery.attempts, retry_in=wait)
    return Outcome(wake(keep(app, recovery), recovery.next_at), events=(told,))


def well(app: AppState, view: View) -> Outcome:
    """Nothing ails it: close the episode, and forget old failures after a while of health."""
    recovery, now, events = app.kept.recovery, view.now, list[Event]()
    if app.condition != "healthy":
        return _neither(app)
    if app.kept.excused:
        app = replace(app, kept=replace(app.kept, excused=False))
    if recovery.ailment:
        events.append(
            RecoverySucceeded(
                subject=app.name,
                ailment=recovery.ailment,
                attempts=recovery.episode,
                seconds=now - recovery.first_sign,
                by=verify.by(app),
            )
        )
        recovery = _closed(recovery)
    if recovery.attempts or recovery.open:
        healthy_since = recovery.healthy_since if recovery.healthy_since is not None else now
        reset_at = healthy_since + app.config.restart.reset_after
        if now >= reset_at:
            recovery = Recovery(charged=within(recovery.charged, now, app.config.restart.per))
        else:
            recovery = replace(recovery, healthy_since=healthy_since)
            app = wake(app, reset_at)
    return Outcome(keep(app, recovery), events=tuple(events))


def _neither(app: AppState) -> Outcome:
    """Nothing that edged could cure, and not healthy either: the time of health begins anew."""
    recovery, events = app.kept.recovery, list[Event]()
    if app.condition == "stopped" and recovery.ailment:
        if recovery.announced:
            events.append(RecoveryHeld(subject=app.name, ailment=recovery.ailment, reason=app.reason))
        recovery = _closed(recovery)
    return Outcome(keep(app, replace(recovery, healthy_since=None)), events=tuple(events))


def _closed(recovery: Recovery) -> Recovery:
    """The episode is over; budget and backoff stay."""
    return replace(recovery, ailment="", reason="", held="", failure="", episode=0, announced=False)


def wait(app: AppState, view: View) -> float:
    """Seconds until the next attempt."""
    recovery, rules = app.kept.recovery, app.config.restart
    if recovery.open:
        return slow(app, view)
    return backoff(recovery.attempts, rules.backoff, rules.max_backoff) * _jitter(app, view)


def slow(app: AppState, view: View) -> float:
    """The same while the circuit is open."""
    return float(app.config.restart.retry_after) * _jitter(app, view)


def _jitter(app: AppState, view: View) -> float:
    return jitter(f"{view.config.device.id}/{app.name}/{app.kept.recovery.attempts}")


def wake(app: AppState, at: float | None) -> AppState:
    return replace(app, wake_at=earliest(app.wake_at, at))


def keep(app: AppState, recovery: Recovery) -> AppState:
    if recovery == app.kept.recovery:
        return app
    return replace(app, kept=replace(app.kept, recovery=recovery))
