"""What is remembered of one thing that is watched: answers, levels, slopes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .event import Severity

Verdict = Literal["unknown", "good", "bad"]


class Streak(Struct, frozen=True):
    """Consecutive answers of one probe, and the verdict they led to."""

    good: int = 0
    bad: int = 0
    verdict: Verdict = "unknown"
    first_bad_at: float | None = None
    """When the first probe of the running series of failures was sent."""
    detail: str = ""
    """What the last failed probe said."""
    last_at: float | None = None
    seconds: float = 0.0
    """How long the last answer took."""


class Acknowledged(Struct, frozen=True):
    """A person has seen it and takes care."""

    by: str
    at: float
    note: str = ""


class Alert(Struct, frozen=True):
    """One alert of one subject, firing (``severity`` set) or on its way there."""

    severity: Severity | None = None
    since: float = 0.0
    """When it began to fire."""
    warn_since: float | None = None
    """The level has been at least warning since then."""
    critical_since: float | None = None
    calm_since: float | None = None
    """While firing: the level has been below the present severity since then."""
    summary: str = ""
    advice: str = ""
    value: float | None = None
    threshold: float | None = None
    changes: tuple[float, ...] = ()
    """When it was last raised and cleared, for flapping."""
    flapping: bool = False
    acknowledged: Acknowledged | None = None
    """Until it clears or becomes worse."""


class Cpu(Struct, frozen=True):
    """CPU use between the last two samples."""

    share: float | None = None
    """Of the container's quota, else of the whole host."""
    throttled: float | None = None
    """Share of scheduler periods in which the container was throttled."""


class Trend(Struct, frozen=True):
    """Evenly spaced samples of the recent past, for a robust slope."""

    points: tuple[tuple[float, float], ...] = ()
    """(seconds, value)"""
