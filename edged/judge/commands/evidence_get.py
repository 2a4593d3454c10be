"""``evidence.get``: what was kept before a restart destroyed it."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from ...vocabulary.facts import CommandReceived
from .. import readout
from ..answer import rejected
from ..outcome import Judgement, View

INCIDENT = re.compile(r"INC-\d{4}-\d\d-\d\d-\d{3,}")
END = re.compile(r"[\d-]{3,}")
"""The end of such an id, as people write it."""


class EvidenceArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str | None = None
    """Its latest record, unless ``which`` names one."""
    which: Annotated[str, Meta(max_length=1024)] = ""
    """A record: its name, or its path as the event of its capture tells it. Or an incident: all of its records."""


def evidence_get(args: EvidenceArgs, fact: CommandReceived, view: View) -> Judgement:
    if args.app is None and not args.which:
        why = "say which: app=NAME for its latest record, which=RECORD, or which=INCIDENT for all of its records"
        return Judgement(view.state, events=(rejected(fact, "edged", "bad_arguments", why),))
    which = _whole(args.which, view) if END.fullmatch(args.which) else args.which
    if INCIDENT.fullmatch(which):
        book = view.state.incidents
        incident = book.open.get(which) or book.closed.get(which)
        known = tuple(exhibit.path for exhibit in incident.evidence) if incident is not None else ()
        subject = incident.cause if incident is not None else "edged"
        return readout.begin(fact, subject, view, what="evidence", incident=which, paths=known)
    return readout.begin(fact, args.app or "edged", view, what="evidence", app=args.app or "", which=args.which)


def _whole(end: str, view: View) -> str:
    """The id of the one incident that ends so; else what was given."""
    book = view.state.incidents
    found = [known for known in (*book.open, *book.closed) if known.endswith(f"-{end}")]
    return found[0] if len(found) == 1 else end
