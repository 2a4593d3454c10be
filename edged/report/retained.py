"""Retained MQTT topics: what a console sees the moment it connects. Pure: what changed from one turn to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from .. import __version__
from ..vocabulary.state import Alert, AppState, State
from . import incidents
from .drift import summary
from .snapshot import Snapshot, alerts
from .status import alert, app_state

encode = msgspec.json.Encoder(order="deterministic").encode


def level(name: str) -> str:
    """A name as one topic level: ``/ + # %`` and control characters are percent-encoded."""
    return quote(name, safe=" !$&'()*,;=:@-._~")


def meta_payload(shot: Snapshot, host: dict[str, Any], commands: Mapping[str, Any]) -> bytes:
    """Birth: versions, facts of the host, apps, and which ``commands`` are taken: JSON Schemas by type."""
    return encode(
        {
            "edged": __version__,
            "device": shot.config.device.id,
            "labels": shot.config.device.labels,
            "boot": shot.state.boot,
            "engine": shot.state.engine.version,
            "host": host,
            "apps": sorted(shot.state.apps),
            "dependencies": sorted(shot.state.dependencies),
            "commands": commands,
        }
    )


def changes(old: Snapshot, new: Snapshot) -> dict[str, bytes]:
    """Topics whose content is different now; an empty payload clears."""
    topics: dict[str, bytes] = {}
    if old.state.apps is not new.state.apps or old.state.inputs is not new.state.inputs:
        for name, app in new.state.apps.items():
            before = old.state.apps.get(name)
            if before is None or _moved(before, app) or _drifts(old, new, name):
                topics[f"app/{level(name)}"] = encode(app_state(new, app))
        for name in old.state.apps.keys() - new.state.apps.keys():
            topics[f"app/{level(name)}"] = b""
    topics.update(_alert_changes(old, new))
    topics.update(incidents.topics(old, new))
    return topics


def _moved(before: AppState, app: AppState) -> bool:
    return before is not app and _visible(before) != _visible(app)


def _drifts(old: Snapshot, new: Snapshot, name: str) -> bool:
    """Whether there is something to be said of its inputs that was not said before."""
    if old.state.inputs.get(name) is new.state.inputs.get(name):
        return False
    return _said(old, name) != _said(new, name)


def _said(shot: Snapshot, name: str) -> dict[str, Any] | None:
    """Without times: the wall clock's last digits wander."""
    told = summary(shot, name)
    if told is not None:
        told["drifted"] = {one: (what["direction"], what["psi"]) for one, what in told["drifted"].items()}
    return told


def _visible(app: AppState) -> tuple[Any, ...]:
    c, kept = app.container, app.kept
    container = (c.id, c.name, c.image, c.status) if c is not None else None
    return (
        app.condition,
        app.reason,
        container,
        kept.stopped,
        kept.maintenance,
        (kept.isolation.told, kept.isolation.by, kept.isolation.problem) if kept.isolation is not None else None,
        app.problems,
        app.config.restart.enabled,
        kept.placed,
        (kept.deployment.request.id, kept.deployment.phase) if kept.deployment is not None else None,
    )


def _shown(a: Alert) -> tuple[Any, ...]:
    return a.severity, a.since, a.summary, a.flapping, a.acknowledged


def _alerts_moved(old: State, new: State) -> bool:
    """Asked after each fact, and nearly always no: so by identity, before anything is built."""
    if old is new:
        return False
    if old.host.alerts is not new.host.alerts or old.engine.alerts is not new.engine.alerts:
        return True
    if old.dependencies is not new.dependencies:
        return True
    if old.apps is new.apps:
        return False
    return old.apps.keys() != new.apps.keys() or any(
        app.kept.alerts is not old.apps[name].kept.alerts for name, app in new.apps.items()
    )


def _alert_changes(old: Snapshot, new: Snapshot) -> dict[str, bytes]:
    if not _alerts_moved(old.state, new.state):
        return {}
    before = {(n, s): a for n, s, a in alerts(old.state)}
    after = {(n, s): a for n, s, a in alerts(new.state)}
    topics: dict[str, bytes] = {}
    for (name, subject), a in after.items():
        was = before.get((name, subject))
        if was is None or _shown(was) != _shown(a):
            topics[f"alert/{level(name)}/{level(subject)}"] = encode(alert(new, name, subject, a))
    for name, subject in before.keys() - after.keys():
        topics[f"alert/{level(name)}/{level(subject)}"] = b""
    return topics
