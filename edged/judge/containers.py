"""Facts about containers and the engine's events, taken into the state."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import App, Config
from ..vocabulary.facts import ContainerChanged, ContainerInspected, ContainersListed
from ..vocabulary.state import AppState, Cpu, Kept, State, Stopped, Streak, Trend
from ..vocabulary.world import Container, ContainerStatus
from .budget import within
from .identity import configured, discovered_app, discovers, owner, pick, selects
from .outcome import Judgement

STOP_GRACE = 1.0
"""Seconds between a death that follows a signal and the engine's word that it was a stop."""
KILL_MEMORY = 120.0
"""Seconds for which a signal explains a death: a slow stop has its whole time-out in between."""
FORGET_DISCOVERED = 600.0
"""Seconds after which a discovered app without a container is no app any more."""
DEATHS_KEPT = 3600.0


def listed(state: State, fact: ContainersListed, config: Config, now: float) -> Judgement:
    """Reconciles with the full list: events may have been missed, or edged has just started."""
    apps: dict[str, AppState] = {}
    taken: set[str] = set()
    for name, app in state.apps.items():
        found = pick(name, app.config, app.container.id if app.container else "", fact.containers)
        if found is not None:
            taken.add(found.id)
        elif app.discovered and now - app.condition_since > FORGET_DISCOVERED and app.condition == "missing":
            continue
        apps[name] = reconcile(app, found, config, fact.at)
    for container in fact.containers:
        if container.id in taken or not discovers(config, container.labels):
            continue
        name, app_config, problems = discovered_app(config, container)
        if name in apps:
            continue
        fresh = discover(state, name, app_config, problems, now)
        apps[name] = reconcile(fresh, container, config, fact.at)
    engine = state.engine if state.engine.listed else replace(state.engine, listed=True)
    return Judgement(replace(state, apps=apps, remembered={}, engine=engine), touched=tuple(apps))


def discover(state: State, name: str, config: App, problems: tuple[str, ...], now: float) -> AppState:
    """An app that nobody configured, with what the run before remembered of it."""
    return AppState(
        name=name,
        config=config,
        discovered=True,
        problems=problems,
        condition_since=now,
        kept=state.remembered.get(name, Kept()),
    )


def reconcile(app: AppState, found: Container | None, config: Config, at: float) -> AppState:
    """The app as the list of time ``at`` shows it. Events seen since then are newer and win."""
    if app.seen_at > at:
        return app
    known = app.container
    if found is None:
        return replace(app, container=None, seen_at=at) if known is not None else app
    if known is None or known.id != found.id:
        return bind(app, found, config, at)
    merged = merge(known, found)
    if merged == known:
        return app
    if known.status in ("running", "paused") and merged.status in ("exited", "dead", "restarting"):
        return died(replace(app, container=merged, seen_at=at), at)
    if known.status != "running" and merged.status == "running":
        if known.status == "paused":
            return replace(app, container=merged, seen_at=at, kept=replace(app.kept, paused_by_edged=False))
        return started(replace(app, container=merged, seen_at=at), at)
    return replace(app, container=merged, seen_at=at)


def merge(known: Container, seen: Container) -> Container:
    """What was seen now, completed with what only an inspect tells."""
    return replace(
        seen,
        restart_policy=seen.restart_policy if seen.restart_policy is not None else known.restart_policy,
        pid=seen.pid if seen.pid is not None else known.pid,
        started_at=seen.started_at if seen.started_at is not None else known.started_at,
        created_at=seen.created_at if seen.created_at is not None else known.created_at,
        oom_killed=seen.oom_killed or (known.oom_killed and seen.status != "running"),
        exit_code=seen.exit_code if seen.exit_code is not None else known.exit_code,
        image=seen.image or known.image,
        image_id=seen.image_id or known.image_id,
    )


def bind(app: AppState, container: Container, config: Config, at: float) -> AppState:
    """The app has this container from now on; its budgets stay, since a recreated container is the same app."""
    app_config, problems = app.config, app.problems
    if app.name in config.apps:
        app_config, problems = configured(config, app.name, container)
    elif app.discovered:
        _, app_config, problems = discovered_app(config, container)
    kept = app.kept
    if kept.container_id != container.id:
        kept = replace(kept, container_id=container.id, paused_by_edged=False)
        if container.status == "running":
            kept = replace(kept, stopped=None)
    elif container.status == "running" and kept.stopped is not None:
        kept = replace(kept, stopped=None)
    return replace(
        app,
        container=container,
        seen_at=at,
        config=app_config,
        problems=problems,
        kept=kept,
        started_at=None,
        died_at=None,
        kill_at=None,
        probe=Streak(),
        usage=None,
        cpu=Cpu(),
        trend=Trend(),
    )


def started(app: AppState, at: float) -> AppState:
    kept = app.kept
    if kept.stopped is not None or kept.paused_by_edged:
        kept = replace(kept, stopped=None, paused_by_edged=False)
    return replace(
        app,
        started_at=at,
        died_at=None,
        kill_at=None,
        suspect_until=0.0,
        probe=Streak(),
        usage=None,
        cpu=Cpu(),
        trend=Trend(),
        kept=kept,
    )


def died(app: AppState, at: float) -> AppState:
    """A container ended. After a signal through the engine it may be a stop on purpose: that is known soon."""
    suspect = app.kill_at is not None and at - app.kill_at < KILL_MEMORY and not mine(app)
    deaths = app.kept.deaths
    if not mine(app):
        deaths = (*within(deaths, at, DEATHS_KEPT)[-19:], at)
    return replace(
        app,
        died_at=at,
        suspect_until=at + STOP_GRACE if suspect else 0.0,
        probe=Streak(),
        kept=replace(app.kept, deaths=deaths),
    )


def mine(app: AppState) -> bool:
    """An action of edged is under way on this app: its deaths and stops are edged's own."""
    return app.kept.recovery.phase == "acting"


def inspected(state: State, fact: ContainerInspected, config: Config, now: float) -> Judgement:
    """Full details of one container. Status and health come from events and lists, which are never older."""
    app = owner(state.apps, fact.container.id)
    if app is None or app.container is None:
        return _adopt(state, fact.container, config, fact.at)
    seen = fact.container
    if app.seen_at > fact.at:
        seen = replace(
            seen, status=app.container.status, health=app.container.health, exit_code=app.container.exit_code
        )
    new = reconcile(replace(app, seen_at=min(app.seen_at, fact.at)), seen, config, fact.at)
    return _with(state, new)


def changed(state: State, fact: ContainerChanged, config: Config, now: float) -> Judgement:
    """One message of the event stream."""
    app = owner(state.apps, fact.id)
    if app is None:
        if fact.action not in ("create", "start"):
            return Judgement(state)
        status: ContainerStatus = "running" if fact.action == "start" else "created"
        container = Container(
            id=fact.id, name=fact.name, status=status, image=fact.image, labels=fact.labels, health="none"
        )
        return _adopt(state, container, config, fact.at)
    if fact.at < app.seen_at and fact.action not in ("stop", "kill"):
        return Judgement(state)
    return _with(state, apply(app, fact))


def _adopt(state: State, container: Container, config: Config, at: float) -> Judgement:
    """A container that no app has yet: an app may have been waiting for it, or it is one by itself."""
    for app in state.apps.values():
        if selects(app.name, app.config, container.name, container.labels):
            current = app.container
            if current is not None and current.status == "running":
                return Judgement(state)
            bound = bind(app, container, config, at)
            return _with(state, started(bound, at) if container.status == "running" else bound)
    if not discovers(config, container.labels):
        return Judgement(state)
    name, app_config, problems = discovered_app(config, container)
    if name in state.apps:
        return Judgement(state)
    fresh = discover(state, name, app_config, problems, at)
    return _with(state, bind(fresh, container, config, at))


def apply(app: AppState, fact: ContainerChanged) -> AppState:
    """What one event of its container makes of an app."""
    container, at = app.container, fact.at
    assert container is not None
    match fact.action:
        case "start":
            health = "starting" if container.health != "none" else "none"
            running = replace(container, status="running", health=health, exit_code=None, oom_killed=False)
            return started(replace(app, container=running, seen_at=at), at)
        case "die":
            if container.status == "running" or container.status == "paused":
                ended = replace(container, status="exited", exit_code=fact.exit_code, pid=None)
                return died(replace(app, container=ended, seen_at=at), at)
            return replace(app, container=replace(container, exit_code=fact.exit_code), seen_at=at)
        case "kill":
            return replace(app, kill_at=at)
        case "stop":
            return _stopped(app, at)
        case "oom":
            return replace(app, oom_at=at, seen_at=at)
        case "pause":
            return replace(app, container=replace(container, status="paused"), seen_at=at)
        case "unpause":
            running = replace(container, status="running")
            return replace(app, container=running, seen_at=at, kept=replace(app.kept, paused_by_edged=False))
        case "destroy":
            return replace(app, container=None, seen_at=at, suspect_until=0.0)
        case "health_status":
            return replace(app, container=replace(container, health=fact.health), seen_at=at)
        case "rename":
            return replace(app, container=None, seen_at=at) if fact.name != container.name else app
        case _:
            return app


def _stopped(app: AppState, at: float) -> AppState:
    """The engine says that it was stopped, not that it died."""
    assert app.container is not None
    if mine(app) or app.kept.stopped is not None or app.container.status == "running":
        return app
    deaths = tuple(t for t in app.kept.deaths if app.died_at is None or t < app.died_at)
    kept: Kept = replace(app.kept, stopped=Stopped(by="a person, with docker stop", at=at), deaths=deaths)
    return replace(app, kept=kept, suspect_until=0.0)


def _with(state: State, app: AppState) -> Judgement:
    return Judgement(replace(state, apps={**state.apps, app.name: app}), touched=(app.name,))
