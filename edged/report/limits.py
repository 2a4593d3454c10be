"""Thresholds in force, by app and ``host``, under the keys that they have in the configuration. Pure."""

from __future__ import annotations

from typing import Any

from ..config import App
from ..config.units import format_share
from ..history.advice import limits as advisable
from .snapshot import Snapshot


def limits(shot: Snapshot) -> dict[str, Any]:
    """``in_force``: shares from 0 to 1, and seconds. ``advisable``: warnings that another value may be advised for."""
    apps = {name: app.config for name, app in sorted(shot.state.apps.items())}
    return {
        "in_force": _in_force(shot),
        "advisable": [
            {
                "subject": one.subject,
                "alert": one.alert,
                "key": one.key,
                "metric": one.metric,
                "warn": one.warn,
                "critical": one.critical,
                "for": one.for_,
                "unit": "share" if one.show is format_share else "seconds",
            }
            for one in advisable(shot.config, apps)
        ],
    }


def _in_force(shot: Snapshot) -> dict[str, dict[str, float]]:
    found = {name: _app(app.config) for name, app in sorted(shot.state.apps.items())}
    host = shot.config.host
    found["host"] = {
        "memory.warn": host.memory.warn,
        "memory.critical": host.memory.critical,
        "cpu.warn": host.cpu.warn,
        "disk.warn": host.disk.warn,
        "disk.critical": host.disk.critical,
    }
    return found


def _app(config: App) -> dict[str, float]:
    known = {"memory.warn": config.memory.warn, "memory.critical": config.memory.critical, "cpu.warn": config.cpu.warn}
    metrics = config.metrics
    if metrics is not None and metrics.latency is not None:
        known |= {"metrics.latency.warn": metrics.latency.warn, "metrics.latency.critical": metrics.latency.critical}
    if metrics is not None and metrics.errors is not None:
        known |= {"metrics.errors.warn": metrics.errors.warn, "metrics.errors.critical": metrics.errors.critical}
    if metrics is not None and metrics.quality is not None:
        known["metrics.quality.min"] = metrics.quality.min
    return known
