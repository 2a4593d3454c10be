"""What each scene came to, and whether all of it was verified. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .client import Loss
from .events import Numbering
from .timeline import columns, seconds

NOBODY = Loss(0, 0, 0.0)
"""Where no client was at work."""


class Outcome(NamedTuple):
    """One scene. Times are seconds from the injection, as the device's own events tell them."""

    name: str
    injected: str
    seen: float | None
    acted: float | None
    ended: float | None
    """Verified healthy again, or whatever else the scene was to come to."""
    loss: Loss
    failures: tuple[str, ...] = ()
    """What was expected and did not come true; none: verified."""

    @property
    def verified(self) -> bool:
        return not self.failures


def table(outcomes: Sequence[Outcome]) -> list[str]:
    rows = [["scene", "seen", "acted", "verified", "requests failed", "longest outage", "verdict"]]
    for one in outcomes:
        rows.append(
            [
                one.name,
                seconds(one.seen),
                seconds(one.acted),
                seconds(one.ended),
                f"{one.loss.failed} of {one.loss.requests}" if one.loss.requests else "-",
                seconds(one.loss.longest if one.loss.requests else None),
                "ok" if one.verified else "FAILED: " + "; ".join(one.failures),
            ]
        )
    return columns(rows)


def numbering_failures(numbering: Numbering) -> list[str]:
    """What is wrong with the sequence; empty: nothing was lost."""
    failures = []
    if numbering.last == 0:
        return ["no event arrived"]
    if numbering.first != 1:
        failures.append(f"the first event has the number {numbering.first}")
    if numbering.missing:
        failures.append(f"events are missing: {', '.join(map(str, numbering.missing))}")
    if not numbering.in_order:
        failures.append("events came out of order")
    return failures


def summary(outcomes: Sequence[Outcome], numbering: Numbering, failures: Sequence[str], took: float) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "ok": passed(outcomes, numbering, failures),
        "seconds": round(took, 1),
        "scenes": [_fields(one) for one in outcomes],
        "events": {
            "first": numbering.first,
            "last": numbering.last,
            "missing": list(numbering.missing),
            "repeated": numbering.repeated,
            "in_order": numbering.in_order,
        },
        "failures": list(failures),
    }


def passed(outcomes: Sequence[Outcome], numbering: Numbering, failures: Sequence[str]) -> bool:
    return bool(outcomes) and all(one.verified for one in outcomes) and numbering.complete and not failures


def _fields(one: Outcome) -> dict[str, Any]:
    return {
        "name": one.name,
        "injected": one.injected,
        "seen_seconds": _rounded(one.seen),
        "acted_seconds": _rounded(one.acted),
        "verified_seconds": _rounded(one.ended),
        "requests": one.loss.requests,
        "requests_failed": one.loss.failed,
        "longest_outage_seconds": _rounded(one.loss.longest),
        "verified": one.verified,
        "failures": list(one.failures),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
