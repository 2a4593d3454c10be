"""How good the alerts were. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from msgspec import Struct

from .material import Firing

BRIEF = 300.0
"""Seconds: what cleared by itself within that time, and led to nothing, told nobody anything."""


class Quality(Struct, frozen=True):
    """Of one alert of one subject."""

    name: str
    subject: str
    raised: int
    critical: int
    mattered: int
    """It became critical, led to an action, or lasted."""
    seconds: float
    """It fired in all."""
    median_seconds: float


def quality(firings: Sequence[Firing], acted: Mapping[str, Sequence[float]], until: float) -> list[Quality]:
    """``acted``: Unix times at which something was done about a subject."""
    grouped: dict[tuple[str, str], list[Firing]] = {}
    for one in firings:
        grouped.setdefault((one.name, one.subject), []).append(one)
    found = []
    for (name, subject), ones in sorted(grouped.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        lasted = [max(0.0, (one.end if one.end is not None else until) - one.begin) for one in ones]
        found.append(
            Quality(
                name=name,
                subject=subject,
                raised=len(ones),
                critical=sum(one.worst == "critical" for one in ones),
                mattered=sum(matters(one, acted.get(subject, ()), until) for one in ones),
                seconds=round(sum(lasted), 1),
                median_seconds=round(median(lasted), 1),
            )
        )
    return found


def matters(one: Firing, acted: Iterable[float], until: float) -> bool:
    end = one.end if one.end is not None else until
    return one.worst == "critical" or end - one.begin > BRIEF or any(one.begin <= at <= end for at in acted)
