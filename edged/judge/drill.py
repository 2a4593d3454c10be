"""A drill: one failure made on purpose, and what edged does about it, timed.

preparing → injecting → detecting → recovering → restoring. What was done to the app is on disk before it is done, and
undone in any case: when the app was restarted by itself, at the deadline, when a person interferes, and by the next run
of edged. The recovery itself is the ordinary one, but spends no budget.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.deployments import Deployment, Request
from ..vocabulary.drill_actions import FindLimits, InjectSignal, SpoilModel, SqueezeMemory
from ..vocabulary.drills import Drill, DrillKind, DrillPhase, DrillStarted
from ..vocabulary.facts import ActionFinished
from ..vocabulary.state import AppState
from . import deployment
from .ailment import ailment
from .artifacts import placed, where
from .drill_end import answers, over
from .drill_steps import do, keep, left, said, undo, wake
from .drilled import MODEL
from .outcome import Outcome, View

SQUEEZED = 30.0
"""Seconds for which the lowered limit waits for the kernel."""
NEAR = 5.0
"""Seconds after an OOM kill within which the container may still turn out to have ended."""
RETRY = 10.0
TRIES = 6
"""Attempts to undo it, before a person is asked."""
MODEL_DEADLINE = 1800.0


def begin(app: AppState, kind: DrillKind, identity: str, origin: str, view: View) -> Outcome:
    """It was found that it may begin. The first step comes when the app is settled."""
    assert app.container is not None
    drill = Drill(
        id=identity,
        kind=kind,
        origin=origin,
        began=view.now,
        deadline=view.now + patience(app, kind),
        container_id=app.container.id,
        run=app.container.started_at,
        current=placed(app, "model").current.digest if kind == "bad-model" else "",
        attempts=app.kept.recovery.attempts,
    )
    told = DrillStarted(subject=app.name, id=identity, kind=kind, origin=origin)
    return Outcome(wake(keep(app, drill), view.now), events=(told,))


def patience(app: AppState, kind: DrillKind) -> float:
    """Seconds for all of it: what detection and recovery may take by the app's own configuration, and some more."""
    if kind == "bad-model":
        return MODEL_DEADLINE
    health, restart = app.config.health, app.config.restart
    detect = health.failures * (health.every + health.timeout) + (SQUEEZED if kind == "oom" else 0.0)
    docker = 120.0 if app.container is not None and app.container.health != "none" else 0.0
    recover = restart.policy_grace + restart.stop_timeout + restart.verify_within + health.start_period
    return float(60.0 + detect + docker + recover)


def step(app: AppState, view: View) -> Outcome:
    """Moves the drill on as far as the moment allows."""
    drill, now = app.kept.drill, view.now
    if drill is None or view.state.stopping:
        return Outcome(app)
    if drill.action_id:
        if drill.phase == "injecting" and not drill.detected_at and _noticed(app, drill.began):
            # An engine under load tells of what it did after everybody has seen it.
            drill = replace(drill, detected_at=now)
            app = keep(app, drill)
        if now < drill.action_deadline:
            return Outcome(wake(app, drill.action_deadline))
        return _step_failed(app, replace(drill, action_id=""), "it did not come back in time", view)
    if drill.phase == "restoring":
        return _restore(app, drill, view)
    meddled = _meddled(app, drill)
    if meddled:
        return _end(app, drill, "interfered", meddled, view)
    if now >= drill.deadline:
        late = "not_recovered" if drill.detected_at else "not_detected"
        return _end(app, drill, late, f"given up after {now - drill.began:.0f} s: {app.condition}: {app.reason}", view)
    match drill.phase:
        case "preparing" | "injecting":
            outcome = _inject(app, drill, view)
        case "detecting":
            outcome = _detect(app, drill, view)
        case _:
            outcome = _recover(app, drill, view)
    return Outcome(wake(outcome.app, drill.deadline), outcome.actions, outcome.events)


def _inject(app: AppState, drill: Drill, view: View) -> Outcome:
    on_it, side = said(app, drill, view)
    match drill.kind:
        case "kill":
            return do(
                app,
                _at(drill, "injecting"),
                InjectSignal(**on_it, container_id=drill.container_id, signal="KILL"),
                view,
            )
        case "hang":
            frozen = replace(_at(drill, "injecting"), undo="signal")
            return do(app, frozen, InjectSignal(**on_it, container_id=drill.container_id, signal="STOP"), view)
        case "oom" if not drill.memory:
            return do(app, drill, FindLimits(**on_it, container_id=drill.container_id), view)
        case "oom":
            squeezed = replace(_at(drill, "injecting"), undo="memory")
            return do(app, squeezed, SqueezeMemory(**on_it, container_id=drill.container_id, memory=drill.memory), view)
        case "unhealthy":
            return _enter(app, replace(drill, injected_at=view.now), "detecting", view)
    on_it, side = said(app, drill, view)
    if not drill.spoiled:
        made = replace(drill, undo="model")
        return do(app, made, SpoilModel(**side, where=where(app, "model"), digest=drill.current), view)
    request = Request(id=drill.id + MODEL, kind="model", source="", digest=drill.spoiled, origin="drill", drill=True)
    entered = _enter(app, replace(drill, injected_at=view.now), "detecting", view)
    begun = deployment.begin(entered.app, Deployment(request=request, began=view.now), view)
    return Outcome(wake(begun.app, view.now), begun.actions, (*entered.events, *begun.events))


def _detect(app: AppState, drill: Drill, view: View) -> Outcome:
    if drill.kind == "bad-model":
        if not drill.verdict:
            return Outcome(app)
        if not drill.verdict.startswith(("refused", "rolled_back")):
            return _end(app, drill, "not_refused", f"a spoiled model ended as {drill.verdict}", view)
        return _enter(app, replace(drill, detected_at=view.now), "recovering", view)
    if not drill.detected_at and not _noticed(app, drill.injected_at):
        if drill.kind == "oom" and view.now >= drill.injected_at + SQUEEZED:
            why = f"the kernel had nothing to kill within {SQUEEZED:.0f} s at the lowest limit that it took"
            return _end(app, drill, "no_effect", why, view)
        again = drill.injected_at + SQUEEZED if drill.kind == "oom" else drill.deadline
        return Outcome(wake(app, again))
    detected = drill.detected_at or view.now
    if drill.kind == "oom":  # what came before was the kernel's time
        killed = [at for at in (app.oom_at, app.died_at) if at is not None and drill.injected_at <= at <= detected]
        drill = replace(drill, injected_at=min(killed, default=detected))
    return _enter(app, replace(drill, detected_at=detected), "recovering", view)


def _noticed(app: AppState, since: float) -> bool:
    """Something is wrong with it, or with ``oom`` was since then."""
    drill = app.kept.drill
    assert drill is not None
    oom = drill.kind == "oom" and app.oom_at is not None and app.oom_at >= since
    return oom or app.condition in ("down", "unhealthy", "restarting")


def _recover(app: AppState, drill: Drill, view: View) -> Outcome:
    if drill.undo == "memory":
        return undo(app, drill, view)
    if drill.kind == "bad-model":
        if app.kept.tidying or drill.undo == "model":
            return undo(app, drill, view)
        return _end(app, replace(drill, recovered_at=view.now), "", "", view)
    recovery = app.kept.recovery
    if app.condition != "healthy" or recovery.phase != "idle" or recovery.ailment or ailment(app) is not None:
        return Outcome(app)
    begun = app.started_at is not None and app.started_at >= drill.injected_at
    if not begun and drill.kind == "oom" and view.now < drill.injected_at + NEAR:
        return Outcome(wake(app, drill.injected_at + NEAR))
    return _end(app, replace(drill, recovered_at=view.now), "", "", view)


def _end(app: AppState, drill: Drill, code: str, why: str, view: View) -> Outcome:
    """It is over, well (without a code) or not: what is left of it is undone first."""
    drill = replace(drill, phase="restoring", code=code, why=why)
    return _restore(keep(app, drill), drill, view)


def _restore(app: AppState, drill: Drill, view: View) -> Outcome:
    if not left(app, drill):
        return over(keep(app, replace(drill, undo="")), view)
    return undo(app, drill, view)


def finished(app: AppState, fact: ActionFinished, view: View) -> Outcome:
    """A step came to its end; the next one follows when the app is settled."""
    drill = app.kept.drill
    assert drill is not None
    drill = replace(drill, action_id="")
    if not fact.ok:
        return _step_failed(app, drill, fact.error, view)
    match fact.action:
        case "FindLimits":
            drill = replace(drill, memory=int(fact.result["memory"]), swap=int(fact.result["swap"]))
            return Outcome(keep(app, drill))
        case "SpoilModel":
            return Outcome(keep(app, replace(drill, spoiled=str(fact.result["digest"]))))
        case "RestoreMemory" | "ForgetModel":
            return Outcome(keep(app, replace(drill, undo="")))
        case "InjectSignal" if drill.phase == "restoring":
            return Outcome(keep(app, replace(drill, undo="")))
    begun = max(drill.began, fact.at - fact.seconds)
    return _enter(app, replace(drill, injected_at=begun), "detecting", view)


def _step_failed(app: AppState, drill: Drill, why: str, view: View) -> Outcome:
    if drill.phase in ("preparing", "injecting"):
        return _end(app, drill, "not_injected", why, view)
    if drill.tries + 1 < TRIES:
        waiting = replace(drill, tries=drill.tries + 1, retry_at=view.now + RETRY)
        return Outcome(wake(keep(app, waiting), waiting.retry_at))
    remains = {"signal": "its main process is stopped: docker kill -s CONT", "memory": "its memory limit is lowered"}
    said = (
        f"it could not be undone ({why}), a person is needed: {remains.get(drill.undo, 'a spoiled model lies about')}"
    )
    return over(keep(app, replace(drill, phase="restoring", undo="", code="not_restored", why=said)), view)


def _meddled(app: AppState, drill: Drill) -> str:
    """Somebody has taken the app over, or away; empty: nobody."""
    kept = app.kept
    if kept.maintenance is not None:
        return f"maintenance by {kept.maintenance.owner} began"
    if kept.isolation is not None:
        return f"isolated by {kept.isolation.by}"
    if kept.stopped is not None:
        return f"stopped by {kept.stopped.by}"
    if kept.recovery.command:
        return "a person restarts, starts or stops it"
    if kept.data.restoring is not None:
        return "a restore of its data began"
    if app.leaving:
        return "it was taken out of the configuration"
    if app.sought and (app.container is None or app.container.id != drill.container_id):
        return "its container was removed, or made anew"
    other = kept.deployment is not None and kept.deployment.request.id != drill.id + MODEL
    return "a deployment of it began" if other else ""


def _enter(app: AppState, drill: Drill, phase: DrillPhase, view: View) -> Outcome:
    drill = _at(drill, phase)
    return Outcome(wake(keep(app, drill), view.now), events=answers(app, drill, view))


def _at(drill: Drill, phase: DrillPhase) -> Drill:
    return replace(drill, phase=phase)
