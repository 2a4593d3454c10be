"""Which part of the state survives a restart of edged, as bytes by key. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .config import Config
from .vocabulary.deployments import Deployment
from .vocabulary.inputs import Inputs
from .vocabulary.isolation import Isolation
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
    Recovery,
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
_AT_ONCE = 0.001


def shown(alerts: Mapping[str, Alert]) -> dict[str, Alert]:
    """Firing alerts and those with a past; what is only pending begins anew after a restart."""
    return {
        name: replace(a, warn_since=None, critical_since=None, calm_since=None)
        for name, a in alerts.items()
        if a.severity is not None or a.changes
    }


def sections(state: State) -> dict[str, Any]:
    """The durable parts by key. Two states with the same object behind a key need no new write."""
    parts: dict[str, Any] = {f"app/{name}": kept for name, kept in state.remembered.items()}
    parts.update({f"app/{name}": app.kept for name, app in state.apps.items()})
    parts.update({f"dependency/{name}": d.alerts for name, d in state.dependencies.items()})
    parts.update({f"inputs/{name}": inputs for name, inputs in state.inputs.items()})
    parts["host"] = state.host.alerts
    parts["engine"] = state.engine
    if not state.authority.damaged:
        parts["authority"] = state.authority
    parts.update({f"window/{public}": window for public, window in state.authority.windows.items()})
    if state.config.trial is not None:
        parts["trial"] = state.config.trial
    parts.update({f"command/{identity}": command for identity, command in state.commands.items()})
    parts.update({f"answer/{identity}": answered for identity, answered in state.answered.items()})
    return parts


def encode(part: Any) -> bytes:
    """One part as stored."""
    if isinstance(part, Kept):
        return _encode(replace(part, alerts=shown(part.alerts)))
    if isinstance(part, Inputs):
        return _encode(replace(part, reference=None, verdicts=None))
    if isinstance(part, Authority):
        return _encode(KeptAuthority(part.added, part.revoked, part.burnt, part.time, part.not_before))
    if isinstance(part, Trial | CommandState | Answered | Window):
        return _encode(part)
    if isinstance(part, EngineState):
        return _encode(KeptEngine(part.restarts, part.on_purpose, shown(part.alerts)))
    return _encode(shown(part))


DURABLE = ("app", "inputs", "dependency", "host", "engine", "trial", "command", "answer", "authority", "window")
"""What keys begin with, up to a slash."""


class Differ:
    """Finds what has to be written: first by identity, then by content, so that a quiet hour writes nothing."""

    def __init__(self, stored: Mapping[str, bytes]) -> None:
        self._stored = {k: v for k, v in stored.items() if k.partition("/")[0] in DURABLE}
        self._seen: dict[str, Any] = {}

    def changes(self, state: State) -> dict[str, bytes]:
        """Keys to write; an empty value deletes."""
        writes: dict[str, bytes] = {}
        parts = sections(state)
        for key, part in parts.items():
            if self._seen.get(key) is part:
                continue
            data = encode(part)
            if self._stored.get(key) != data:
                writes[key] = self._stored[key] = data
        for key in self._stored.keys() - parts.keys():
            writes[key] = b""
        for key in [k for k, v in writes.items() if not v]:
            del self._stored[key]
        self._seen = parts
        return writes


def restore(stored: Mapping[str, bytes], config: Config) -> State:
    """The state that a new run begins with.

    Dependencies that are not watched any more come along: the judge takes leave of them and of their alerts. A part
    that cannot be read is left out: edged then begins anew with that app, which is safer than not at all.
    """
    apps: dict[str, AppState] = {}
    remembered: dict[str, Kept] = {}
    for name in {*config.apps, *(k.partition("/")[2] for k in stored if k.startswith("app/"))}:
        kept = _decode(stored.get(f"app/{name}", b""), Kept, Kept())
        kept = replace(kept, recovery=_interrupted(kept.recovery), deployment=_again(kept), isolation=_step_again(kept))
        if name in config.apps:
            apps[name] = AppState(name=name, config=config.apps[name], kept=kept)
        else:
            remembered[name] = _unattended(kept)
    engine = _decode(stored.get("engine", b""), KeptEngine, KeptEngine())
    trial = _decode(stored.get("trial", b""), Trial, None)
    return State(
        apps=apps,
        remembered=remembered,
        dependencies={
            name: DependencyState(name, alerts=_decode(stored.get(f"dependency/{name}", b""), dict[str, Alert], {}))
            for name in {*config.dependencies, *(k.partition("/")[2] for k in stored if k.startswith("dependency/"))}
        },
        inputs={
            key.partition("/")[2]: _decode(value, Inputs, Inputs())
            for key, value in stored.items()
            if key.startswith("inputs/")
        },
        host=HostState(alerts=_decode(stored.get("host", b""), dict[str, Alert], {})),
        config=ConfigState(trial=trial),
        commands=_open(stored),
        answered=_answered(stored),
        authority=_authority(stored),
        engine=EngineState(restarts=engine.restarts, on_purpose=engine.on_purpose, alerts=engine.alerts),
    )


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


def _interrupted(recovery: Recovery) -> Recovery:
    """An action that was under way when the last run ended may still be carried out by the engine: its outcome is
    waited for as if it had been reported, so that what it does to the app is not taken for a person's doing. A person
    who asked for it is answered by that outcome; a deployment looks for itself."""
    if recovery.phase == "idle":
        return recovery
    pending = recovery.phase in ("acting", "verifying") and recovery.remedy in ("start", "restart", "stop")
    return replace(
        recovery,
        phase="verifying" if pending else "idle",
        action_id="",
        command=recovery.command if pending and not recovery.command.startswith("deployment/") else "",
        unsure=recovery.unsure or recovery.phase == "acting",
    )


def _again(kept: Kept) -> Deployment | None:
    """Nobody knows whether a restart that a deployment had asked for was carried out: it asks for it once more, since
    an app that was not restarted still uses what it had before."""
    deployment, recovery = kept.deployment, kept.recovery
    if deployment is None or recovery.phase != "acting" or not recovery.command.startswith("deployment/"):
        return deployment
    return replace(deployment, attempt=0)


def _step_again(kept: Kept) -> Isolation | None:
    """Every step may be carried out again; and nobody has looked at its networks meanwhile."""
    isolation = kept.isolation
    return None if isolation is None else replace(isolation, action_id="", checked_at=0.0)


def _unattended(kept: Kept) -> Kept:
    """An app that is only known again when the engine has listed its containers hears of no action that was cut short:
    what was under way is done again then."""
    deployment = kept.deployment
    if deployment is not None and deployment.action_id:
        alone = deployment.phase in ("reloading", "reverting", "gating")  # its first attempt is a step of its own
        deployment = replace(deployment, action_id="", attempt=0 if alone else deployment.attempt)
    again = bool(kept.tidying and not kept.tidy_at)
    return replace(kept, deployment=deployment, tidy_at=_AT_ONCE if again else kept.tidy_at)


def _decode(data: bytes, kind: Any, default: Any) -> Any:
    if not data:
        return default
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError:
        return default
