"""``drill.run``: a failure made on purpose, and the time that edged takes to notice and to mend it."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from ...vocabulary.drills import DrillKind
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import CommandState
from .. import drill
from ..answer import accepted, rejected
from ..drill_guard import refused
from ..outcome import Judgement, View


class DrillArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    kind: DrillKind


def run_drill(args: DrillArgs, fact: CommandReceived, view: View) -> Judgement:
    state = view.state
    app = state.apps[args.app]
    why_not = refused(app, args.kind, view)
    if why_not is not None:
        return Judgement(state, events=(rejected(fact, app.name, *why_not),))
    command = CommandState(id=fact.id, type=fact.type, app=app.name, origin=fact.origin, since=view.now)
    begun = drill.begin(app, args.kind, fact.id, fact.origin, view)
    new = replace(state, apps={**state.apps, app.name: begun.app}, commands={**state.commands, fact.id: command})
    told = accepted(fact, app.name, f"the drill {args.kind} of {app.name} begins")
    return Judgement(new, begun.actions, (told, *begun.events), (app.name,))
