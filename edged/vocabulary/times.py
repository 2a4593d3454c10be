"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(wall: float) -> str:
    """Unix time as UTC with milliseconds. Times that no calendar has become the epoch."""
    try:
        moment = _EPOCH + timedelta(milliseconds=round(wall * 1000))
    except (OverflowError, ValueError):
        moment = _EPOCH
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def unix_time(told: object) -> float | None:
    """RFC 3339 with up to nanoseconds to Unix seconds; Go's zero time and nonsense to ``None``."""
    try:
        parsed = datetime.fromisoformat(told if isinstance(told, str) else "")
        if parsed.year < 1970:
            return None
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
