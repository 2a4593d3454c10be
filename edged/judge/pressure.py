"""When the host runs out of memory: pause what matters least, and let it go on when there is room again.

Pausing frees nothing by itself, but it ends the growth at once and loses nothing: the kernel can reclaim the
paused app's file pages, and everything goes on where it stood.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.state import AppState, State
from .outcome import Judgement, View
from .recovery import perform
from .runbooks import permission
from .runbooks.scene import scene

STEP = "pause_lower_priority"
"""Of runbooks: while one with it is at work for something else than the host's memory, what is paused stays so."""


def relieve(state: State, config: Config, now: float) -> Judgement:
    """Pauses one more app, or lets one go on; at most one in ``host.memory.for``."""
    rules = config.host
    alert = state.host.alerts.get("HighMemory")
    critical = alert is not None and alert.severity == "critical" and alert.calm_since is None
    if now < state.host.paused_at + rules.memory.for_ or not state.engine.up or state.stopping:
        return Judgement(state)
    if critical and rules.pressure.pause:
        if permission.refused(scene(state, config, now, "HighMemory", "host"), (STEP,)):
            return Judgement(state)
        why = "the host's memory is critical and this app has the highest priority number"
        return _do(state, config, now, to_pause(state), "pause", why)
    elsewhere = any(STEP in run.reached for run in state.runs.values() if run.subject != "host")
    if (alert is None or alert.severity is None or not rules.pressure.pause) and not elsewhere:
        return _do(state, config, now, to_unpause(state), "unpause", "the host has memory again")
    return Judgement(state)


def pause_one(state: State, config: Config, now: float, why: str, *, spare: str) -> Judgement:
    """Pauses one app for a runbook's step. ``spare``: an app that it is to help."""
    if not state.engine.up or state.stopping:
        return Judgement(state)
    return _do(state, config, now, to_pause(state, spare=spare), "pause", why)


def _free(app: AppState) -> bool:
    """edged may act on it by itself, and nothing is under way."""
    return app.kept.maintenance is None and app.kept.recovery.phase == "idle" and app.kept.drill is None


def to_pause(state: State, *, spare: str = "") -> AppState | None:
    """The running app with the highest priority number, as long as a more important one is left running."""
    able = [a for a in state.apps.values() if a.container is not None and a.container.status == "running"]
    # What edged only observes may be less important than it says, so it does not count.
    managed = [a for a in able if a.config.restart.enabled]
    vital = min((a.config.priority for a in managed), default=0)
    candidates = [
        a for a in managed if a.config.priority > vital and _free(a) and a.kept.stopped is None and a.name != spare
    ]
    return max(candidates, key=lambda a: (a.config.priority, a.usage.memory if a.usage else 0), default=None)


def to_unpause(state: State) -> AppState | None:
    """Of those that edged paused, the most important one. What was its own doing it undoes in any case."""
    paused = [
        a
        for a in state.apps.values()
        if a.kept.paused_by_edged and a.container is not None and a.container.status == "paused" and _free(a)
    ]
    return min(paused, key=lambda a: a.config.priority, default=None)


def _do(state: State, config: Config, now: float, app: AppState | None, remedy: str, why: str) -> Judgement:
    if app is None:
        return Judgement(state)
    if remedy == "pause":
        app = replace(app, kept=replace(app.kept, paused_by_edged=True))
    done = perform(app, remedy, why, View(state, config, now))
    new = replace(state, apps={**state.apps, app.name: done.app}, host=replace(state.host, paused_at=now))
    return Judgement(new, done.actions, done.events, (app.name,))
