"""Steps that are a command of edged's own: back to the model, the configuration or the data of before. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ...config.runbooks import WORDS, Step
from ...vocabulary.deployments import TOUCHING, Kind
from ...vocabulary.events import CommandAnswered
from ...vocabulary.facts import CommandReceived
from ...vocabulary.runbooks import Run
from ..ailment import hands_off
from ..artifacts import placed, rules_of
from ..remedies import next_id
from .move import Move, end, label, put, stay, view
from .scene import Scene

COMMANDS = {"rollback_model": "model.rollback", "restore_config": "config.rollback", "restore_data": "data.restore"}
KINDS: dict[str, Kind] = {"rollback_model": "model", "restore_config": "config"}


def unfit(scene: Scene, step: Step) -> tuple[Literal["skipped", "refused"], str] | None:
    app = scene.app
    if app is None:
        return "refused", f"{scene.subject} is no app that edged watches now"
    if not app.config.restart.enabled:
        return "skipped", f"edged only observes {app.name}"
    if step.do == "restore_data":
        return None if app.config.data is not None else ("refused", f"the configuration of {app.name} has no `data:`")
    kind = KINDS[step.do]
    if rules_of(app, kind) is None:
        key = "model" if kind == "model" else "app_config"
        return "refused", f"the configuration of {app.name} has no `{key}:`"
    previous = placed(app, kind).previous
    if previous is None or not previous.digest:
        return "refused", f"there is no {kind} of {app.name} from before the present one"
    return None


def held(scene: Scene, run: Run, step: Step) -> tuple[str, float | None] | None:
    """What is under way on the app comes to its end first."""
    app = scene.app
    if app is None or run.since is not None:
        return None
    off = hands_off(app, view(scene))
    if off is not None:
        return off.reason or "edged is stopping", off.until
    if app.kept.recovery.phase != "idle":
        return "", None  # a moment, that is not worth a word
    running = app.kept.deployment
    return (f"a deployment is under way ({running.phase})", None) if running and running.phase in TOUCHING else None


def give(scene: Scene, run: Run, step: Step) -> Move:
    """Gives the command, as a person would, in edged's own name."""
    from ..commands import received

    assert scene.app is not None
    app, identity = next_id(scene.app, view(scene))
    command = CommandReceived(
        at=scene.now,
        id=f"runbook-{identity}",
        type=COMMANDS[step.do],
        args={"app": app.name},
        origin=f"edged, {label(scene)}" + (f": {WORDS[step.when[0]]}" if step.when and step.when[0] in WORDS else ""),
    )
    judged = received(put(scene.state, app), command, scene.config, scene.now)
    run = replace(run, command=command.id)
    refused = [one for one in judged.events if isinstance(one, CommandAnswered) and one.status == "rejected"]
    if refused:
        return Move(judged.state, run, "refused", refused[0].message, events=judged.events)
    return Move(judged.state, run, actions=judged.actions, events=judged.events, touched=(app.name, *judged.touched))


def answered(scene: Scene, run: Run, step: Step) -> Move:
    """The command's last answer is the step's result."""
    state = scene.state
    if run.command in state.commands:
        return stay(scene, run)
    found = state.answered.get(run.command)
    if found is None:
        return end(scene, run, "failed", "it got no answer")
    return end(scene, run, "done" if found.answer.status == "succeeded" else "failed", found.answer.message)
