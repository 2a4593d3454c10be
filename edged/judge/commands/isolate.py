"""``isolate``: cuts a suspicious app off from its networks while it runs on, or connects it again."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ...vocabulary.deployments import TOUCHING
from ...vocabulary.facts import CommandReceived
from ...vocabulary.isolation import Isolation
from ...vocabulary.state import AppState, CommandState
from .. import isolation, run
from ..answer import accepted, done, rejected
from ..outcome import Judgement, View


class IsolateArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    undo: bool = False


def isolate(args: IsolateArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    refused = _refused(app, args.undo, view)
    if refused is not None:
        return Judgement(view.state, events=(rejected(fact, app.name, *refused),))
    known = app.kept.isolation
    if args.undo and known is not None and not known.networks:
        # It was never cut off from anything.
        return _begun(replace(app, kept=replace(app.kept, isolation=None)), fact, view, final=True)
    if args.undo and known is not None:
        wanted = replace(known, phase="joining", retry_at=0.0, command=fact.id, origin=fact.origin)
    elif known is not None:
        # The undoing did not succeed, and is given up.
        wanted = replace(known, by=fact.origin, phase="looking", retry_at=0.0, command=fact.id, origin=fact.origin)
    else:
        wanted = Isolation(by=fact.origin, since=view.now, command=fact.id, origin=fact.origin)
    return _begun(replace(app, kept=replace(app.kept, isolation=wanted)), fact, view)


def _begun(app: AppState, fact: CommandReceived, view: View, *, final: bool = False) -> Judgement:
    state = replace(view.state, apps={**view.state.apps, app.name: app})
    if final:
        answer = done(fact, app.name, f"{app.name} had not been cut off from anything; edged does not try any more")
        return Judgement(state, events=(answer,), touched=(app.name,))
    command = CommandState(id=fact.id, type=fact.type, app=app.name, origin=fact.origin, since=view.now)
    state = replace(state, commands={**state.commands, fact.id: command})
    what = "its evidence is kept, then it is cut off" if not fact.args.get("undo") else "it is connected again"
    return Judgement(state, events=(accepted(fact, app.name, f"{app.name}: {what}"),), touched=(app.name,))


def _refused(app: AppState, undo: bool, view: View) -> tuple[str, str] | None:
    """Reason code and words, if it cannot be done now."""
    known, name = app.kept.isolation, app.name
    if not view.state.engine.up:
        return "engine_down", "the container engine does not answer"
    if undo and known is None:
        return "not_isolated", f"{name} is not isolated"
    if known is not None and known.phase != "joining" and not undo:
        return "already_isolated", f"{name} is isolated since it was asked for by {known.by}"
    if not undo and not run.runs(app):
        return "not_running", f"{name} does not run ({app.condition}): there is nothing to cut off"
    busy = app.kept.recovery.phase in ("capturing", "acting") or isolation.under_way(app)
    if busy or (known is not None and known.command):
        return "busy", f"{name} is just being acted upon; try again in a moment"
    if app.kept.data.restoring is not None:
        return "busy", f"{name} stays as it is: {app.kept.data.holds}"
    if app.kept.deployment is not None and app.kept.deployment.phase in TOUCHING:
        return "busy", f"a deployment of {name} is under way ({app.kept.deployment.phase})"
    return None
