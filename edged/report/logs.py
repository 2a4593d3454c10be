"""The apps' logs in numbers for readers: Prometheus families, and ``status``. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..config.logs import asked
from ..vocabulary.log_facts import LOG_KINDS
from ..vocabulary.state import AppState
from .snapshot import Snapshot

KINDS = ("lines", *LOG_KINDS, "skipped")
MINUTE = 60.0


def families(shot: Snapshot) -> Iterator[Any]:
    """What ``/metrics`` tells. The counters go on over restarts of edged."""
    from prometheus_client.core import CounterMetricFamily

    lines = CounterMetricFamily(
        "edged_log_lines",
        "Lines of the app's log: all, those that match, and those that nobody looked at",
        labels=["app", "kind"],
    )
    for name, app in shot.state.apps.items():
        if asked(app.config.logs, app.discovered) is None:
            continue
        book = shot.state.logs.get(name)
        totals = book.totals if book is not None else {}
        for kind in KINDS:
            lines.add_metric([name, kind], float(totals.get(kind, 0)))
    yield lines


def picture(shot: Snapshot, app: AppState) -> dict[str, Any] | None:
    """For ``status``; ``None``: its log is not read."""
    if asked(app.config.logs, app.discovered) is None:
        return None
    book = shot.state.logs.get(app.name)
    marks = [mark for mark in app.log.marks if mark.at > shot.now - MINUTE]
    return {
        "last_minute": {kind: sum(mark.counts.get(kind, 0) for mark in marks) for kind in LOG_KINDS},
        "totals": {kind: book.totals.get(kind, 0) if book is not None else 0 for kind in KINDS},
        "samples": {kind: list(lines) for kind, lines in app.log.samples.items()} if marks else {},
    }
