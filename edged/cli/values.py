"""Values of flags."""

from __future__ import annotations

from . import USAGE, Failure


def duration(text: str, flag: str) -> float:
    """Seconds. Raises ``Failure`` that names the flag."""
    from ..config.units import Unreadable, parse_duration

    try:
        return parse_duration(text)
    except Unreadable as error:
        raise Failure(USAGE, f"{flag} {error}") from None
