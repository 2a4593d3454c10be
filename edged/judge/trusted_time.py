"""What time it surely is, also on a device whose clock was never set since it got power.

With a synchronised clock it is the wall clock's time. Without one it is the last time known for sure plus what edged's
own clock has counted since: that one stands still while the device is off, so the result is never later than the truth.
"""

from __future__ import annotations

from ..vocabulary.state import State
from ..vocabulary.trust import KnownTime

WRONG = 60.0
"""Seconds of difference that are mended at once."""
REMEMBER_EVERY = 3600.0
"""Seconds between two writes of it."""


def trusted(known: KnownTime, wall: float, synced: bool | None, now: float) -> float:
    """Unix time. ``wall`` is the wall clock's, ``now`` is edged's own clock."""
    if synced or not known.wall:
        return wall
    return known.wall + max(0.0, now - known.at)


def present(state: State, now: float) -> float:
    """Unix time by the last look at the host, which may be some seconds old."""
    sample, known = state.host.sample, state.authority.time
    return trusted(known, sample.wall, sample.clock_synced, now) if sample is not None else known.wall


def remember(known: KnownTime, wall: float, synced: bool | None, now: float) -> KnownTime:
    """From a synchronised clock, now and then: each change is written to disk."""
    recent = known.wall and 0.0 <= now - known.at < REMEMBER_EVERY
    if not synced or (recent and abs(wall - trusted(known, wall, None, now)) < WRONG):
        return known
    return KnownTime(wall, now)


def learn(known: KnownTime, wall: float, synced: bool | None, now: float, signed: float) -> KnownTime:
    """Somebody who is trusted has signed a time: it is not earlier than that."""
    if synced or signed <= trusted(known, wall, synced, now):
        return known
    return KnownTime(signed, now)
