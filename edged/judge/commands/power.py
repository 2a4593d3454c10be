"""``restart``, ``start``, ``stop``: a person wants it now. Spends no budget, works in maintenance too."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import AppState, CommandState, Stopped
from ..answer import accepted, rejected
from ..outcome import Judgement, View
from ..recovery import begin_command


class AppArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of commands about one app."""

    app: str


def restart(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    running = app.container is not None and app.container.status in ("running", "paused")
    return _power(app, "restart" if running else "start", fact, view)


def start(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    if app.condition in ("healthy", "starting"):
        return Judgement(view.state, events=(rejected(fact, app.name, "already_running", f"{app.name} runs already"),))
    return _power(app, "start", fact, view)


def stop(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    if app.condition == "stopped":
        return Judgement(view.state, events=(rejected(fact, app.name, "already_stopped", f"{app.name} is stopped"),))
    return _power(app, "stop", fact, view)


def _power(app: AppState, remedy: str, fact: CommandReceived, view: View) -> Judgement:
    """Hands the wish to the recovery machine, which captures evidence, acts and verifies as always."""
    state, recovery = view.state, app.kept.recovery
    if app.container is None:
        why = f"{app.name} has no container: create it first (edged never creates containers)"
        return Judgement(state, events=(rejected(fact, app.name, "no_container", why),))
    if not state.engine.up:
        return Judgement(
            state, events=(rejected(fact, app.name, "engine_down", "the container engine does not answer"),)
        )
    if recovery.phase != "idle":
        why = f"{app.name} is just being {'restarted' if recovery.remedy == 'restart' else recovery.remedy + 'ed'}"
        return Judgement(state, events=(rejected(fact, app.name, "busy", why),))
    if remedy == "stop":
        app = replace(app, kept=replace(app.kept, stopped=Stopped(by=fact.origin, at=view.now)))
    begun = begin_command(app, remedy, fact, view)
    command = CommandState(id=fact.id, type=fact.type, app=app.name, origin=fact.origin, since=view.now)
    new = replace(state, apps={**state.apps, app.name: begun.app}, commands={**state.commands, fact.id: command})
    answer = accepted(fact, app.name, f"{remedy} of {app.name} begins")
    return Judgement(new, begun.actions, (answer, *begun.events), (app.name,))
