"""edged itself: start, stop, configuration, broker, storage."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import App, Config
from ..vocabulary.events import (
    ConfigRefused,
    ConfigReloaded,
    EdgedStarted,
    EdgedStopping,
    Event,
    EventsDropped,
    KeysChanged,
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
from ..vocabulary.state import AppState, DependencyState, Kept, State, Streak
from ..vocabulary.trust import Authority
from . import disks, host, own_config, readout, reload, run, trusted_time
from .engine import SHUTDOWN
from .outcome import Judgement
from .resumed import resume
from .vanished import farewell


def started(state: State, fact: Started, config: Config, now: float) -> Judgement:
    """First fact of a run. After a reboot nothing that is down was stopped by a person."""
    apps, remembered = state.apps, state.remembered
    if fact.host_rebooted:
        apps = {n: replace(a, kept=_excused(a.kept)) for n, a in apps.items()}
        remembered = {n: _excused(k) for n, k in remembered.items()}
    else:
        apps = {n: run.doubted(a, unsure=False) for n, a in apps.items()}
    apps = {n: replace(a, kept=resume(a.kept, a.config, fact.at)) for n, a in apps.items()}
    remembered = {n: resume(k, App(), fact.at) for n, k in remembered.items()}
    told = EdgedStarted(
        subject="edged",
        boot=fact.boot,
        version=fact.version,
        previous_end=fact.previous_end,
        host_rebooted=fact.host_rebooted,
    )
    new = replace(
        state,
        boot=fact.boot,
        started_at=fact.at,
        started_wall=fact.wall,
        previous_end=fact.previous_end,
        apps=apps,
        remembered=remembered,
        stopping=False,
    )
    return Judgement(new, events=(told, *readout.interrupted(new)), touched=tuple(apps))


def _excused(kept: Kept) -> Kept:
    """The host went down with it, so getting it up again is no failure of the app, and is not put off."""
    if kept.stopped is not None and not kept.stopped.unsure:
        return kept
    return replace(kept, stopped=None, excused=True, recovery=replace(kept.recovery, episode=0, next_at=0.0))


def stopping(state: State, fact: StopRequested, config: Config, now: float) -> Judgement:
    """The host may be on its way down: then it stops the containers just as a person would."""
    apps = {n: run.doubted(a) if _just_stopped(a, now) else a for n, a in state.apps.items()}
    told = EdgedStopping(subject="edged", reason=fact.reason)
    return Judgement(replace(state, stopping=True, apps=apps), events=(told,))


def _just_stopped(app: AppState, now: float) -> bool:
    return app.kept.stopped is not None and app.kept.stopped.at > now - SHUTDOWN


def config_loaded(state: State, fact: ConfigLoaded, config: Config, now: float) -> Judgement:
    """Puts a configuration in force. What did not change keeps its streaks, budgets and alerts."""
    apps, actions = reload.apps(state, config, now)
    dependencies = {name: _dependency(state.dependencies.get(name), name, fact) for name in config.dependencies}
    first = not state.config.digest
    authority, keys = _keys(state, fact, first)
    forgotten = (FORGOTTEN,) if authority.damaged and config.commands.trust else ()
    told = ConfigReloaded(subject="edged", digest=fact.digest, path=fact.path, changed=fact.changed)
    record = replace(
        state.config,
        digest=fact.digest,
        path=fact.path,
        instead_of=fact.instead_of,
        loaded_at=fact.at,
        errors=forgotten,
        reloads=state.config.reloads + (not first),
    )
    host, unwatched = disks.unwatched(state.host, config, now)
    if forgotten:
        keys = (*keys, ConfigRefused(subject="edged", path=config.commands.trust, errors=forgotten))
    new = replace(state, apps=apps, dependencies=dependencies, config=record, host=host, authority=authority)
    left = own_config.resumed(new, fact) if first else Judgement(new, events=(told,))
    events: tuple[Event, ...] = (*left.events, *farewell(state, new, now), *unwatched, *keys)
    return Judgement(left.state, actions, events, touched=tuple(apps))


FORGOTTEN = (
    "no command is taken from the broker: what was remembered of keys cannot be read, so who was revoked is not known; "
    "take those out of the trust file, change its keys, then: systemctl reload edged"
)


def _keys(state: State, fact: ConfigLoaded, first: bool) -> tuple[Authority, tuple[Event, ...]]:
    """The keys of the trust file, which is read with the configuration."""
    authority = state.authority
    if fact.trusted == authority.file:
        return authority, ()
    changed = {key.id for key in {*authority.file} ^ {*fact.trusted}}
    told = KeysChanged(subject="edged", change="file", keys=tuple(sorted(changed)))
    if authority.damaged and not first:
        # Somebody on this device has gone through the file. Orders of before do not count: who knows which were done.
        authority = replace(authority, damaged=False, windows={}, not_before=trusted_time.present(state, fact.at))
    return replace(authority, file=fact.trusted), () if first else (told,)


def _dependency(old: DependencyState | None, name: str, fact: ConfigLoaded) -> DependencyState:
    """Answers of another address say nothing of the new one; what fires goes on until that has answered."""
    if old is None:
        return DependencyState(name)
    if any(path == f"dependencies.{name}" or path.startswith(f"dependencies.{name}.") for path in fact.changed):
        return replace(old, streak=Streak())
    return old


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
    # At once, for it may be over before the host is looked at the next time; whether it is, that look says.
    alerts, raised = host.read(state.host.alerts, host.storage(fact.error) if fact.error else (), config, now)
    new = replace(state, storage_error=fact.error, host=replace(state.host, alerts=alerts))
    return Judgement(new, events=(told, *raised))
