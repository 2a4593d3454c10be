"""edged itself: start, stop, configuration, broker, storage."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import (
    ConfigRefused,
    ConfigReloaded,
    EdgedStarted,
    EdgedStopping,
    EventsDropped,
    StorageTrouble,
)
from ..vocabulary.facts import (
    BrokerSeen,
    ConfigLoaded,
    ConfigRejected,
    SpoolDropped,
    Started,
    StopRequested,
    StorageSeen,
)
from ..vocabulary.state import AppState, DependencyState, State, Streak
from .identity import configured, selects
from .outcome import Judgement


def started(state: State, fact: Started, config: Config, now: float) -> Judgement:
    """First fact of a run. After a reboot nothing that is down was stopped by a person."""
    apps = state.apps
    if fact.host_rebooted:
        apps = {n: replace(a, kept=replace(a.kept, excused=a.kept.stopped is None)) for n, a in apps.items()}
    told = EdgedStarted(
        subject="edged",
        boot=fact.boot,
        version=fact.version,
        previous_end=fact.previous_end,
        host_rebooted=fact.host_rebooted,
    )
    new = replace(state, boot=fact.boot, started_at=fact.at, previous_end=fact.previous_end, apps=apps, stopping=False)
    return Judgement(new, events=(told,))


def stopping(state: State, fact: StopRequested, config: Config, now: float) -> Judgement:
    return Judgement(replace(state, stopping=True), events=(EdgedStopping(subject="edged", reason=fact.reason),))


def config_loaded(state: State, fact: ConfigLoaded, config: Config, now: float) -> Judgement:
    """Puts a configuration in force. What did not change keeps its streaks, budgets and alerts."""
    apps: dict[str, AppState] = {}
    for name in config.apps:
        old = state.apps.get(name)
        apps[name] = _configure(name, old, config, now)
    for name, app in state.apps.items():
        if name not in apps and app.discovered and not _claimed(app, config):
            apps[name] = app
    dependencies = {name: state.dependencies.get(name, DependencyState(name)) for name in config.dependencies}
    first = not state.config.digest
    told = ConfigReloaded(subject="edged", digest=fact.digest, path=fact.path, changed=fact.changed)
    record = replace(
        state.config,
        digest=fact.digest,
        path=fact.path,
        loaded_at=fact.at,
        errors=(),
        reloads=state.config.reloads + (not first),
    )
    new = replace(state, apps=apps, dependencies=dependencies, config=record)
    return Judgement(new, events=() if first else (told,), touched=tuple(apps))


def _claimed(app: AppState, config: Config) -> bool:
    """An app of the file means this discovered app's container now."""
    c = app.container
    return c is not None and any(selects(n, a, c.name, c.labels) for n, a in config.apps.items())


def _configure(name: str, old: AppState | None, config: Config, now: float) -> AppState:
    if old is None:
        return AppState(name=name, config=config.apps[name], condition_since=now)
    app_config, problems = configured(config, name, old.container)
    if app_config == old.config:
        return old if not old.discovered else replace(old, discovered=False)
    container = old.container
    if container is not None and not selects(name, app_config, container.name, container.labels):
        return replace(old, config=app_config, container=None, discovered=False, problems=problems)
    health_is_new = app_config.health != old.config.health
    return replace(
        old, config=app_config, problems=problems, discovered=False, probe=Streak() if health_is_new else old.probe
    )


def config_rejected(state: State, fact: ConfigRejected, config: Config, now: float) -> Judgement:
    """A bad file changes nothing but what is told about it."""
    record = replace(state.config, errors=fact.errors, refused=state.config.refused + 1)
    told = ConfigRefused(subject="edged", path=fact.path, errors=fact.errors)
    return Judgement(replace(state, config=record), events=(told,))


def broker_seen(state: State, fact: BrokerSeen, config: Config, now: float) -> Judgement:
    """No event of its own: an offline broker would fill the spool with the news that it is offline."""
    return Judgement(replace(state, broker=fact.connected, broker_detail=fact.detail, broker_since=fact.at))


def spool_dropped(state: State, fact: SpoolDropped, config: Config, now: float) -> Judgement:
    told = EventsDropped(subject="edged", first=fact.first, last=fact.last, count=fact.count, reason=fact.reason)
    return Judgement(state, events=(told,))


def storage_seen(state: State, fact: StorageSeen, config: Config, now: float) -> Judgement:
    if fact.error == state.storage_error:
        return Judgement(state)
    told = StorageTrouble(subject="edged", ok=fact.ok, error=fact.error)
    return Judgement(replace(state, storage_error=fact.error), events=(told,))
