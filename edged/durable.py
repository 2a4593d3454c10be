"""Which part of the state survives a restart of edged, as bytes by key. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .config import Config
from .cut_short import again, interrupted, step_again, unattended
from .incident_book import KeptBook, opened, shut
from .vocabulary.incidents import Book, Incident
from .vocabulary.inputs import Inputs
from .vocabulary.logs import LogBook
from .vocabulary.runbooks import Run
from .vocabulary.state import (
    Alert,
    Answered,
    AppState,
    CommandState,
    ConfigState,
    DependencyState,
    EngineState,
    HostState,
    Kept,
    State,
    Trial,
)
from .vocabulary.trust import Authority, KnownTime, TrustedKey, Window


class KeptEngine(Struct, frozen=True):
    restarts: tuple[float, ...] = ()
    on_purpose: bool = False
    alerts: dict[str, Alert] = {}


class KeptAuthority(Struct, frozen=True):
    """All but the windows, which change with each command and have a key each."""

    added: tuple[TrustedKey, ...] = ()
    revoked: tuple[str, ...] = ()
    burnt: tuple[str, ...] = ()
    time: KnownTime = KnownTime()
    not_before: float = 0.0


class Ending(Struct, frozen=True):
    """How the last run stood: written at its start, and once more at its orderly end."""

    boot_id: str = ""
    clean: bool = False


_encode = msgspec.json.Encoder(order="deterministic").encode


def shown(alerts: Mapping[str, Alert]) -> dict[str, Alert]:
    """Firing alerts and those with a past; what is only pending begins anew after a restart."""
    return {
        name: replace(a, warn_since=None, critical_since=None, calm_since=None)
        for name, a in alerts.items()
        if a.severity is not None or a.changes
    }


def sections(state: State) -> dict[str, Any]:
    """The durable parts by key. Two states with the same object behind a key need no new write."""
    return _incidents(state) | _answers(state) | _others(state)


def _incidents(state: State) -> dict[str, Any]:
    book = state.incidents
    both = (*book.closed.values(), *book.open.values())
    return {"incidents": book} | {f"incident/{incident.id}": incident for incident in both}


def _answers(state: State) -> dict[str, Any]:
    return {f"answer/{identity}": answered for identity, answered in state.answered.items()}


def _others(state: State) -> dict[str, Any]:
    parts: dict[str, Any] = {f"app/{name}": kept for name, kept in state.remembered.items()}
    parts.update({f"app/{name}": app.kept for name, app in state.apps.items()})
    parts.update({f"dependency/{name}": d.alerts for name, d in state.dependencies.items()})
    parts.update({f"inputs/{name}": inputs for name, inputs in state.inputs.items()})
    parts.update({f"logs/{name}": book for name, book in state.logs.items()})
    parts["host"] = state.host.alerts
    parts.update({f"runbook/{name}": run for name, run in state.runs.items()})
    parts["engine"] = state.engine
    if not state.authority.damaged:
        parts["authority"] = state.authority
    parts.update({f"window/{public}": window for public, window in state.authority.windows.items()})
    if state.config.trial is not None:
        parts["trial"] = state.config.trial
    parts.update({f"command/{identity}": command for identity, command in state.commands.items()})
    return parts


def encode(part: Any) -> bytes:
    """One part as stored."""
    if isinstance(part, Kept):
        return _encode(replace(part, alerts=shown(part.alerts)))
    if isinstance(part, Inputs):
        return _encode(replace(part, reference=None, verdicts=None))
    if isinstance(part, LogBook):
        return _encode(replace(part, totals={}))
    if isinstance(part, Authority):
        return _encode(KeptAuthority(part.added, part.revoked, part.burnt, part.time, part.not_before))
    if isinstance(part, Trial | CommandState | Answered | Window | Incident | Run):
        return _encode(part)
    if isinstance(part, Book):
        return _encode(shut(part))
    if isinstance(part, EngineState):
        return _encode(KeptEngine(part.restarts, part.on_purpose, shown(part.alerts)))
    return _encode(shown(part))


DURABLE = (
    "app", "inputs", "logs", "dependency", "host", "engine", "incident", "incidents", "runbook", "trial", "command",
    "answer", "authority", "window",
)  # fmt: skip
"""What keys begin with, up to a slash."""


class _Group(Struct, frozen=True):
    """Parts that change together, and seldom: nothing is looked at while what they come from is the same object."""

    prefixes: tuple[str, ...]
    """What their keys begin with, up to a slash."""
    source: Callable[[State], Any]
    parts: Callable[[State], dict[str, Any]]


GROUPS = (
    _Group(("incident", "incidents"), lambda state: state.incidents, _incidents),
    _Group(("answer",), lambda state: state.answered, _answers),
)
REST = _Group(
    tuple(prefix for prefix in DURABLE if not any(prefix in group.prefixes for group in GROUPS)), lambda s: s, _others
)


class Differ:
    """Finds what has to be written: first by identity, then by content, so that a quiet hour writes nothing."""

    def __init__(self, stored: Mapping[str, bytes]) -> None:
        self._groups = [_GroupDiffer(group, stored) for group in (REST, *GROUPS)]

    def changes(self, state: State) -> dict[str, bytes]:
        """Keys to write; an empty value deletes."""
        writes: dict[str, bytes] = {}
        for group in self._groups:
            group.changes(state, writes)
        return writes


class _GroupDiffer:
    def __init__(self, group: _Group, stored: Mapping[str, bytes]) -> None:
        self._group = group
        self._stored = {k: v for k, v in stored.items() if k.partition("/")[0] in group.prefixes}
        self._seen: dict[str, Any] = {}
        self._source: Any = None

    def changes(self, state: State, writes: dict[str, bytes]) -> None:
        source = self._group.source(state)
        if source is self._source:
            return
        self._source = source
        parts = self._group.parts(state)
        for key, part in parts.items():
            if self._seen.get(key) is part:
                continue
            data = encode(part)
            if self._stored.get(key) != data:
                writes[key] = self._stored[key] = data
        for key in self._stored.keys() - parts.keys() - _put_by(state, self._stored):
            writes[key] = b""
            del self._stored[key]
        self._seen = parts


def _put_by(state: State, stored: Mapping[str, bytes]) -> set[str]:
    """Left as it is: what is remembered of keys and cannot be read. Without it the next run would know of nothing that
    was revoked, and let everybody of the trust file in again."""
    return {k for k in stored if k.partition("/")[0] in ("authority", "window")} if state.authority.damaged else set()


def restore(stored: Mapping[str, bytes], config: Config) -> State:
    """The state that a new run begins with.

    Dependencies that are not watched any more come along: the judge takes leave of them and of their alerts. A part
    that cannot be read is left out: edged then begins anew with that app, which is safer than not at all.
    """
    apps: dict[str, AppState] = {}
    remembered: dict[str, Kept] = {}
    for name in {*config.apps, *(k.partition("/")[2] for k in stored if k.startswith("app/"))}:
        kept = _decode(stored.get(f"app/{name}", b""), Kept, Kept())
        kept = replace(kept, recovery=interrupted(kept.recovery), deployment=again(kept), isolation=step_again(kept))
        kept = replace(kept, drill=replace(kept.drill, action_id="") if kept.drill is not None else None)
        if name in config.apps:
            apps[name] = AppState(name=name, config=config.apps[name], kept=kept)
        else:
            remembered[name] = unattended(kept)
    engine = _decode(stored.get("engine", b""), KeptEngine, KeptEngine())
    trial = _decode(stored.get("trial", b""), Trial, None)
    return State(
        apps=apps,
        remembered=remembered,
        dependencies={
            name: DependencyState(name, alerts=_decode(stored.get(f"dependency/{name}", b""), dict[str, Alert], {}))
            for name in {*config.dependencies, *(k.partition("/")[2] for k in stored if k.startswith("dependency/"))}
        },
        inputs=_named(stored, "inputs/", Inputs),
        # What was counted behind the position that was kept is read, and counted, again.
        logs={name: replace(book, totals=book.kept) for name, book in _named(stored, "logs/", LogBook).items()},
        host=HostState(alerts=_decode(stored.get("host", b""), dict[str, Alert], {})),
        config=ConfigState(trial=trial),
        commands=_open(stored),
        answered=_answered(stored),
        authority=_authority(stored),
        incidents=_book(stored),
        runs=_runs(stored),
        engine=EngineState(restarts=engine.restarts, on_purpose=engine.on_purpose, alerts=engine.alerts),
    )


def _book(stored: Mapping[str, bytes]) -> Book:
    found = [_decode(v, Incident, None) for k, v in stored.items() if k.startswith("incident/")]
    kept = _decode(stored.get("incidents", b""), KeptBook, KeptBook())
    return opened(kept, [incident for incident in found if incident is not None])


def _runs(stored: Mapping[str, bytes]) -> dict[str, Run]:
    found = {k.partition("/")[2]: _decode(v, Run, None) for k, v in stored.items() if k.startswith("runbook/")}
    return {name: run for name, run in found.items() if run is not None}


def _named(stored: Mapping[str, bytes], prefix: str, kind: Any) -> dict[str, Any]:
    return {k.removeprefix(prefix): _decode(v, kind, kind()) for k, v in stored.items() if k.startswith(prefix)}


def _open(stored: Mapping[str, bytes]) -> dict[str, CommandState]:
    """Commands whose answer is owed: the judge gives it, at the latest when it sees that nothing carries them on."""
    found = [_decode(v, CommandState, None) for k, v in stored.items() if k.startswith("command/")]
    return {command.id: command for command in sorted((c for c in found if c is not None), key=lambda c: c.since)}


def _authority(stored: Mapping[str, bytes]) -> Authority:
    """What cannot be read here must not be taken for nothing: somebody may have been revoked."""
    kept = _decode(stored.get("authority", b""), KeptAuthority, None)
    if kept is None:
        return Authority(damaged="authority" in stored)
    windows = {k.partition("/")[2]: _decode(v, Window, None) for k, v in stored.items() if k.startswith("window/")}
    return Authority(
        added=kept.added,
        revoked=kept.revoked,
        burnt=kept.burnt,
        windows={public: window for public, window in windows.items() if window is not None},
        time=kept.time,
        not_before=kept.not_before,
        damaged=None in windows.values(),
    )


def _answered(stored: Mapping[str, bytes]) -> dict[str, Answered]:
    found = {k.partition("/")[2]: _decode(v, Answered, None) for k, v in stored.items() if k.startswith("answer/")}
    known = [(identity, answered) for identity, answered in found.items() if answered is not None]
    return dict(sorted(known, key=lambda one: one[1].at))


def _decode(data: bytes, kind: Any, default: Any) -> Any:
    if not data:
        return default
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError:
        return default
