"""The one knob, false alarms a month, and what every single test may contribute to it."""

from __future__ import annotations

from functools import lru_cache
from math import comb

from msgspec import Struct

MONTH = 30.0 * 86400.0
CHARTS, WINDOWS, QUALITY = 0.90, 0.07, 0.03
"""Shares of the asked rate. Charts see most changes first, so they get most."""


class Settings(Struct, frozen=True, kw_only=True):
    window: int = 1000
    """Rows."""
    false_alarms_per_month: float = 1.0
    """Of all features together."""
    least: float = 0.1
    """PSI beyond chance below which a difference is too small to be told; 0.1 is a third of a standard deviation."""
    persistent: int = 2
    """Windows, …"""
    of: int = 3
    """… of so many, in which a distribution must be another one."""
    shift: float = 1.0
    """Standard deviations that the charts are best at; half of it is the least that they see."""
    default_rate: float = 1.0
    """Rows per second, while nothing is known of it."""


def shared(asked: float, features: int, all_features: int) -> float:
    """An app's part of what the whole device may raise: by its number of features."""
    return asked * features / max(1, all_features)


def rows_between_alarms(settings: Settings, rate: float, charts: int) -> float:
    """In-control average run length, in rows, of one of ``charts`` charts of the app."""
    rows = MONTH * (rate or settings.default_rate)
    return rows * charts / (settings.false_alarms_per_month * CHARTS)


def window_level(settings: Settings, rate: float, features: int) -> float:
    """Probability by chance at which one feature's window counts as another distribution.

    An alarm begins with a window that hits when ``persistent - 1`` of the ``of - 1`` before did:
    a(p) = p P(Bin(of - 1, p) >= persistent - 1) a window. Solved for a(p) x features x windows a month = what is asked.
    """
    windows = MONTH * (rate or settings.default_rate) / settings.window
    wanted = settings.false_alarms_per_month * WINDOWS / (windows * features)
    return _level(wanted, settings.persistent, settings.of)


@lru_cache(maxsize=256)
def _level(wanted: float, persistent: int, of: int) -> float:
    low, high = 0.0, 0.05
    for _ in range(60):
        p = 0.5 * (low + high)
        before = of - 1
        enough = sum(comb(before, k) * p**k * (1.0 - p) ** (before - k) for k in range(persistent - 1, before + 1))
        low, high = (p, high) if p * enough < wanted else (low, p)
    return low


def quality_level(settings: Settings, rate: float, tests: int) -> float:
    """Probability by chance at which one of ``tests`` made in every window is a problem of the data."""
    windows = MONTH * (rate or settings.default_rate) / settings.window
    return settings.false_alarms_per_month * QUALITY / (windows * max(1, tests))
