"""The section ``drills``: failures made on purpose, by themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .types import Duration, Section

Kind = Literal["kill", "hang", "oom", "unhealthy", "bad-model"]
Window = Annotated[
    str, Meta(title="time window", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$")
]


class Drills(Section, frozen=True, kw_only=True):
    """``every: 0s``: only by command."""

    every: Duration = 0.0
    kinds: tuple[Kind, ...] = ("kill",)
    window: Window = "02:00-04:00"
