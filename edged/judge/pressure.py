"""When the host runs out of memory: pause what matters least, and let it go on when there is room again.

Pausing frees nothing by itself, but it ends the growth at once and loses nothing: the kernel can reclaim the
paused app's file pages, and everything goes on where it stood.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.actions import Action, PauseContainer, UnpauseContainer
from ..vocabulary.events import ActionStarted
from ..vocabulary.state import AppState, State
from .outcome import Judgement, View
from .recovery import next_id

TIMEOUT = 15.0


def relieve(state: State, config: Config, now: float) -> Judgement:
    """Pauses one more app, or lets one go on; at most one in ``host.memory.for``."""
    rules = config.host
    alert = state.host.alerts.get("HighMemory")
    critical = alert is not None and alert.severity == "critical" and alert.calm_since is None
    if now - state.host.paused_at < rules.memory.for_ or not state.engine.up or state.stopping:
        return Judgement(state)
    if critical and rules.pressure.pause:
        return _do(state, config, now, to_pause(state), pause=True)
    if alert is None or alert.severity is None:
        return _do(state, config, now, to_unpause(state), pause=False)
    return Judgement(state)


def to_pause(state: State) -> AppState | None:
    """The running app with the highest priority number, as long as a more important one is left running."""
    able = [a for a in state.apps.values() if a.container is not None and a.container.status == "running"]
    if not able:
        return None
    vital = min(a.config.priority for a in able)
    candidates = [
        a
        for a in able
        if a.config.priority > vital
        and a.config.restart.enabled
        and a.kept.maintenance is None
        and a.kept.recovery.phase == "idle"
    ]
    return max(candidates, key=lambda a: (a.config.priority, a.usage.memory if a.usage else 0), default=None)


def to_unpause(state: State) -> AppState | None:
    paused = [a for a in state.apps.values() if a.kept.paused_by_edged]
    return min(paused, key=lambda a: a.config.priority, default=None)


def _do(state: State, config: Config, now: float, app: AppState | None, *, pause: bool) -> Judgement:
    if app is None or app.container is None:
        return Judgement(state)
    container_id = app.container.id
    app, action_id = next_id(app, View(state, config, now))
    app = replace(app, kept=replace(app.kept, paused_by_edged=True))
    action: Action
    if pause:
        reason = "the host's memory is critical and this app has the highest priority number"
        action = PauseContainer(
            id=action_id, subject=app.name, reason=reason, timeout=TIMEOUT, container_id=container_id
        )
    else:
        reason = "the host has memory again"
        action = UnpauseContainer(
            id=action_id, subject=app.name, reason=reason, timeout=TIMEOUT, container_id=container_id
        )
    told = ActionStarted(subject=app.name, action_id=action_id, action=type(action).__name__, reason=reason)
    new = replace(state, apps={**state.apps, app.name: app}, host=replace(state.host, paused_at=now))
    return Judgement(new, (action,), (told,), (app.name,))
