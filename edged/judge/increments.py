"""From scrapes of counters to what was counted within a window. Pure.

As PromQL's ``increase`` without its extrapolation to the window's ends: each series alone, a value below the one before
is what was counted since it began anew, and only then are label sets added up. Gaps between scrapes do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TypeVar

from msgspec import Struct

from ..vocabulary.inference import Buckets, Mark, Scrape
from .quantiles import tidy

T = TypeVar("T")

MARKS = 120
"""Kept within a window; closer ones replace each other."""
SETS = 2000
"""Label sets that are remembered with those that a page does not have any more; all that the last page had are."""


class Window(Struct, frozen=True):
    """What was counted between two scrapes."""

    seconds: float = 0.0
    requests: float = 0.0
    failed: float = 0.0
    buckets: tuple[tuple[float, float], ...] = ()


def bounds(scrape: Scrape) -> frozenset[float]:
    """All bucket edges of its histogram."""
    return frozenset(bound for buckets in scrape.latency.values() for bound, _ in buckets)


def increase(before: float | None, now: float) -> float:
    """What a counter counted since; ``before`` is ``None`` when it was not there yet."""
    return now if before is None or now < before else now - before


def add(mark: Mark | None, before: Scrape | None, now: Scrape, at: float) -> Mark:
    """The mark of a new scrape. Without one before it there is nothing to compare it with."""
    if mark is None or before is None:
        return Mark(at, buckets=tuple((bound, 0.0) for bound in sorted(bounds(now))))
    counted: dict[float, float] = dict(mark.buckets)
    for labels, buckets in now.latency.items():
        known = dict(before.latency.get(labels, ()))
        for bound, count in buckets:
            # As in PromQL, what a new series brings along was not counted here.
            more = increase(known[bound], count) if bound in known else 0.0
            counted[bound] = counted.get(bound, 0.0) + more
    return Mark(
        at=at,
        requests=mark.requests + _more(before.totals, now.totals),
        failed=mark.failed + _more(before.failures, now.failures),
        buckets=tuple(sorted(counted.items())),
    )


def _more(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """A label set that was not there yet has counted from 0: servers make them with the first request of their kind."""
    return sum(increase(before.get(labels), value) for labels, value in now.items())


def merged(before: Scrape | None, now: Scrape) -> Scrape:
    """What is known of every series: one that is left out of a page now and then has not begun anew."""
    if before is None:
        return now
    return Scrape(
        latency=_latest(before.latency, now.latency),
        totals=_latest(before.totals, now.totals),
        failures=_latest(before.failures, now.failures),
        quantile=now.quantile,
        summaries=now.summaries,
        gauge=now.gauge,
    )


def _latest(before: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T]:
    gone = [(labels, value) for labels, value in before.items() if labels not in now]
    # What a page has is never forgotten: it would seem to have counted from 0 with every scrape.
    return dict(gone[max(0, len(gone) + len(now) - SETS) :]) | dict(now)


def keep(marks: tuple[Mark, ...], new: Mark, longest: float) -> tuple[Mark, ...]:
    """The marks that windows of up to ``longest`` seconds need, the newest always among them."""
    if len(marks) >= 2 and new.at - marks[-2].at < longest / MARKS:
        marks = marks[:-1]
    first = next((i for i, mark in enumerate(marks) if mark.at >= new.at - longest), len(marks))
    return (*marks[first:], new)


def window(marks: tuple[Mark, ...], seconds: float) -> Window | None:
    """What was counted within the last ``seconds`` before the newest mark; ``None``: that takes two scrapes."""
    if len(marks) < 2:
        return None
    last = marks[-1]
    first = next(mark for mark in marks if mark.at >= last.at - seconds)
    if first.at >= last.at:
        return None
    begun = dict(first.buckets)
    return Window(
        seconds=last.at - first.at,
        requests=last.requests - first.requests,
        failed=last.failed - first.failed,
        buckets=tuple((bound, count - begun.get(bound, 0.0)) for bound, count in last.buckets),
    )


def counted(buckets: Buckets) -> float:
    """Observations in all."""
    tidied = tidy(buckets)
    return tidied[-1][1] if tidied and tidied[-1][0] == inf else 0.0
