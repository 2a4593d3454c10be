"""``incident.note``: what a person found or did, kept in the history beside what edged did."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...vocabulary.events import NoteTaken
from ...vocabulary.facts import CommandReceived
from ..answer import done, rejected
from ..outcome import Judgement, View


class NoteArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=2000)]
    app: str | None = None
    about: Literal["host", "engine", "edged"] | None = None
    """When it is about none of the apps."""
    incident: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """Open, or closed of late."""


def take_note(args: NoteArgs, fact: CommandReceived, view: View) -> Judgement:
    if [args.app, args.about, args.incident].count(None) != 2:
        why = "say what the note is about: app=NAME, incident=ID, or about=host, about=engine, about=edged"
        return Judgement(view.state, events=(rejected(fact, "edged", "bad_arguments", why),))
    subject = args.app or args.about or ""
    if args.incident is not None:
        book = view.state.incidents
        incident = book.open.get(args.incident) or book.closed.get(args.incident)
        if incident is None:
            why = f"there is no incident {args.incident}, or it is long over: edged incidents shows those that are not"
            return Judgement(view.state, events=(rejected(fact, "edged", "unknown_incident", why),))
        subject = incident.cause
    told = NoteTaken(subject=subject, text=args.text, by=fact.origin, incident=args.incident or "")
    return Judgement(view.state, events=(told, done(fact, subject, f"noted about {args.incident or subject}")))
