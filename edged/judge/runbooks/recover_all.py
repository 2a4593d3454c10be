"""``recover_all`` and ``smoke_test``: everything comes up in order, each app seen healthy and its model tried. Pure.

The recovery of each app starts it, as always; ``order`` tells it whom it has to wait for as long as this runs.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ...config.runbooks import Step, timeout_of
from ...vocabulary.actions import SmokeTest
from ...vocabulary.deployments import SIDE
from ...vocabulary.runbooks import Past, Run
from ...vocabulary.state import AppState
from .. import order
from ..artifacts import placed, where
from ..remedies import next_id
from .move import Move, end, label, put, stay, view
from .scene import Scene

SMOKE = "smoke"
TIMEOUT = 60.0
"""Seconds for one app's smoke inputs."""


def unfit(scene: Scene, step: Step) -> tuple[Literal["skipped", "refused"], str] | None:
    if step.do == "recover_all":
        other = order.recovering(scene.state)
        if other is None or other.since is None or other.subject == scene.subject:
            return None
        return "skipped", f"it is being done for {other.alert} just now"
    if scene.app is not None and not order.smoke_url(scene.app):
        return "skipped", f"{scene.app.name} has no model by edged, or no `model.smoke` that says where it answers"
    if scene.app is None and not any(map(order.smoke_url, scene.state.apps.values())):
        return "skipped", "no app has a model by edged and `model.smoke`"
    return None


def held(scene: Scene, run: Run, step: Step) -> tuple[str, float | None] | None:
    state = scene.state
    if state.stopping:
        return "edged is stopping", None
    if state.engine.up and state.engine.listed:
        return None
    return ("the container engine does not answer", None) if not run.action_id else None


# recover_all


def begin(scene: Scene, run: Run, step: Step) -> Move:
    touched = tuple(scene.state.apps)
    return Move(scene.state, replace(run, phase=order.PHASE, smoked=()), touched=touched)


def look(scene: Scene, run: Run, step: Step) -> Move:
    """The first rank that is not up yet is what it waits for."""
    state = scene.state
    run, moved = _smoked(run)
    touched = tuple(n for n, a in state.apps.items() if a.kept.recovery.ailment) if moved else ()
    if run.action_id:
        return Move(state, run, touched=touched)
    ranks = order.ranks(state)
    open_ones = [app for app in state.apps.values() if not order.settled(app, run, state, scene.config)]
    late = [app for app in open_ones if scene.now >= order.patience(app, run)]
    waiting = [app for app in open_ones if app not in late]
    if not waiting:
        return replace(_over(scene, run), touched=tuple(state.apps))
    front = min(ranks[app.name] for app in waiting)
    for app in waiting:
        if ranks[app.name] == front and app.condition == "healthy":
            return _try(scene, run, app, timeout=TIMEOUT)
    return Move(state, run, until=min(order.patience(app, run) for app in waiting), touched=touched)


def _over(scene: Scene, run: Run) -> Move:
    apps = [app for app in scene.state.apps.values() if not order.left_alone(app, scene.config)]
    ill = [f"{app.name} ({app.condition})" for app in apps if app.condition != "healthy"]
    ill += [past.why for past in run.past if past.step == SMOKE and past.result == "failed"]
    if ill:
        return end(scene, run, "failed", f"not all apps are well: {', '.join(ill)}")
    tried = f", and {', '.join(run.smoked)} answered the smoke inputs" if run.smoked else ""
    return end(scene, run, "done", f"{len(apps)} apps are healthy{tried}")


# smoke_test


def ask(scene: Scene, run: Run, step: Step) -> Move:
    return ask_next(scene, replace(run, phase=SMOKE, smoked=()), step)


def ask_next(scene: Scene, run: Run, step: Step) -> Move:
    """One app after the other."""
    run, _ = _smoked(run)
    if run.action_id:
        return stay(scene, run)
    apps = [scene.app] if scene.app is not None else list(scene.state.apps.values())
    left = [app for app in apps if order.smoke_url(app) and app.name not in run.smoked]
    if left:
        ready = next((app for app in left if app.condition == "healthy"), None)
        return _try(scene, run, ready, timeout=timeout_of(step)) if ready is not None else stay(scene, run)
    bad = [past.why for past in run.past if past.step == SMOKE and past.result == "failed"]
    if bad:
        return end(scene, run, "failed", "; ".join(bad))
    return end(scene, run, "done", f"{', '.join(run.smoked)} answered as the model does")


def _try(scene: Scene, run: Run, app: AppState, *, timeout: float) -> Move:
    app, action_id = next_id(app, view(scene))
    action = SmokeTest(
        id=action_id,
        subject=app.name + SIDE,
        reason=f"{label(scene)}: does {app.name} answer as its model does?",
        timeout=timeout,
        where=where(app, "model"),
        digest=placed(app, "model").current.digest,
        url=order.smoke_url(app),
    )
    return Move(put(scene.state, app), replace(run, action_id=action_id, command=app.name), actions=(action,))


def _smoked(run: Run) -> tuple[Run, bool]:
    """Notes how the app that was asked answered. One whose bundle brings no inputs has nothing to fail."""
    if run.outcome is None or not run.command:
        return run, False
    answer = replace(run.outcome, step=SMOKE, why=f"{run.command}: {run.outcome.why}")
    past = (*run.past, answer) if answer.result == "failed" else run.past
    return replace(run, past=past, smoked=(*run.smoked, run.command), command="", outcome=None), True


def answered(ok: bool, code: str, error: str) -> Past:
    if ok or code == "no_smoke":
        return Past(SMOKE, "done", "as its model does" if ok else "its bundle brings no smoke inputs")
    return Past(SMOKE, "failed", error)
