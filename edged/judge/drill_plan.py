"""Drills by themselves, ``drills.every``: spread over the devices and apps, within the hours that were given."""

from __future__ import annotations

import zlib

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.drills import DrillKind
from ..vocabulary.state import AppState, State
from . import drill
from .drill_guard import refused
from .outcome import Judgement, View

DAY = 86400.0
ORIGIN = "schedule"
EARLY = 0.9
"""Share of ``every`` after which the next one is due: it then waits for its moment within the window."""
LATEST = 0.8
"""Share of the window within which that moment lies: a drill takes its time."""


def look(state: State, config: Config, now: float) -> Judgement:
    """Begins the drill that is due, if the moment allows it. The first one comes within the first ``every``."""
    rules = config.drills
    if rules.every <= 0.0 or state.stopping or not state.apps:
        return Judgement(state)
    state = _planned(state, config, now)
    due = sorted((a for a in state.apps.values() if 0.0 < a.kept.drill_due <= now), key=lambda a: a.kept.drill_due)
    for app in due:
        if not _within(state, rules.window, _spread(config, app.name, str(app.kept.drill_turn)), now):
            continue
        kind = next_kind(app, rules.kinds)
        if refused(app, kind, View(state, config, now)) is None:
            return _begin(state, config, app, kind, now)
    return Judgement(state)


def next_kind(app: AppState, kinds: tuple[DrillKind, ...]) -> DrillKind:
    """In turn; what can never be done to this app is passed over, as far as that is known."""
    able = [kind for kind in kinds if _able(app, kind)] or list(kinds)
    return able[app.kept.drill_turn % len(able)]


def _able(app: AppState, kind: DrillKind) -> bool:
    health = bool(app.config.health.http or app.config.health.tcp)
    docker = app.container is not None and app.container.health != "none"
    match kind:
        case "hang":
            return health or docker
        case "unhealthy":
            return health
        case "oom":
            return app.usage is not None and app.usage.memory_limit is not None
        case "bad-model":
            return "model" in app.kept.placed and bool(app.kept.placed["model"].current.digest)
    return True


def _planned(state: State, config: Config, now: float) -> State:
    """Every app has its time."""
    every = config.drills.every
    apps = dict(state.apps)
    for name, app in state.apps.items():
        wanted = app.config.drills and not app.leaving
        if wanted and not 0.0 < app.kept.drill_due <= now + 1.2 * every:
            apps[name] = replace(app, kept=replace(app.kept, drill_due=now + every * _spread(config, name, "")))
        elif not wanted and app.kept.drill_due:
            apps[name] = replace(app, kept=replace(app.kept, drill_due=0.0))
    return replace(state, apps=apps) if any(apps[n] is not a for n, a in state.apps.items()) else state


def _begin(state: State, config: Config, app: AppState, kind: DrillKind, now: float) -> Judgement:
    turn = app.kept.drill_turn + 1
    app = replace(app, kept=replace(app.kept, drill_due=now + EARLY * config.drills.every, drill_turn=turn))
    begun = drill.begin(app, kind, f"drill-{app.name}-{turn}", ORIGIN, View(state, config, now))
    return Judgement(replace(state, apps={**state.apps, app.name: begun.app}), begun.actions, begun.events, (app.name,))


def _spread(config: Config, name: str, turn: str) -> float:
    """0 … 1, always the same for the same: a fleet is not drilled at one moment."""
    return zlib.crc32(f"{config.device.id}/{name}/drill/{turn}".encode()) / 0xFFFFFFFF


def _within(state: State, window: str, spread: float, now: float) -> bool:
    """By the host's own clock, in UTC: a judge knows of no time zone. Without a sample nobody knows what time it is."""
    sample = state.host.sample
    if sample is None:
        return False
    begin, _, end = window.partition("-")
    first, length = _seconds(begin), (_seconds(end) - _seconds(begin)) % DAY
    into = (sample.wall + (now - state.host.sampled_at) - first) % DAY
    return LATEST * spread * length <= into < length


def _seconds(text: str) -> float:
    hours, _, minutes = text.partition(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
