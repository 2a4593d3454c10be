"""How the backups of an app's data stand, for ``edged status`` and the journal. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..vocabulary.data_events import DataBackedUp, DataRestored
from ..vocabulary.state import AppState
from .payloads import rfc3339
from .snapshot import Snapshot


def picture(shot: Snapshot, a: AppState) -> dict[str, Any] | None:
    """``None``: nobody said what its data is."""
    care = a.kept.data
    if a.config.data is None and care.restoring is None:
        return None
    restoring = care.restoring
    return {
        "last": care.last,
        "last_time": rfc3339(shot.unix(care.last_at)) if care.last_at else None,
        "next_time": rfc3339(shot.unix(care.next_at)) if care.next_at else None,
        "under_way": bool(care.action_id),
        "error": care.error,
        "restoring": None if restoring is None else {"phase": restoring.phase, "which": restoring.which},
        "restore_error": care.stuck,
    }


def families(shot: Snapshot) -> Iterator[Any]:
    """What ``/metrics`` tells."""
    from prometheus_client.core import GaugeMetricFamily

    made = GaugeMetricFamily(
        "edged_data_backup_timestamp_seconds", "Unix time of the newest backup of the app's data", labels=["app"]
    )
    ok = GaugeMetricFamily("edged_data_backup_ok", "1 when the last attempt at a backup made one", labels=["app"])
    for name, app in shot.state.apps.items():
        care = app.kept.data
        if app.config.data is None or not (care.last_at or care.error):
            continue
        ok.add_metric([name], float(not care.error))
        if care.last_at:
            made.add_metric([name], shot.unix(care.last_at))
    yield from (made, ok)


def sentence(event: DataBackedUp | DataRestored) -> str:
    who = event.subject
    if isinstance(event, DataBackedUp):
        if not event.ok:
            return f"{who}: NO backup of its data [{event.code}]: {event.reason}"
        how = f"verified {event.verified}" if event.verified else "not verified by the app"
        return f"{who}: its data is backed up as {event.name}, {event.bytes} bytes, {how}"
    if not event.ok:
        return f"{who}: the restore of its data by {event.by} FAILED [{event.code}]: {event.reason}"
    return f"{who}: its data is that of {event.name} again, by {event.by}; what was there is kept as {event.aside}"
