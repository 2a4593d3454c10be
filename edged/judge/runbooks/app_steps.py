"""Steps about one app that the recovery machine, or the isolation, carries out: asked for here, and watched. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ...config.runbooks import Step
from ...vocabulary.isolation import Isolation
from ...vocabulary.runbooks import Run, Wanted
from ...vocabulary.state import AppState
from ..ailment import Ailment, ailment, hands_off, hold
from ..episode import spent
from ..outcome import View
from ..run import runs
from .move import Move, end, label, put, stay, view
from .scene import Scene

OWN = ("AppDown", "Unhealthy", "HighMemory")
"""Alerts that the recovery sees to by itself, when and as they allow it."""


def unfit(scene: Scene, step: Step) -> tuple[Literal["skipped", "refused"], str] | None:
    """Why such a step cannot be taken for this app at all; ``None``: it can."""
    app = scene.app
    if app is None:
        return "refused", f"{scene.subject} is no app that edged watches now"
    if step.do == "wait_healthy":
        return None
    if not app.config.restart.enabled:
        return "skipped", f"edged only observes {app.name}"
    if app.container is None and scene.state.engine.listed:
        return "refused", f"{app.name} has no container, and edged never creates one"
    if step.do == "start" and runs(app) and _own(app, scene) is None:
        return "skipped", f"{app.name} runs"
    if step.do in ("stop", "isolate") and not runs(app):
        return "skipped", f"{app.name} does not run"
    if step.do == "isolate" and app.kept.isolation is not None:
        return "skipped", f"{app.name} is isolated by {app.kept.isolation.by}"
    if step.do in ("restart", "start", "stop") and app.kept.isolation is not None:
        # A person's isolation is waited out. One of a runbook's own ends when a person comes, who has to be called.
        by = app.kept.isolation.by
        return None if app.kept.isolation.origin else ("refused", f"{app.name} is isolated by {by}, and stays as it is")
    return None


def _own(app: AppState, scene: Scene) -> Ailment | None:
    """What the alert tells of is what the recovery is about by itself."""
    ill = ailment(replace(app, kept=replace(app.kept, wanted=None)))
    return ill if ill is not None and ill.name == scene.alert else None


def held(scene: Scene, run: Run, step: Step) -> tuple[str, float | None] | None:
    """Why it must wait, and until when; ``None``: it need not."""
    app = scene.app
    if app is None or step.do == "wait_healthy" or app.kept.recovery.phase != "idle":
        return None
    if step.do == "isolate" and run.since is not None:
        return None
    off = hands_off(app, view(scene))
    if off is None and step.do in ("restart", "start") and run.since is not None:
        ill = ailment(app)
        off = hold(app, ill, view(scene)) if ill is not None else None
    return (off.reason, off.until) if off is not None and (off.reason or scene.state.stopping) else None


# restart, start, stop


def ask(scene: Scene, run: Run, step: Step) -> Move:
    """What ails the app by itself the recovery sees to, now that it may; for anything else it is asked."""
    app = scene.app
    assert app is not None
    run = replace(run, reached=(*run.reached, step.do))
    ill = ailment(app)
    if step.do != "stop" and (run.alert in OWN or ill is not None) and app.kept.wanted is None:
        return Move(scene.state, run, touched=(app.name,))
    if step.do != "stop" and (app.kept.recovery.open or spent(app, view(scene))):
        return end(scene, run, "refused", f"the restart budget of {app.name} is spent")
    return want(scene, run, "stop" if step.do == "stop" else "restart")


def want(scene: Scene, run: Run, remedy: Literal["capture", "restart", "stop"]) -> Move:
    app = scene.app
    assert app is not None
    fires = scene.fires
    summary = fires.summary if fires is not None else ""
    reason = f"{summary} ({label(scene)})" if summary else label(scene)
    wanted = Wanted(remedy, run.alert, reason, fires.since if fires is not None else scene.now)
    app = replace(app, kept=replace(app.kept, wanted=wanted))
    return Move(put(scene.state, app), run, touched=(app.name,))


def watch(scene: Scene, run: Run, step: Step) -> Move:
    """Has it been tried, and did it help?"""
    app = scene.app
    assert app is not None and run.since is not None
    recovery = app.kept.recovery
    if step.do == "stop":
        return _stopped(scene, run, app)
    tried = recovery.last_attempt is not None and recovery.last_attempt >= run.since
    if recovery.phase != "idle":
        return stay(scene, run)
    if app.condition == "healthy" and (tried or scene.calm):
        return end(scene, run, "done", f"{app.name} is healthy")
    if recovery.open and app.condition != "starting":
        why = recovery.failure or app.reason
        return end(scene, run, "failed", f"{recovery.attempts} attempts did not help: {why}")
    if tried and app.kept.wanted is None and ailment(app) is None and app.condition != "starting":
        return end(scene, run, "failed", f"{app.name} is {app.condition}: {app.reason}")
    return stay(scene, run)


def _stopped(scene: Scene, run: Run, app: AppState) -> Move:
    if app.condition == "stopped":
        return end(scene, run, "done", f"{app.name} is stopped")
    if app.kept.wanted is None and app.kept.recovery.phase == "idle":
        return end(scene, run, "failed", f"{app.name} is {app.condition}: {app.reason}")
    return stay(scene, run)


# capture


def keep_evidence(scene: Scene, run: Run, step: Step) -> Move:
    return want(scene, run, "capture")


def kept_evidence(scene: Scene, run: Run, step: Step) -> Move:
    if run.outcome is None:
        return stay(scene, run)
    return end(scene, run, run.outcome.result, run.outcome.why)


# isolate, wait_healthy


def cut_off(scene: Scene, run: Run, step: Step) -> Move:
    app = scene.app
    assert app is not None
    wish = Isolation(by=f"edged, {label(scene)}", since=scene.now)
    return Move(put(scene.state, replace(app, kept=replace(app.kept, isolation=wish))), run, touched=(app.name,))


def is_cut_off(scene: Scene, run: Run, step: Step) -> Move:
    app = scene.app
    assert app is not None
    wish = app.kept.isolation
    if wish is None:
        return end(scene, run, "failed", f"{app.name} is not isolated any more")
    if wish.told:
        return end(scene, run, "done", f"{app.name} is cut off; edged isolate {app.name} --undo connects it again")
    return end(scene, run, "failed", wish.problem) if wish.problem else stay(scene, run)


def wait(scene: Scene, run: Run, step: Step) -> Move:
    return stay(scene, run)


def is_healthy(scene: Scene, run: Run, step: Step) -> Move:
    app = scene.app
    if app is not None and app.condition == "healthy":
        return end(scene, run, "done", f"{app.name} is healthy")
    return stay(scene, run)


def dropped(app: AppState, alert: str) -> AppState:
    """What this alert's runbook wanted of the recovery is not wanted any more."""
    wanted = app.kept.wanted
    if wanted is None or wanted.alert != alert:
        return app
    return replace(app, kept=replace(app.kept, wanted=None))


def budget(app: AppState, seen: View) -> str:
    """The restart budget in words."""
    recovery, rules = app.kept.recovery, app.config.restart
    used = sum(1 for at in recovery.charged if at + rules.per > seen.now)
    return f"{used} of {rules.budget} restarts spent" + ("; the circuit is open" if recovery.open else "")
