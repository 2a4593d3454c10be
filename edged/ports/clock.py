"""Time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds on edged's own clock: monotonic, counting suspend, continuous over reboots of the host."""

    def wall(self) -> float:
        """Unix time. May jump; only for people and for talking to others."""
