"""``evidence.get``: what was kept before a restart destroyed it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ...vocabulary.facts import CommandReceived
from .. import readout
from ..answer import rejected
from ..outcome import Judgement, View


class EvidenceArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str | None = None
    """Its latest record, unless ``which`` names one."""
    which: Annotated[str, Meta(max_length=1024)] = ""
    """A record: its name, or its path as the event of its capture tells it."""


def evidence_get(args: EvidenceArgs, fact: CommandReceived, view: View) -> Judgement:
    if args.app is None and not args.which:
        why = "say which: app=NAME for its latest record, or which=RECORD"
        return Judgement(view.state, events=(rejected(fact, "edged", "bad_arguments", why),))
    return readout.begin(fact, args.app or "edged", view, what="evidence", app=args.app or "", which=args.which)
