"""Steps about the host and the engine (pausing, pruning, restarting the engine), and what is only told. Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from ...config.runbooks import Step, timeout_of
from ...vocabulary.actions import PruneDisk
from ...vocabulary.events import Event, RunbookEscalated
from ...vocabulary.runbooks import Run
from .. import pressure
from .move import Move, end, label, stay, told
from .scene import Scene

Unfit = tuple[Literal["skipped", "refused"], str] | None
Held = tuple[str, float | None] | None
HOST_MEMORY = ("HighMemory", "host")
"""The alert whose pauses ``pressure`` makes by itself, one after the other."""


# pause_lower_priority


def pause_unfit(scene: Scene, step: Step) -> Unfit:
    if not scene.state.engine.listed or pressure.to_pause(scene.state, spare=scene.subject) is not None:
        return None
    if _paused_just_now(scene):
        return None
    return "refused", "there is no app that runs, is less important, and may be paused"


def _paused_just_now(scene: Scene) -> bool:
    """In this very turn, by ``pressure``: the step is only about to begin."""
    return scene.state.host.paused_at == scene.now


def pause_held(scene: Scene, run: Run, step: Step) -> Held:
    if run.since is not None:
        return None
    return None if scene.state.engine.up else ("the container engine does not answer", None)


def pause(scene: Scene, run: Run, step: Step) -> Move:
    run = replace(run, reached=(*run.reached, step.do))
    if (run.alert, run.subject) == HOST_MEMORY and not scene.config.host.pressure.pause:
        return end(scene, run, "refused", "host.pressure.pause is off")
    if (run.alert, run.subject) == HOST_MEMORY or _paused_just_now(scene):
        return stay(scene, run)
    judged = pressure.pause_one(scene.state, scene.config, scene.now, label(scene), spare=scene.subject)
    return Move(judged.state, run, actions=judged.actions, events=judged.events, touched=judged.touched)


def paused(scene: Scene, run: Run, step: Step) -> Move:
    assert run.since is not None
    names = sorted(n for n, a in scene.state.apps.items() if a.kept.paused_by_edged and a.condition == "paused")
    if names and scene.state.host.paused_at >= run.since:
        return end(scene, run, "done", f"{', '.join(names)} is paused; it goes on when the alert is over")
    return stay(scene, run)


# prune_disk


def prune_unfit(scene: Scene, step: Step) -> Unfit:
    if not any(app.config.restart.enabled for app in scene.state.apps.values()):
        return "skipped", "edged only observes this device: the configuration names no app that it may act on"
    return None


def prune_held(scene: Scene, run: Run, step: Step) -> Held:
    return ("edged is stopping", None) if run.since is None and scene.state.stopping else None


def prune(scene: Scene, run: Run, step: Step) -> Move:
    state, rules = scene.state, scene.config.host.disk.prune
    keep = {*state.apps, *scene.config.apps}
    for app in state.apps.values():
        if app.container is not None:
            keep |= {app.container.id, app.container.name}
        if isinstance(app.config.container, str):
            keep.add(app.config.container)
    action = PruneDisk(
        id=f"prune-{state.boot}-{int(scene.now * 1000)}-{run.tries}",
        subject="host",
        reason=f"{run.alert} {run.subject} ({label(scene)})",
        timeout=timeout_of(step),
        keep=tuple(sorted(keep)),
        logs=rules.logs,
        min_age=rules.min_age,
    )
    if any(other.action_id.startswith("prune-") for other in state.runs.values() if other is not run):
        return end(scene, run, "skipped", "the disk is just being pruned for another alert")
    return Move(state, replace(run, action_id=action.id), actions=(action,), events=(told(action),))


def pruned(scene: Scene, run: Run, step: Step) -> Move:
    if run.outcome is None:
        return stay(scene, run)
    return end(scene, run, run.outcome.result, run.outcome.why)


def freed(result: dict[str, Any]) -> str:
    """What pruning came to, in words."""
    removed, failed = result.get("removed", ()), result.get("failed", ())
    words = f"{int(result.get('freed', 0)) / 2**20:.0f} MiB are free again"
    if removed:
        words += f"; removed {len(removed)} stopped containers: {', '.join(map(str, removed))}"
    if failed:
        words += f"; not everything went: {'; '.join(map(str, failed))}"
    return words[:500]


# restart_engine


def engine_unfit(scene: Scene, step: Step) -> Unfit:
    if scene.config.docker.restart.after <= 0.0:
        return "refused", "docker.restart.after is 0s: edged does not restart the engine"
    return None


def engine_held(scene: Scene, run: Run, step: Step) -> Held:
    return None


def restart_engine(scene: Scene, run: Run, step: Step) -> Move:
    """``engine.look`` does it, with a budget of its own."""
    return stay(scene, replace(run, reached=(*run.reached, step.do)))


def engine_restarted(scene: Scene, run: Run, step: Step) -> Move:
    engine = scene.state.engine
    if engine.up:
        return end(scene, run, "done", f"the container engine answers ({engine.version})")
    if engine.on_purpose:
        return end(scene, run, "refused", "a person stopped the container engine, and edged leaves it alone")
    return stay(scene, run)


# notify, escalate


def never_unfit(scene: Scene, step: Step) -> Unfit:
    return None


def never_held(scene: Scene, run: Run, step: Step) -> Held:
    return None


def notify(scene: Scene, run: Run, step: Step) -> Move:
    fires = scene.fires
    return end(scene, run, "done", step.say or (fires.advice if fires is not None else "") or "see the alert")


def escalate(scene: Scene, run: Run, step: Step) -> Move:
    fires = scene.fires
    why = step.say or (fires.summary if fires is not None else "") or f"{run.alert} {run.subject}"
    event: tuple[Event, ...] = (RunbookEscalated(subject=run.subject, alert=run.alert, reason=why),)
    return Move(scene.state, run, "done", why, events=event)
