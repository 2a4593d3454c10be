"""The sliding window of counters that keeps a command from being carried out twice (the idea of RFC 4303, 3.4.3)."""

from __future__ import annotations

from bisect import bisect_left
from typing import Literal

from ..vocabulary.trust import Window

SIZE = 64
"""Counters that are remembered: so far may messages overtake each other."""

Fault = Literal["", "replayed", "counter_too_old"]


def fault(window: Window, counter: int) -> Fault:
    """Why this counter cannot be taken; empty: it can."""
    if counter <= window.floor:
        return "counter_too_old"
    return "replayed" if counter in window.seen else ""


def take(window: Window, counter: int) -> Window:
    """With ``counter`` seen, which ``fault`` has nothing against."""
    place = bisect_left(window.seen, counter)
    seen = (*window.seen[:place], counter, *window.seen[place:])
    if len(seen) <= SIZE:
        return Window(window.floor, seen)
    return Window(seen[0], seen[1:])
