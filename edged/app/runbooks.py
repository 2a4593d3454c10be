"""What the command line asks about runbooks: those in force, and what one would do now."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..config import Config
from ..ports import Request, Response, Routes
from ..report.runbooks import listed
from ..report.snapshot import Snapshot

_encode = msgspec.json.Encoder(order="deterministic").encode


def routes(snapshot: Callable[[], Snapshot]) -> Routes:
    return {("GET", "/v1/runbooks"): lambda request: _runbooks(snapshot(), request)}


def _runbooks(shot: Snapshot, request: Request) -> Response:
    """All of them; with ``alert`` and ``subject``: what would be done about that now."""
    alert, subject = (request.query.get(name, [""])[0] for name in ("alert", "subject"))
    config: Config = shot.config
    if not alert:
        return Response(200, _encode(listed(config, shot.state)) + b"\n")
    # Imported here: hardly anybody asks, and it would be in memory for ever.
    from ..judge.runbooks.explain import Unknown, explain

    try:
        found = explain(shot.state, config, shot.now, alert, subject)
    except Unknown as error:
        return Response(404, _encode({"error": str(error)}) + b"\n")
    return Response(200, _encode(found) + b"\n")
