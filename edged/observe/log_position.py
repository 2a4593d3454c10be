"""How far an app's log was read: the time of its last line, and how many lines carried just that time. Pure.

Engines take the time of a line when it reaches them, to the nanosecond or, in the journal, to the microsecond.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from msgspec import Struct

from ..ports import LogLine

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Position(Struct, frozen=True):
    at: str = ""
    """As the engine writes it; empty: nothing was read."""
    lines: int = 0
    """Read so far with just this time, …"""
    container: str = ""
    """… from this one, by the beginning of its id."""

    @classmethod
    def decode(cls, text: str) -> Position:
        """``nowhere`` for what is not one."""
        at, lines, container, *_ = [*text.split(" "), "", ""]
        return cls(at, int(lines), container) if seconds(at) is not None and lines.isdecimal() else NOWHERE

    def encode(self) -> str:
        return f"{self.at} {self.lines} {self.container}" if self.at else ""

    def after(self, lines: list[LogLine], container: str) -> Position:
        """Behind these as well."""
        last = next((line.at for line in reversed(lines) if line.at), "")
        if not last:
            return self
        same = 0
        for line in reversed(lines):
            if line.at not in ("", last):
                return Position(last, same, container)
            same += line.at == last
        known = self.lines if (self.at, self.container) == (last, container) else 0
        return Position(last, same + known, container)

    @property
    def since(self) -> str:
        """For the engine: Unix time to the nanosecond."""
        return since(self.at)


NOWHERE = Position()


def seconds(stamp: str) -> float | None:
    """Unix time, good to a microsecond; ``None``: it is no timestamp."""
    text = since(stamp)
    return float(text) if text else None


def since(stamp: str) -> str:
    """Unix time with nine digits after the point; empty: it is no timestamp."""
    found = _STAMP.fullmatch(stamp)
    if found is None:
        return ""
    try:
        moment = datetime.fromisoformat(found[1] + found[3])
        whole = int(moment.astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        return ""
    return f"{whole}.{(found[2] or '').ljust(9, '0')}" if whole >= 0 else ""


def behind(lines: list[LogLine], position: Position) -> tuple[list[LogLine], Position]:
    """The lines that were not read before, and what is still to be left out of those that follow."""
    left = position.lines
    for index, line in enumerate(lines):
        if not left or line.at > position.at:
            return lines[index:], NOWHERE
        left -= line.at == position.at
    return [], Position(position.at, left) if left else NOWHERE
