"""Text for a terminal: colours only when somebody looks, and NO_COLOR is respected."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
STATE_COLOUR = {
    "healthy": "green",
    "starting": "yellow",
    "unhealthy": "red",
    "down": "red",
    "missing": "red",
    "restarting": "yellow",
    "paused": "yellow",
    "stopped": "dim",
    "unknown": "dim",
    "critical": "red",
    "warning": "yellow",
}
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if colour and coloured() else text


def state(text: str) -> str:
    return paint(text, STATE_COLOUR.get(text, ""))


def plain(text: str) -> str:
    """Text from elsewhere (log lines, answers of probes) must not steer the terminal."""
    return _UNSAFE.sub("?", text)


def table(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Columns as wide as their widest cell; the last one runs on."""
    if not rows:
        return []
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return [
        indent + "  ".join([*(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    return len(_ESCAPES.sub("", text))


def size(value: float | None) -> str:
    """Bytes for people."""
    if value is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024.0 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit in ("B", "KiB") else f"{value:.1f} {unit}"
        value /= 1024.0
    return "-"


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def ago(stamp: str, now: str) -> str:
    """How long ago an RFC 3339 time was, by the daemon's own clock."""
    seconds = (_moment(now) - _moment(stamp)).total_seconds()
    return "in the future" if seconds < 0 else span(seconds)


def span(seconds: float) -> str:
    """A length of time in one unit."""
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC)
