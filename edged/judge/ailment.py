"""What ails an app, and whether edged may help it now."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..vocabulary.deployments import TOUCHING
from ..vocabulary.state import AppState, Stopped
from . import drilled, needs
from .memory import out_of_memory
from .outcome import View
from .run import engine_restarts_it, runs, waits_for_stop, was_signalled
from .runbooks import permission
from .runbooks.scene import scene

CREATED_GRACE = 30.0
"""Seconds for which a container that was created is left to whoever created it, to be started."""
STOPPING = 30.0
"""Seconds after a signal through the engine within which an app may be ending."""
BY_RUNBOOK = "edged, by a runbook"
"""Whose stop it is."""
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
    """What ails the app, if a start or restart might cure it; or what a runbook wants."""
    if app.kept.wanted is not None and (wanted := asked(app)) is not None:
        return wanted
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


def asked(app: AppState) -> Ailment | None:
    """What a runbook wants of the recovery, beside what ails the app by itself."""
    wanted = app.kept.wanted
    if wanted is None or wanted.remedy == "capture" or app.condition in ("unknown", "missing", "restarting", "paused"):
        return None
    remedy: str = wanted.remedy
    if remedy == "stop":
        return Ailment(wanted.alert, remedy, wanted.reason, wanted.since) if runs(app) else None
    if app.condition == "stopped" and not (app.kept.stopped is not None and app.kept.stopped.by == BY_RUNBOOK):
        return None
    return Ailment(wanted.alert, "restart" if runs(app) else "start", wanted.reason, wanted.since)


def as_wanted(app: AppState, ill: Ailment, now: float) -> AppState:
    """What a runbook wanted is being done now, once."""
    if app.kept.wanted is None or asked(app) != ill:
        return app
    stopped = Stopped(by=BY_RUNBOOK, at=now) if ill.remedy == "stop" else None
    return replace(app, kept=replace(app.kept, wanted=None, stopped=stopped))


def hands_off(app: AppState, view: View) -> Hold | None:
    """Why edged must do nothing to the app by itself now, whatever ails it; ``None``: it may."""
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
    if kept.data.holds and not kept.data.looking:
        return Hold(kept.data.holds)
    return None


def hold(app: AppState, ill: Ailment, view: View) -> Hold | None:
    """Why edged must not act now; ``None``: it may."""
    now = view.now
    off = hands_off(app, view)
    if off is not None:
        return off
    if waits_for_stop(app, now):
        return Hold("", app.suspect_until)
    if drilled.holds(app):
        return Hold()
    left_to = _left_to_others(app, now) if ill.remedy == "start" else _being_stopped(app, now)
    if left_to is not None:
        return left_to
    if app.kept.wanted is None or asked(app) != ill:
        steps = ("start", "restart") if ill.remedy == "start" else (ill.remedy,)
        no = permission.refused(scene(view.state, view.config, now, ill.name, app.name, app), steps)
        if no:
            return Hold(no)
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
    return by_engine or drilled.exempt(app) or bool(needs.failing(app, view))
