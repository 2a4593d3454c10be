"""The section for drift: where an app's inputs are read, and how rarely a false alarm may come."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .types import Duration, FilePath, HttpUrl, LongInterval, Section

Topic = Annotated[str, Meta(title="MQTT topic", max_length=1000, pattern=r"^(|[^\x00-\x1f]+)$")]
Column = Annotated[str, Meta(min_length=1, max_length=128)]


class Source(Section, frozen=True, kw_only=True):
    """Exactly one of ``file``, ``http`` and ``mqtt``."""

    file: FilePath = ""
    """Written by the app; it may not be there yet."""
    http: HttpUrl = ""
    mqtt: Topic = ""
    """A topic on the broker of the section ``mqtt``, or ``mqtt://host:port/topic``."""


class Columns(Section, frozen=True, kw_only=True):
    """Which of a row's values are features: all that one of ``include`` fits (empty: all), less ``exclude``."""

    include: tuple[Column, ...] = ()
    exclude: tuple[Column, ...] = ()


class Drift(Section, frozen=True, kw_only=True):
    source: Source
    format: Literal["auto", "ndjson", "csv"] = "auto"
    columns: Columns = Columns()
    window: Annotated[int, Meta(ge=100, le=100_000)] = 1000
    every: LongInterval = 300.0
    false_alarms_per_month: Annotated[float, Meta(ge=0.01, le=1000)] = 1.0
    rollback_within: Duration = 0.0
