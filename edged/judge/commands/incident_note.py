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


def take_note(args: NoteArgs, fact: CommandReceived, view: View) -> Judgement:
    if (args.app is None) == (args.about is None):
        why = "say what the note is about: app=NAME, or about=host, about=engine, about=edged"
        return Judgement(view.state, events=(rejected(fact, "edged", "bad_arguments", why),))
    subject = args.app or args.about or ""
    told = NoteTaken(subject=subject, text=args.text, by=fact.origin)
    return Judgement(view.state, events=(told, done(fact, subject, f"noted about {subject}")))
