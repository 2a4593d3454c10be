"""The last deployments, from the event history. Reading it may take seconds; nobody waits for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from ...ports import StorageError, StoredEvent
from ..snapshot import Snapshot

SINCE = 30 * 86400.0
MOST_EVENTS = 300
PATIENCE = 0.15
"""Seconds that a page waits for them; the next one shows them."""


class _Told(msgspec.Struct):
    subject: str
    time: str
    data: dict[str, Any]


_decode = msgspec.json.Decoder(_Told).decode


class Deployments:
    """Asked for anew only when an app's deployment has moved on."""

    def __init__(self, history: Callable[[float, tuple[str, ...], int], list[StoredEvent]]) -> None:
        self._history = history
        self._basis: object = None
        self._found: tuple[dict[str, Any], ...] = ()
        self._trouble = ""
        self._reading = threading.Lock()

    def latest(self, shot: Snapshot) -> tuple[tuple[dict[str, Any], ...], str]:
        """(newest first, what went wrong)."""
        basis = _basis(shot)
        if basis != self._basis and self._reading.acquire(blocking=False):
            reader = threading.Thread(target=self._read, args=(basis, shot.wall), name="edged-page", daemon=True)
            reader.start()
            reader.join(PATIENCE)
        return self._found, self._trouble

    def _read(self, basis: object, wall: float) -> None:
        try:
            rows = self._history(wall - SINCE, ("deployment.changed",), MOST_EVENTS)
            self._found, self._trouble = fold(rows), ""
        except StorageError as error:
            self._trouble = f"past deployments cannot be read: {error}"
        finally:
            self._basis = basis
            self._reading.release()


def fold(rows: list[StoredEvent]) -> tuple[dict[str, Any], ...]:
    """Each deployment as its last phase tells, the newest first."""
    found: dict[str, dict[str, Any]] = {}
    for row in reversed(rows):
        try:
            told = _decode(row.payload)
        except msgspec.MsgspecError:
            continue  # a medium that forgets does not take the page away
        data = told.data
        found.setdefault(
            str(data.get("id", row.sequence)),
            {"time": told.time, "app": told.subject, "phase": data.get("new", "")}
            | {key: data.get(key, "") for key in ("kind", "name", "version", "code", "reason")},
        )
    return tuple(found.values())


def _basis(shot: Snapshot) -> object:
    """Another one when there is something new to be read. The number of events alone changes far too often."""
    return tuple(
        (name, kept.deployment and (kept.deployment.request.id, kept.deployment.phase), kept.ended, kept.deployed_at)
        for name, app in shot.state.apps.items()
        for kept in (app.kept,)
        if kept.deployment is not None or kept.ended is not None or kept.deployed_at
    )
