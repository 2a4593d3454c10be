"""Facts about containers and the engine's events, taken into the state."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import App, Config
from ..vocabulary.events import Event
from ..vocabulary.facts import ContainerChanged, ContainerInspected, ContainersListed
from ..vocabulary.state import AppState, EngineState, Kept, State
from ..vocabulary.world import Container, ContainerStatus
from . import absence, run
from .identity import assign, discovered_app, discovers, owner, selects
from .leaving import recalled, under_way
from .mending import mended
from .outcome import Judgement
from .reconcile import reconcile
from .vanished import farewell

FORGET_DISCOVERED = 600.0
"""Seconds after which a discovered app without a container is no app any more."""
CLOCK_GRAIN = 0.001
RETOLD = 2.0
"""Seconds by which the times of one death may differ: as it was seen, and as the engine tells another run of it."""


def listed(state: State, fact: ContainersListed, config: Config, now: float) -> Judgement:
    """Reconciles with the full list: events may have been missed, or edged has just started."""
    found = assign(state.apps.values(), fact.containers)
    outage = not state.engine.listed
    apps: dict[str, AppState] = {}
    for name, app in state.apps.items():
        if name not in found and _forgotten(app, now):
            continue
        apps[name] = reconcile(app, found.get(name), config, fact.at, outage=outage)
    taken = {c.id for c in found.values()}
    free = [c for c in fact.containers if c.id not in taken]
    coming = {discovered_app(config, c)[0] for c in free if discovers(config, c.labels)}
    for name, kept in state.remembered.items():
        if name not in apps and name not in coming and under_way(kept):
            mine = next((c for c in free if c.id == kept.container_id), None)
            apps[name] = reconcile(recalled(name, kept, mine, now), mine, config, fact.at)
            taken |= {mine.id} if mine is not None else set()
    for container in fact.containers:
        if container.id in taken or not discovers(config, container.labels):
            continue
        name, app_config, problems = discovered_app(config, container)
        if name not in apps:
            fresh = discover(name, app_config, problems, state.remembered.get(name, Kept()), now)
            apps[name] = reconcile(fresh, container, config, fact.at)
    engine = state.engine if state.engine.listed else replace(state.engine, listed=True)
    new = replace(state, apps=apps, remembered={}, engine=engine)
    new = absence.forgive(new) if outage else new
    return Judgement(new, events=farewell(state, new, now), touched=tuple(apps))


def _forgotten(app: AppState, now: float) -> bool:
    missing = app.discovered and app.condition == "missing" and app.kept.isolation is None
    return missing and now >= app.condition_since + FORGET_DISCOVERED


def discover(name: str, config: App, problems: tuple[str, ...], kept: Kept, now: float) -> AppState:
    """An app that nobody configured, with what is remembered of it."""
    return AppState(name=name, config=config, discovered=True, problems=problems, condition_since=now, kept=kept)


def inspected(state: State, fact: ContainerInspected, config: Config, now: float) -> Judgement:
    """Full details of one container."""
    seen = fact.container
    app = owner(state.apps, seen.id)
    if app is None or app.container is None:
        return _adopt(state, seen, config, fact.at)
    app, events = mended(app, "containers", fact.at)
    if app.seen_at > fact.at:
        app = replace(app, container=_details(app, seen, fact.at))
    else:
        app = reconcile(app, seen, config, fact.at)
    return _with(state, app, events)


def _details(app: AppState, seen: Container, at: float) -> Container:
    """From an inspection that is older than the last event: only what the event cannot have changed."""
    known = app.container
    assert known is not None
    lasting = replace(
        known,
        restart_policy=seen.restart_policy if seen.restart_policy is not None else known.restart_policy,
        created_at=seen.created_at if seen.created_at is not None else known.created_at,
        image_id=seen.image_id or known.image_id,
    )
    same_run = (app.started_at or 0.0) <= at and (app.died_at or 0.0) <= at
    if not same_run or known.status not in run.RUNS or seen.status not in run.RUNS:
        return lasting
    return replace(lasting, pid=seen.pid, started_at=seen.started_at)


def changed(state: State, fact: ContainerChanged, config: Config, now: float) -> Judgement:
    """One message of the event stream."""
    if fact.action in ("kill", "stop") and _by_engine(state.engine, fact.at):
        return Judgement(state)
    app = owner(state.apps, fact.id)
    if app is None:
        recalled = _recalled(state, fact)
        if fact.action not in ("create", "start"):
            return recalled
        state = recalled.state
        status: ContainerStatus = "running" if fact.action == "start" else "created"
        container = Container(
            id=fact.id, name=fact.name, status=status, image=fact.image, labels=fact.labels, health="none"
        )
        return _adopt(state, container, config, fact.at)
    if fact.at < app.known_since and not run.runs(app):
        # It was still on its way when a list already showed what came of it.
        known = _with(state, _told_late(app, fact))
        return replace(known, state=absence.forgive(known.state), touched=tuple(state.apps))
    if _stale(app, fact):
        return Judgement(state)
    missed = not state.engine.listed  # the stream begins with it
    new = apply(app, fact, away=state.engine.up is False, retold=missed)
    if missed:
        new = absence.told(new, fact.action, fact.time)
    return _with(state, run.doubted(new) if state.stopping else new)


def _by_engine(engine: EngineState, at: float) -> bool:
    """An engine that died hard stops what it finds still running when it comes up again, before it answers.

    Nobody else can have stopped anything while it did not.
    """
    return engine.lost_at is not None and at >= engine.lost_at and (not engine.up or at <= engine.since)


def _recalled(state: State, fact: ContainerChanged) -> Judgement:
    """An app whose container has not been looked at yet in this run is known by the id that it had in the last one."""
    for app in state.apps.values():
        if app.container is None and not app.sought and app.kept.container_id == fact.id:
            return _with(state, _told_late(app, fact))
    for name, kept in state.remembered.items():
        if kept.container_id == fact.id:
            told = _told_late(AppState(name=name, config=App(), kept=kept), fact).kept
            return Judgement(replace(state, remembered={**state.remembered, name: told}))
    return Judgement(state)


def _told_late(app: AppState, fact: ContainerChanged) -> AppState:
    return absence.told(run.recalled(app, fact.action, fact.at), fact.action, fact.time)


def _stale(app: AppState, fact: ContainerChanged) -> bool:
    """It is older than what is known. What only adds to the story (signals, OOM kills, a stop) is never too late."""
    container = app.container
    assert container is not None
    if fact.action in ("kill", "oom"):
        return False
    if fact.action == "stop" and container.status not in run.RUNS:
        return False
    if fact.at < app.seen_at:
        return True
    # The engine tells again what was missed, by its own clock: the end of a run before the present one.
    ended_before = fact.time > 0.0 and container.started_at is not None
    return (
        fact.action in ("die", "stop")
        and ended_before
        and container.status in run.RUNS
        and fact.time < (container.started_at or 0.0) - CLOCK_GRAIN
    )


def _adopt(state: State, container: Container, config: Config, at: float) -> Judgement:
    """A container that no app has yet: an app may have been waiting for it, or it is one by itself."""
    meant = [a for a in state.apps.values() if selects(a.name, a.config, container.name, container.labels)]
    for app in meant:
        current = app.container
        alive = current is not None and current.status in (*run.RUNS, "restarting")
        # One that is merely created does not push out the one before: it may take a while until that is stopped.
        if not alive and (current is None or container.status in run.RUNS):
            bound = run.bind(app, container, config, at)
            return _with(state, run.started(bound, at) if container.status == "running" else bound)
    if meant or not discovers(config, container.labels):
        return Judgement(state)
    name, app_config, problems = discovered_app(config, container)
    if name in state.apps:
        return Judgement(state)
    fresh = discover(name, app_config, problems, state.remembered.get(name, Kept()), at)
    bound = run.bind(fresh, container, config, at)
    return _with(state, run.started(bound, at) if container.status == "running" else bound)


def apply(app: AppState, fact: ContainerChanged, *, away: bool = False, retold: bool = False) -> AppState:
    """What one event of its container makes of an app. ``away``: the last words of an engine that is gone already.
    ``retold``: the engine's history, of which the run before may have counted the last moments."""
    container, at = app.container, fact.at
    assert container is not None
    match fact.action:
        case "start":
            health = "starting" if container.health != "none" else "none"
            running = replace(
                container, status="running", health=health, exit_code=None, oom_killed=False, pid=None, started_at=None
            )
            return run.started(replace(app, container=running, seen_at=at), at)
        case "die":
            if container.status in run.RUNS:
                ended = replace(container, status="exited", exit_code=fact.exit_code, pid=None)
                counted = retold and any(abs(at - death) < RETOLD for death in app.kept.deaths)
                return run.died(replace(app, container=ended, seen_at=at), at, counts=not away and not counted)
            return replace(app, container=replace(container, exit_code=fact.exit_code))
        case "kill":
            return run.signalled(app, at, fact.signal)
        case "stop":
            return app if away else run.stopped(app, at)
        case "oom":
            return replace(app, oom_at=at)
        case "pause":
            return replace(app, container=replace(container, status="paused"), seen_at=at)
        case "unpause":
            return run.resumed(replace(app, container=replace(container, status="running")), at)
        case "destroy":
            return run.gone(app, at)
        case "health_status":
            return replace(app, container=replace(container, health=fact.health), seen_at=at)
        case "rename":
            if selects(app.name, app.config, fact.name, container.labels):
                return replace(app, container=replace(container, name=fact.name))
            return run.gone(app, at)
        case _:
            return app


def _with(state: State, app: AppState, events: tuple[Event, ...] = ()) -> Judgement:
    return Judgement(replace(state, apps={**state.apps, app.name: app}), events=events, touched=(app.name,))
