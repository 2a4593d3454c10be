"""``status.get``: what ``edged status --json`` shows."""

from __future__ import annotations

import msgspec

from ...vocabulary.facts import CommandReceived
from .. import readout
from ..outcome import Judgement, View


class StatusArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str | None = None
    """None given: of everything."""


def status_get(args: StatusArgs, fact: CommandReceived, view: View) -> Judgement:
    return readout.begin(fact, args.app or "edged", view, what="status", app=args.app or "")
