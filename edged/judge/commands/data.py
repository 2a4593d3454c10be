"""``data.list``, ``data.backup``, ``data.restore``: copies of what an app has written, and going back to one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from ...vocabulary.data import LATEST
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import CommandState
from .. import backups, readout, restore_guard, restoring
from ..answer import accepted, rejected
from ..outcome import Judgement, Outcome, View
from .power import AppArgs


class RestoreArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    which: Annotated[str, Meta(min_length=1, max_length=128)] = LATEST
    """A backup's name; none given: the newest good one."""


def list_backups(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    return readout.begin(fact, args.app, view, what="backups", app=args.app)


def back_up(args: AppArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    if refused := backups.refusal(app, view):
        return Judgement(view.state, events=(rejected(fact, app.name, *refused),))
    begun = backups.begin(app, fact.origin, fact.id, view)
    return _begun(begun, fact, f"the data of {app.name} is backed up", view)


def restore(args: RestoreArgs, fact: CommandReceived, view: View) -> Judgement:
    app = view.state.apps[args.app]
    if refused := restore_guard.refusal(app, view):
        return Judgement(view.state, events=(rejected(fact, app.name, *refused),))
    command = CommandState(id=fact.id, type=fact.type, app=app.name, origin=fact.origin, since=view.now)
    known = View(replace(view.state, commands={**view.state.commands, fact.id: command}), view.config, view.now)
    begun = restoring.begin(app, args.which, fact.id, fact.origin, known)
    return _begun(begun, fact, f"a good backup is looked for; {app.name} is stopped when there is one", view)


def _begun(begun: Outcome, fact: CommandReceived, message: str, view: View) -> Judgement:
    name = begun.app.name
    command = CommandState(id=fact.id, type=fact.type, app=name, origin=fact.origin, since=view.now)
    state = replace(
        view.state, apps={**view.state.apps, name: begun.app}, commands={**view.state.commands, fact.id: command}
    )
    return Judgement(state, begun.actions, (accepted(fact, name, message), *begun.events), (name,))
