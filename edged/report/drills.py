"""What is known of an app's drills, for ``edged status`` and Prometheus. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..vocabulary.state import AppState
from .payloads import rfc3339
from .snapshot import Snapshot


def under_way(a: AppState) -> dict[str, Any] | None:
    drill = a.kept.drill
    return None if drill is None else {"kind": drill.kind, "phase": drill.phase}


def last(shot: Snapshot, a: AppState) -> dict[str, Any]:
    """What came of the last one of each kind."""
    return {
        kind: {
            "time": rfc3339(shot.unix(one.at)),
            "ok": one.ok,
            "detection_seconds": _rounded(one.detection),
            "recovery_seconds": _rounded(one.recovery),
            "code": one.code,
        }
        for kind, one in sorted(a.kept.drilled.items())
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def families(shot: Snapshot) -> Iterator[Any]:
    """What ``/metrics`` tells."""
    from prometheus_client.core import GaugeMetricFamily

    labels = ["app", "kind"]
    running = GaugeMetricFamily("edged_drill_running", "1 while a drill of the app is under way", labels=["app"])
    ok = GaugeMetricFamily("edged_drill_ok", "1 when the last drill was noticed and mended", labels=labels)
    detection = GaugeMetricFamily(
        "edged_drill_detection_seconds", "Last drill: from the failure to its detection", labels=labels
    )
    recovery = GaugeMetricFamily(
        "edged_drill_recovery_seconds", "Last drill: from the failure to verified healthy", labels=labels
    )
    when = GaugeMetricFamily("edged_drill_timestamp_seconds", "Unix time of the end of the last drill", labels=labels)
    for name, app in shot.state.apps.items():
        running.add_metric([name], float(app.kept.drill is not None))
        for kind, one in sorted(app.kept.drilled.items()):
            ok.add_metric([name, kind], float(one.ok))
            when.add_metric([name, kind], shot.unix(one.at))
            if one.detection is not None:
                detection.add_metric([name, kind], one.detection)
            if one.recovery is not None:
                recovery.add_metric([name, kind], one.recovery)
    yield from (running, ok, detection, recovery, when)
