"""A restore of an app's data: looking → stopping → restoring → starting; the recovery machine stops and starts it.

Whoever asks (a command, a step of a runbook) calls ``begin`` and hears of the end by ``DataRestored`` with its id.
An app that runs goes on doing so until a good backup was found: a slip of the pen stops nothing.
Until a backup was found good nothing is changed, and the app is started again as it was. After that the way leads
forward only: a restore that was cut short is made again until it is whole, and the app is not started with half of
its data.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.actions import FindBackup, RestoreData
from ..vocabulary.data import DataCare, Restoring
from ..vocabulary.data_events import DataRestored
from ..vocabulary.deployments import DATA_SIDE
from ..vocabulary.events import Event
from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState, Stopped
from . import backups
from .answer import failed, running, succeeded
from .artifacts import TRANSIENT
from .budget import backoff, jitter
from .outcome import Outcome, View, earliest
from .recovery import LOST_AFTER, perform
from .remedies import EVIDENCE_TIMEOUT, capture, next_id
from .restore_guard import may_run
from .run import runs

MARK = "data/"
"""What the recovery machine's name for who asked begins with."""
ATTEMPTS = 6
"""Of a restore that has changed something and is not whole; then a person is needed, and the app stays stopped."""
AGAIN = -1
"""As ``attempt``: the run of edged that was stopping the app ended meanwhile."""
GONE = 600.0
"""Seconds after the beginning for which a container may be away."""
STOPPER = "edged, to restore its data"
LOST = "lost"
UNSURE = ("half", "interrupted", LOST)
"""Codes of attempts after which the data may be neither the old nor the new."""


def begin(app: AppState, which: str, identity: str, by: str, view: View) -> Outcome:
    """After ``refusal`` had nothing against it. ``identity``: of the command or the runbook's step."""
    data = backups.stored(app)
    assert data is not None
    wanted = Restoring(
        id=identity, by=by, which=which, since=view.now, data=data, within=app.config.data.within, ran=_wanted(app)
    )
    # What an attempt of the recovery before has led to is not waited for.
    app = replace(app, kept=replace(app.kept, recovery=replace(app.kept.recovery, phase="idle", action_id="")))
    return _look(app, wanted, view) if may_run(app) else _restore(app, wanted, view)


def _look(app: AppState, wanted: Restoring, view: View) -> Outcome:
    app, action_id = next_id(app, view)
    action = FindBackup(
        id=action_id,
        subject=app.name + DATA_SIDE,
        reason=f"restore of the data of {app.name} ({wanted.which}) by {wanted.by}",
        timeout=wanted.within,
        data=wanted.data,
        which=wanted.which,
    )
    until = view.now + wanted.within + LOST_AFTER
    wanted = replace(wanted, phase="looking", action_id=action_id, attempt=wanted.attempt + 1, next_at=until)
    return Outcome(_wake(_with(app, wanted), until), (action,))


def _found(app: AppState, wanted: Restoring, view: View) -> Outcome:
    wanted = replace(wanted, phase="stopping", attempt=0, code="", error="")
    if may_run(app) and app.kept.recovery.phase in ("idle", "verifying"):
        return _stop(_with(app, wanted), wanted, view)
    return Outcome(_wake(_with(app, replace(wanted, attempt=AGAIN)), view.now))


def _stop(app: AppState, wanted: Restoring, view: View) -> Outcome:
    app = replace(app, kept=replace(app.kept, stopped=Stopped(by=STOPPER, at=view.now)))
    return _capture(app, wanted, view, "stop", MARK + wanted.id)


def _capture(app: AppState, wanted: Restoring, view: View, remedy: str, command: str = "") -> Outcome:
    """By the recovery machine, which goes on with the remedy then, or rests."""
    app, action_id = next_id(_with(app, replace(wanted, captured=True)), view)
    reason = f"restore of its data by {wanted.by}"
    evidence = capture(app, action_id, app.kept.recovery.ailment, reason, view)
    recovery = replace(
        app.kept.recovery,
        phase="capturing",
        remedy=remedy,
        action_id=action_id,
        command=command,
        reason=reason,
        deadline=view.now + EVIDENCE_TIMEOUT + LOST_AFTER,
        held="",
    )
    app = replace(app, kept=replace(app.kept, recovery=recovery))
    return Outcome(_wake(app, recovery.deadline), (evidence,))


def step(app: AppState, view: View) -> Outcome:
    """Goes on as far as the moment allows."""
    care, wanted = app.kept.data, app.kept.data.restoring
    if wanted is None and care.stuck and app.condition == "healthy":  # a person has seen to it
        return Outcome(replace(app, kept=replace(app.kept, data=replace(care, stuck="", half=False))))
    if wanted is None or view.state.stopping or app.kept.recovery.phase != "idle":
        return Outcome(app)
    if wanted.action_id:
        limit = wanted.next_at
        if view.now < limit:
            return Outcome(_wake(app, limit))
        return _failed(app, replace(wanted, action_id=""), LOST, "the restore never came back", view)
    if not view.state.engine.up or not view.state.engine.listed:
        return Outcome(app)
    if wanted.phase == "starting":
        return _started(app, wanted, view)
    if wanted.phase == "stopping" and may_run(app) and wanted.attempt == AGAIN:
        wanted = replace(wanted, attempt=0)
        return _stop(_with(app, wanted), wanted, view)
    if wanted.phase == "stopping" and may_run(app):
        return _over(app, wanted, "not_stopped", f"{app.name} could not be stopped: {app.reason}", view)
    if view.now < wanted.next_at:
        return Outcome(_wake(app, wanted.next_at))
    return (_look if wanted.phase == "looking" else _restore)(app, wanted, view)


def concerns(app: AppState, fact: ActionFinished) -> bool:
    wanted = app.kept.data.restoring
    return wanted is not None and bool(wanted.action_id) and wanted.action_id == fact.action_id


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    wanted = app.kept.data.restoring
    assert wanted is not None
    wanted = replace(wanted, action_id="", next_at=0.0)
    if not fact.ok:
        return _failed(app, wanted, str(fact.result.get("code", "")) or LOST, fact.error, view)
    if wanted.phase == "looking":
        return _found(app, wanted, view)
    name, aside = str(fact.result.get("name", "")), str(fact.result.get("aside", ""))
    wanted = replace(wanted, name=name, aside=aside, changed=False, code="", error="", attempt=0)
    return _start(app, wanted, view)


def _wanted(app: AppState) -> bool:
    """It is to run afterwards, unless a person had stopped it."""
    stopped = app.kept.stopped
    return runs(app) or stopped is None or stopped.by == STOPPER


def _restore(app: AppState, wanted: Restoring, view: View) -> Outcome:
    if app.container is None:
        return _without_container(app, wanted, view)
    if not wanted.captured:  # it was down already: nobody had to stop it
        return _capture(app, wanted, view, "capture")
    container_id = app.container.id
    app, action_id = next_id(app, view)
    timeout = wanted.within
    action = RestoreData(
        id=action_id,
        subject=app.name + DATA_SIDE,
        reason=f"restore of the data of {app.name} ({wanted.which}) by {wanted.by}",
        timeout=timeout,
        container_id=container_id,
        data=wanted.data,
        which=wanted.which,
    )
    wanted = replace(
        wanted,
        phase="restoring",
        action_id=action_id,
        attempt=wanted.attempt + 1,
        next_at=view.now + timeout + LOST_AFTER,
    )
    told = running(view.state, wanted.id, "restoring", f"{app.name} is stopped; {wanted.which} is put in place")
    return Outcome(_wake(_with(app, wanted), wanted.next_at), (action,), told)


def _without_container(app: AppState, wanted: Restoring, view: View) -> Outcome:
    """It may be made anew, and its data is in a volume then, if in anything."""
    until = wanted.since + GONE
    if view.now < until:
        return Outcome(_wake(app, until))
    why = f"{app.name} has no container any more"
    return _over(app, wanted, "no_container", why, view, stuck=why if wanted.changed else "")


def _failed(app: AppState, wanted: Restoring, code: str, error: str, view: View) -> Outcome:
    # Its journal knows whether an attempt that was cut short has changed something; the next attempt asks that.
    changed = wanted.phase != "looking" and (code in UNSURE or (wanted.changed and code in TRANSIENT))
    again = changed or code in TRANSIENT
    wanted = replace(wanted, changed=changed, code=code, error=error)
    if again and wanted.attempt < ATTEMPTS:
        wait = backoff(wanted.attempt, 1.0, 60.0) * jitter(f"{wanted.id}/{wanted.attempt}")
        wanted = replace(wanted, next_at=view.now + wait)
        return Outcome(_wake(_with(app, wanted), wanted.next_at))
    if changed:
        half = f"its data is half restored, and edged does not start it with that: {error}"
        return _over(app, wanted, code, error, view, stuck=half)
    if wanted.phase == "looking":
        return _over(app, wanted, code, error, view)
    return _start(app, wanted, view)


def _start(app: AppState, wanted: Restoring, view: View) -> Outcome:
    """By the recovery machine, which verifies it."""
    if not wanted.ran:
        return _over(app, replace(wanted, phase="starting"), wanted.code, wanted.error, view)
    wanted = replace(wanted, phase="starting", attempt=0, next_at=0.0)
    app = _with(app, wanted)
    if not view.state.engine.up or app.container is None:
        return Outcome(app)
    return _perform(app, wanted, view)


def _perform(app: AppState, wanted: Restoring, view: View) -> Outcome:
    app = _with(app, replace(wanted, attempt=wanted.attempt + 1))
    recovery = replace(app.kept.recovery, command=MARK + wanted.id, ailment="", held="")
    app = replace(app, kept=replace(app.kept, recovery=recovery))
    return perform(app, "start", f"restore of its data by {wanted.by}", view)


def _started(app: AppState, wanted: Restoring, view: View) -> Outcome:
    """The recovery machine is done with it, one way or the other."""
    if app.container is None:
        return _without_container(app, wanted, view)
    if wanted.attempt == 0 and not runs(app):
        return _perform(app, wanted, view)
    if app.condition in ("starting", "unknown"):
        return Outcome(app)
    if app.condition == "healthy" or wanted.code:
        return _over(app, wanted, wanted.code, wanted.error, view)
    why = f"{app.name} is {app.condition} with the data of {wanted.name}: {app.reason}"
    return _over(app, wanted, "unhealthy", why, view)


def _over(app: AppState, wanted: Restoring, code: str, why: str, view: View, stuck: str = "") -> Outcome:
    ok = not code
    told = DataRestored(
        subject=app.name,
        ok=ok,
        id=wanted.id,
        by=wanted.by,
        name=wanted.name,
        aside=wanted.aside,
        code=code,
        reason=why,
        seconds=view.now - wanted.since,
    )
    answers: tuple[Event, ...]
    if ok:
        state = f"{app.name} is {app.condition}" if wanted.ran else f"{app.name} stays stopped, as it was"
        words = f"{wanted.name} is in place, {state}; what was there before is kept as {wanted.aside}"
        answers = succeeded(view.state, wanted.id, words)
    else:
        what = "its data is what it was" if not wanted.changed and not wanted.name else "look at its data first"
        what = f"{app.name} was not touched" if wanted.phase == "looking" else what
        answers = failed(view.state, wanted.id, code, f"{why}; {what}")
    stopped = app.kept.stopped
    if stopped is not None and stopped.by == STOPPER and wanted.ran and not stuck:
        stopped = None
    half = bool(stuck) or (app.kept.data.half and not wanted.name)
    # Whoever asked in vain has the answer. An app that was not touched is no worse than before.
    left = app.kept.data.stuck if wanted.phase == "looking" else stuck or why
    care = replace(app.kept.data, restoring=None, stuck=left, half=half)
    if ok and care.bad:  # what was bad is not there any more
        care = replace(care, error="", bad=False)
    app = replace(app, kept=replace(app.kept, data=care, stopped=stopped))
    return Outcome(_wake(app, view.now), events=(told, *answers))


def _with(app: AppState, wanted: Restoring) -> AppState:
    care: DataCare = app.kept.data
    return replace(app, kept=replace(app.kept, data=replace(care, restoring=wanted)))


def _wake(app: AppState, at: float) -> AppState:
    return replace(app, wake_at=earliest(app.wake_at, at))


def resumed(care: DataCare, now: float) -> DataCare:
    """At the start of a run: what was under way when the one before ended is done again."""
    wanted = care.restoring
    if wanted is not None and wanted.action_id:
        wanted = replace(wanted, action_id="", next_at=now)
    if wanted is not None and wanted.phase != "restoring":
        # The evidence may not have been kept: it is kept once more.
        wanted = replace(wanted, attempt=0 if wanted.phase == "starting" else AGAIN, captured=False)
    if care.action_id:
        care = replace(care, action_id="", deadline=0.0, next_at=now + 60.0 if care.next_at else 0.0)
    return care if wanted is care.restoring else replace(care, restoring=wanted)
