"""``restart``, ``start``, ``stop``: a person wants it now. Spends no budget, works in maintenance too."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import AppState, CommandState, Stopped
from .. import drilled, hindrance, isolation
from ..answer import accepted, rejected
from ..outcome import Judgement, View
from ..recovery import begin_command

DOING = {
    "start": "started",
    "restart": "restarted",
    "stop": "stopped",
    "pause": "paused",
    "unpause": "let go on after a pause",
}


class AppArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of commands about one app."""

    app: str


def restart(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    running = app.container is not None and app.container.status in ("running", "paused")
    return _power(app, "restart" if running else "start", fact, view)


def start(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    status = app.container.status if app.container is not None else ""
    if status == "running":
        why = f"{app.name} runs already; it is {app.condition}"
        return Judgement(view.state, events=(rejected(fact, app.name, "already_running", why),))
    return _power(app, "unpause" if status == "paused" else "start", fact, view)


def stop(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    if app.condition == "stopped" and app.kept.stopped is not None:
        return Judgement(view.state, events=(rejected(fact, app.name, "already_stopped", f"{app.name} is stopped"),))
    return _power(app, "stop", fact, view)


def _power(app: AppState, remedy: str, fact: CommandReceived, view: View) -> Judgement:
    """Hands the wish to the recovery machine, which captures evidence, acts and verifies as always."""
    state = view.state
    refused = _refused(app, remedy, view)
    if refused is not None:
        return Judgement(state, events=(rejected(fact, app.name, *refused),))
    if remedy == "stop":
        app = replace(app, kept=replace(app.kept, stopped=Stopped(by=fact.origin, at=view.now)))
    begun = begin_command(app, remedy, fact, view)
    command = CommandState(id=fact.id, type=fact.type, app=app.name, origin=fact.origin, since=view.now)
    new = replace(state, apps={**state.apps, app.name: begun.app}, commands={**state.commands, fact.id: command})
    answer = accepted(fact, app.name, f"{fact.type} of {app.name} begins")
    return Judgement(new, begun.actions, (answer, *begun.events), (app.name,))


def _refused(app: AppState, remedy: str, view: View) -> tuple[str, str] | None:
    """Reason code and words, if it cannot be done now."""
    recovery = app.kept.recovery
    if not view.state.engine.up:
        return "engine_down", "the container engine does not answer"
    if app.container is None:
        return "no_container", f"{app.name} has no container: create it first (edged never creates containers)"
    # While an attempt of edged's own is only being verified nothing is under way, and a person comes first.
    if drilled.acting(app):
        return "busy", f"a step of a drill of {app.name} is just being carried out: try again in a moment"
    if isolation.under_way(app):
        return "busy", f"{app.name} is just being isolated, or connected again"
    if hindrance.reaching_in(app):
        return "busy", f"a deployment of {app.name} is just reloading it, or trying it out: try again in a moment"
    if app.kept.data.restoring is not None:
        return "busy", f"{app.name} stays as it is: {app.kept.data.holds}"
    if recovery.phase in ("capturing", "acting") or recovery.command:
        return "busy", f"{app.name} is just being {DOING.get(recovery.remedy, 'acted upon')}"
    if app.container.status == "removing" or (remedy != "stop" and app.container.status == "restarting"):
        return "busy", f"{app.name} is {app.container.status} by the engine"
    return None
