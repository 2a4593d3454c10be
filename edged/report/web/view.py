"""What a page is made from: the picture of ``edged status``, and what only the page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..snapshot import Snapshot
from .trends import Line

Picture = dict[str, Any]

STATES = {
    "healthy": "ok",
    "unknown": "off",
    "stopped": "off",
    "starting": "warn",
    "restarting": "warn",
    "paused": "warn",
    "unhealthy": "bad",
    "down": "bad",
    "missing": "bad",
}
"""Condition of an app -> how it looks."""
MARKS = {"ok": "●", "warn": "▲", "bad": "■", "off": "○"}
"""Beside the colour, for who cannot tell colours apart."""


class Most(Struct, frozen=True):
    """How much of each kind is shown."""

    full: int
    """Apps with lines and details."""
    apps: int
    alerts: int
    incidents: int
    rows: int
    """Of deployments, drift, disks and dependencies."""


LEVELS = (Most(30, 100, 40, 12, 12), Most(12, 60, 15, 6, 12), Most(4, 30, 6, 3, 6), Most(0, 8, 3, 1, 3))
"""From one to the next while the page is too large."""


class View(Struct, frozen=True, kw_only=True):
    picture: Picture
    shot: Snapshot
    deployments: tuple[Picture, ...] = ()
    """The last ones, newest first."""
    line: Callable[[str, str], Line]
    """(subject, metric) -> what is drawn of it."""
    stuck: float = 0.0
    """Seconds for which edged's loop has not turned, when that is too long."""
    most: Most = LEVELS[0]
    trouble: str = ""
    """What could not be read for this page."""
