"""The section for an app's data: what is backed up, how often, and how it is known to be good."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .types import ContainerPath, Count, Duration, LongInterval, Name, Section, StoreSize

Argument = Annotated[str, Meta(title="argument", max_length=1024)]


class Data(Section, frozen=True, kw_only=True):
    """Exactly one of ``path`` and ``volume``."""

    path: ContainerPath = ""
    volume: Name = ""
    every: Duration = 86400.0
    keep: Count = 7
    verify: tuple[Argument, ...] = ()
    max_size: StoreSize = 2**30
    within: LongInterval = 600.0
