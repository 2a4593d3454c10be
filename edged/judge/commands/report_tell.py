"""``report.tell``: the verdict of a review, as an event for whoever reads a fleet's reports."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...vocabulary.facts import CommandReceived
from ...vocabulary.people_events import ReportMade
from ..answer import done
from ..outcome import Judgement, View

Finding = Annotated[str, Meta(max_length=300)]


class TellArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    verdict: Literal["ok", "attention"]
    seconds: Annotated[float, Meta(gt=0.0, le=366 * 86400.0)]
    """How long a time it is about."""
    findings: Annotated[tuple[Finding, ...], Meta(max_length=20)] = ()


def tell(args: TellArgs, fact: CommandReceived, view: View) -> Judgement:
    told = ReportMade(
        subject="edged", verdict=args.verdict, seconds=args.seconds, findings=args.findings, by=fact.origin
    )
    return Judgement(view.state, events=(told, done(fact, "edged", f"told: {args.verdict}")))
