"""When an app's data is backed up, and what is made of how that went. Restoring it is in ``restoring``."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.actions import BackUpData
from ..vocabulary.data import DataCare, Stored
from ..vocabulary.data_events import DataBackedUp
from ..vocabulary.deployments import DATA_SIDE
from ..vocabulary.events import Event
from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState
from .answer import failed, succeeded
from .artifacts import TRANSIENT
from .budget import backoff, jitter
from .outcome import Outcome, View, earliest
from .remedies import next_id

FIRST = 300.0
"""Seconds after which an app that has no backup gets its first one."""
RETRY, MOST_RETRY = 60.0, 3600.0
LOST_AFTER = 60.0
"""Seconds beyond its time-out after which one that never came back counts as failed."""
EDGED = "edged"


def stored(app: AppState) -> Stored | None:
    """From its configuration; ``None``: its data is its own business."""
    rules = app.config.data
    if rules is None:
        return None
    return Stored(path=rules.path, volume=rules.volume, keep=rules.keep, verify=rules.verify, max_size=rules.max_size)


def step(app: AppState, view: View) -> Outcome:
    """Begins the next backup when its time has come and the app is well."""
    care, now = app.kept.data, view.now
    if care.action_id:
        if now < care.deadline:
            return Outcome(_wake(app, care.deadline))
        return _ended(app, False, {}, "it never came back", "timeout", view)
    rules = app.config.data
    if rules is None or not rules.every or care.restoring is not None:
        return Outcome(app)
    if not care.next_at or care.next_at > now + max(rules.every, MOST_RETRY):
        app = keep(app, replace(care, next_at=_first(app, view)))
    due = app.kept.data.next_at
    if now < due:
        return Outcome(_wake(app, due))
    if not _quiet(app, view):
        return Outcome(app)
    return begin(app, EDGED, "", view)


def begin(app: AppState, by: str, command: str, view: View) -> Outcome:
    """A backup now. ``command``: whose answer is owed; empty: nobody's."""
    data = stored(app)
    assert data is not None and app.container is not None
    container_id = app.container.id
    app, action_id = next_id(app, view)
    timeout = app.config.data.within
    care = replace(
        app.kept.data,
        action_id=action_id,
        deadline=view.now + timeout + LOST_AFTER,
        command=command,
        by=by,
        attempt=app.kept.data.attempt + 1,
    )
    action = BackUpData(
        id=action_id,
        subject=app.name + DATA_SIDE,
        reason=f"backup of the data of {app.name} by {by}",
        timeout=timeout,
        container_id=container_id,
        data=data,
    )
    return Outcome(_wake(keep(app, care), care.deadline), (action,))


def concerns(app: AppState, fact: ActionFinished) -> bool:
    return bool(app.kept.data.action_id) and app.kept.data.action_id == fact.action_id


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    return _ended(app, fact.ok, fact.result, fact.error, str(fact.result.get("code", "")), view, fact.seconds)


def _ended(
    app: AppState, ok: bool, result: dict[str, object], error: str, code: str, view: View, seconds: float = 0.0
) -> Outcome:
    care, now = app.kept.data, view.now
    name, digest = str(result.get("name", "")), str(result.get("digest", ""))
    rules = app.config.data
    if ok:
        every = rules.every if rules is not None else 0.0
        new = replace(care, last=name, last_at=now, error="", bad=False, attempt=0, next_at=now + every)
    else:
        wait = backoff(care.attempt, RETRY, MOST_RETRY) * jitter(f"{app.name}/{care.attempt}")
        new = replace(care, error=error, bad=code == "verify", next_at=now + wait)
    new = replace(new, action_id="", command="", by="", deadline=0.0)
    if not ok and not care.command and code in TRANSIENT and care.attempt < 3:
        # Something else was in the way: nobody has to know yet.
        return Outcome(_wake(keep(app, replace(new, error=care.error, bad=care.bad)), new.next_at))
    size = result.get("bytes", 0)
    told = DataBackedUp(
        subject=app.name,
        ok=ok,
        by=care.by or EDGED,
        name=name,
        digest=digest,
        bytes=size if isinstance(size, int) else 0,
        verified=str(result.get("verified", "")),
        code=code,
        reason=error,
        seconds=seconds,
    )
    answers: tuple[Event, ...]
    if ok:
        how = (
            f"verified {told.verified}" if told.verified else "whole; it has no `verify`, so nobody knows whether good"
        )
        answers = succeeded(view.state, care.command, f"{name}: {told.bytes} bytes, {how}")
    else:
        answers = failed(view.state, care.command, code or "failed", f"no backup of {app.name}: {error}")
    return Outcome(_wake(keep(app, new), max(new.next_at, now)), events=(told, *answers))


def refusal(app: AppState, view: View) -> tuple[str, str] | None:
    """Reason code and words why its data cannot be touched now; ``None``: it can."""
    care = app.kept.data
    if app.config.data is None:
        return "not_configured", f"the configuration of {app.name} has no `data:`, so edged does not know what to keep"
    if not view.state.engine.up:
        return "engine_down", "the container engine does not answer"
    if app.container is None:
        return "no_container", f"{app.name} has no container now"
    if care.restoring is not None:
        return "busy", f"the data of {app.name} is just being restored"
    if care.action_id:
        return "busy", f"the data of {app.name} is just being backed up"
    return None


def keep(app: AppState, care: DataCare) -> AppState:
    return app if care == app.kept.data else replace(app, kept=replace(app.kept, data=care))


def _first(app: AppState, view: View) -> float:
    """Spread, so that not all apps are backed up at once; and no restart of edged puts it off for ever."""
    care, every = app.kept.data, float(app.config.data.every)
    if care.last_at:
        return min(care.last_at + every, view.now + every)
    return view.now + min(FIRST, every) * jitter(f"{view.config.device.id}/{app.name}/data")


def _quiet(app: AppState, view: View) -> bool:
    """Nothing else is done to the app, and what it has is what a healthy app has."""
    kept, now = app.kept, view.now
    maintained = kept.maintenance is not None and now < kept.maintenance.until
    if view.state.stopping or not view.state.engine.up or app.container is None or maintained:
        return False
    return app.condition == "healthy" and kept.recovery.phase == "idle" and kept.deployment is None


def _wake(app: AppState, at: float) -> AppState:
    return replace(app, wake_at=earliest(app.wake_at, at))
