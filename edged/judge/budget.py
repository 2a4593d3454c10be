"""Restart budgets and growing waits. Pure arithmetic on times."""

from __future__ import annotations

import zlib


def within(times: tuple[float, ...], now: float, window: float) -> tuple[float, ...]:
    """Those times that lie in the last ``window`` seconds.

    Compared as a sum, since that is what is slept until: ``now - t < window`` can still be true at ``t + window``.
    """
    return tuple(t for t in times if t + window > now)


def jitter(key: str, share: float = 0.1) -> float:
    """A factor in 1 ± ``share`` which depends only on ``key``.

    Devices that fail at the same moment must not retry at the same moment; a judge may not roll dice,
    since a recorded hour has to give the same decisions again.
    """
    return 1.0 + share * (2.0 * (zlib.crc32(key.encode()) / 0xFFFFFFFF) - 1.0)


def backoff(attempts: int, first: float, longest: float) -> float:
    """Seconds to wait after ``attempts`` attempts: 0, first, 2·first, 4·first … up to ``longest``."""
    if attempts <= 0:
        return 0.0
    return float(min(longest, first * 2.0 ** min(attempts - 1, 60)))
