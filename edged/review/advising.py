"""Advice on thresholds, from what the daemon tells of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..config.units import format_duration, format_share
from ..history.advice import Advice, Limit, Told, better, episodes
from ..ports.history import Series


def limit(told: dict[str, Any]) -> Limit:
    """One of ``advisable`` of ``GET /v1/limits``."""
    show = format_share if told["unit"] == "share" else format_duration
    return Limit(
        told["subject"], told["alert"], told["key"], told["metric"], told["warn"], told["critical"], told["for"], show
    )


def advice(limits: Iterable[Limit], minutes: Iterable[Series], events: Sequence[Told]) -> list[Advice]:
    points = {(one.subject, one.metric): one.points for one in minutes}
    found = []
    for one in limits:
        fired = episodes(events, one.alert, one.subject)
        advised = better(one, points.get((one.subject, one.metric), ()), fired) if fired else None
        if advised is not None:
            found.append(advised)
    return found
