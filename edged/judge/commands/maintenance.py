"""``maintenance.set``: edged keeps reporting and takes no action by itself, until a time."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec.structs import replace

from ...config.units import format_duration
from ...vocabulary.events import MaintenanceChanged
from ...vocabulary.facts import CommandReceived
from ...vocabulary.state import Maintenance
from ..answer import done, rejected
from ..outcome import Judgement, View

LONGEST = 30 * 86400.0


class MaintenanceArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    on: bool
    seconds: float = 0.0
    """How long, with ``on``."""
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""


def set_maintenance(args: MaintenanceArgs, fact: CommandReceived, view: View) -> Judgement:
    state, now = view.state, view.now
    app = state.apps[args.app]
    before = app.kept.maintenance
    if args.on:
        if not 0.0 < args.seconds <= LONGEST:
            why = "maintenance must end by itself: give a duration of at most 30d"
            return Judgement(state, events=(rejected(fact, app.name, "bad_arguments", why),))
        if not args.why:
            why = "say why: it is shown to everybody who wonders why nothing happens"
            return Judgement(state, events=(rejected(fact, app.name, "bad_arguments", why),))
        wanted = Maintenance(owner=fact.origin, why=args.why, since=now, until=now + args.seconds)
        told = MaintenanceChanged(subject=app.name, on=True, owner=fact.origin, why=args.why, seconds=args.seconds)
        message = f"{app.name} is in maintenance for {format_duration(args.seconds)}: edged reports and does not act"
        if app.kept.isolation is not None:
            message = f"{message}; it stays cut off from its networks: edged isolate {app.name} --undo connects it"
    else:
        if before is None:
            return Judgement(
                state, events=(rejected(fact, app.name, "not_in_maintenance", f"{app.name} is not in maintenance"),)
            )
        wanted = None
        told = MaintenanceChanged(
            subject=app.name, on=False, owner=fact.origin, why=args.why, seconds=now - before.since
        )
        message = f"maintenance of {app.name} is over: edged acts again"
    new = replace(app, kept=replace(app.kept, maintenance=wanted))
    return Judgement(
        replace(state, apps={**state.apps, app.name: new}),
        events=(told, done(fact, app.name, message)),
        touched=(app.name,),
    )
