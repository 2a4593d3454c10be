"""What ails an app, and whether edged may help it now."""

from __future__ import annotations

from msgspec import Struct

from ..vocabulary.deployments import TOUCHING
from ..vocabulary.state import AppState
from . import needs
from .outcome import View
from .run import engine_restarts_it, runs, waits_for_stop, was_signalled

CREATED_GRACE = 30.0
"""Seconds for which a container that was created is left to whoever created it, to be started."""
STOPPING = 30.0
"""Seconds after a signal through the engine within which an app may be ending."""
EXCUSED_ATTEMPTS = 3
"""After the engine came back, so many attempts are its fault; the ones after that are the app's."""


class Ailment(Struct, frozen=True):
    name: str
    """The alert that tells of it."""
    remedy: str
    reason: str
    since: float
    """The first sign of it."""


class Hold(Struct, frozen=True):
    """Not now."""

    reason: str = ""
    """For people; empty: a short wait that is not worth a word."""
    until: float | None = None
    """``None``: until something happens."""


def ailment(app: AppState) -> Ailment | None:
    """What ails the app, if a start or restart might cure it."""
    since = app.condition_since
    if app.condition == "down":
        return Ailment("AppDown", "start", app.reason, app.died_at if app.died_at is not None else since)
    if app.condition == "unhealthy":
        first = app.probe.first_bad_at if app.probe.verdict == "bad" else None
        return Ailment("Unhealthy", "restart", app.reason, since if first is None else first)
    if app.condition in ("healthy", "starting") and out_of_memory(app):
        memory = app.kept.alerts["HighMemory"]
        why = memory.summary or f"{app.name}'s memory is critical"
        return Ailment("HighMemory", "restart", why, memory.critical_since or app.usage_at)
    return None


def out_of_memory(app: AppState) -> bool:
    """Its memory is critical and has been for long enough.

    Asked of the samples and not of the alert: that one is held after a restart until it has been calm for a
    while, and for longer when it flaps.
    """
    memory = app.kept.alerts.get("HighMemory")
    if memory is None or memory.critical_since is None or app.usage is None or not runs(app):
        return False
    return bool(app.usage_at >= memory.critical_since + app.config.memory.for_)


def hold(app: AppState, ill: Ailment, view: View) -> Hold | None:
    """Why edged must not act now; ``None``: it may."""
    now, kept = view.now, app.kept
    if not app.config.restart.enabled:
        return Hold("edged only observes this app")
    if view.state.stopping:
        return Hold()
    if kept.maintenance is not None and now < kept.maintenance.until:
        return Hold(f"in maintenance by {kept.maintenance.owner}", kept.maintenance.until)
    if kept.isolation is not None:
        return Hold(f"isolated by {kept.isolation.by}")
    if not view.state.engine.up:
        return Hold("the container engine does not answer")
    if kept.deployment is not None and kept.deployment.phase in TOUCHING:
        return Hold(f"a deployment is under way ({kept.deployment.phase})")
    if waits_for_stop(app, now):
        return Hold("", app.suspect_until)
    left_to = _left_to_others(app, now) if ill.remedy == "start" else _being_stopped(app, now)
    if left_to is not None:
        return left_to
    waiting = needs.unmet(app, ill.name, view)
    return Hold(waiting.reason, waiting.until) if waiting is not None else None


def _being_stopped(app: AppState, now: float) -> Hold | None:
    """What somebody is just stopping does not answer any more, and is not to be restarted for that."""
    if app.kill_at is None or now >= app.kill_at + STOPPING:
        return None
    return Hold("", app.kill_at + STOPPING)


def _left_to_others(app: AppState, now: float) -> Hold | None:
    """Somebody else is about to start it: who created it, or Docker by its own restart policy."""
    if app.container is not None and app.container.status == "created" and not app.kept.recovery.attempts:
        until = app.condition_since + CREATED_GRACE
        return Hold("", until) if now < until else None
    if not engine_restarts_it(app):
        return None
    died_at = app.died_at if app.died_at is not None else app.condition_since
    until = died_at + app.config.restart.policy_grace
    if now < until:
        return Hold("", until)
    # Docker waits longer from try to try, up to a minute, and an event does not tell whether it still tries: a look
    # at the container does. After a signal through the engine it does not try.
    seen_down = app.died_at is None or app.seen_at > app.died_at or was_signalled(app, app.died_at)
    return None if seen_down else Hold()


def excused(app: AppState, view: View) -> bool:
    """What the engine, the host or a dependency did spends no budget of the app's."""
    by_engine = app.kept.excused and app.kept.recovery.episode < EXCUSED_ATTEMPTS
    return by_engine or bool(needs.failing(app, view))
