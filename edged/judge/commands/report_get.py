"""``report.get``: what happened of late, counted from the event history."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ...vocabulary.facts import CommandReceived
from .. import readout
from ..outcome import Judgement, View


class ReportArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[float, Meta(gt=0.0, le=35 * 86400.0)] = 7 * 86400.0
    """Seconds back."""


def report_get(args: ReportArgs, fact: CommandReceived, view: View) -> Judgement:
    return readout.begin(fact, "edged", view, what="report", since=args.since)
