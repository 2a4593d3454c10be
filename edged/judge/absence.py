"""Ends that edged is told of after it was away: a person's doing, or an engine's that died and came up meanwhile.

Such an engine stops what it finds running, and tells of that as of any stop. A person who stops an app leaves others
running; whoever stops several at once while edged is away, and leaves none, cannot be told from the engine.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.state import AppState, State
from . import run

TOGETHER = 30.0
"""Seconds within which an engine that comes up has stopped all that it found."""


def told(app: AppState, action: str, time: float) -> AppState:
    """The engine tells of what happened to it at Unix time ``time``."""
    if action not in ("die", "stop") or time <= 0.0:
        return app
    return replace(app, kept=replace(app.kept, ended_at=time))


def forgive(state: State) -> State:
    """Nobody's wish is taken for one. Asked when the containers are known, since survivors speak for a person."""
    ended = [a for a in state.apps.values() if a.kept.ended_at and (_by_hand(a) or a.kept.excused)]
    last = max((a.kept.ended_at for a in ended), default=0.0)
    together = [a for a in ended if a.kept.ended_at >= last - TOGETHER]
    survived = any(run.runs(a) and not a.kept.ended_at for a in state.apps.values())
    stopped = [a for a in together if _by_hand(a)]
    if len(together) < 2 or not stopped or survived or not state.engine.listed:
        return state
    freed = {a.name: replace(a, kept=replace(a.kept, stopped=None, excused=True)) for a in stopped}
    return replace(state, apps={**state.apps, **freed})


def _by_hand(app: AppState) -> bool:
    return app.kept.stopped is not None and app.kept.stopped.by == run.BY_HAND
