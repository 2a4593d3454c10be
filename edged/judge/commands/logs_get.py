"""``logs.get``: the last log lines of an app's container."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ...vocabulary.facts import CommandReceived
from .. import readout
from ..answer import rejected
from ..outcome import Judgement, View


class LogsArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    lines: Annotated[int, Meta(ge=1, le=10_000)] = 200
    since: Annotated[float, Meta(gt=0.0, le=35 * 86400.0)] | None = None
    """Seconds back; none given: as far as there are lines."""


def logs_get(args: LogsArgs, fact: CommandReceived, view: View) -> Judgement:
    container = view.state.apps[args.app].container
    if container is None:
        why = f"{args.app} has no container, so there are no logs; evidence.get shows what was kept of the last one"
        return Judgement(view.state, events=(rejected(fact, args.app, "no_container", why),))
    if not view.state.engine.up:
        why = "the container engine does not answer"
        return Judgement(view.state, events=(rejected(fact, args.app, "engine_down", why),))
    return readout.begin(
        fact,
        args.app,
        view,
        what="logs",
        app=args.app,
        container_id=container.id,
        lines=args.lines,
        since=args.since or 0.0,
    )
