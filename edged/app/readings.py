"""``ports.Readings``: what edged knows, for whoever asks by a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..ports import NotFound, StoredEvent
from ..report.snapshot import Snapshot
from ..report.status import app, status
from ..report.summary import STATES, TYPES, summary

MOST_EVENTS = 20_000
"""Rows of the history that one report is made from: some 12 MB in memory, and the newest ones when there are more."""
MOST_EARLIER = 2000
encode = msgspec.json.Encoder(order="deterministic").encode


class OwnReadings:
    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        outbox: Callable[[], dict[str, Any]],
        history: Callable[[float, tuple[str, ...], int], list[StoredEvent]],
    ) -> None:
        self._snapshot, self._outbox, self._history = snapshot, outbox, history

    def status(self, name: str) -> bytes:
        """All, or one app. Raises ``NotFound``."""
        shot = self._snapshot()
        if not name:
            return encode(status(shot, self._outbox()))
        if name not in shot.state.apps:
            raise NotFound(f"there is no app {name} any more")
        return encode(app(shot, shot.state.apps[name]))

    def report(self, since: float) -> bytes:
        """Raises ``StorageError``."""
        shot = self._snapshot()
        begin = shot.wall - since
        rows = self._history(begin, TYPES, MOST_EVENTS)
        complete = len(rows) < MOST_EVENTS
        if not complete:
            begin = rows[0].wall
        earlier = [row for row in self._history(0.0, STATES, MOST_EARLIER) if row.wall < begin]
        states: dict[str, str] = {name: one.condition for name, one in shot.state.apps.items()}
        counted = summary([*earlier, *rows], begin, shot.wall, states, complete=complete)
        return encode({"device": shot.config.device.id, "boot": shot.state.boot} | counted)
