"""The sections for deployments: where an app has what is deployed, how it is told of it, and when it may stay."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .types import (
    BaseUrl,
    ContainerPath,
    Count,
    FilePath,
    HttpUrl,
    LongInterval,
    Section,
    Share,
    Size,
    StoreSize,
    Timeout,
)


class Bundles(Section, frozen=True, kw_only=True):
    """How much may be fetched for a deployment, and how fast."""

    max_size: StoreSize = 4 * 2**30
    rate: Size = 0
    """Bytes a second by URL; 0: as fast as they come."""


class Gate(Section, frozen=True, kw_only=True):
    """When a new artifact may stay."""

    window: LongInterval = 60.0
    min_samples: Count = 20
    latency: Annotated[float, Meta(ge=1, le=100)] = 1.2
    errors: Share = 0.01


class ReloadBy(Section, frozen=True, kw_only=True):
    """Exactly one of ``signal`` and ``http`` (a POST)."""

    signal: Annotated[str, Meta(title="signal name", pattern=r"^((SIG)?[A-Z][A-Z0-9]{1,7})?$")] = ""
    http: HttpUrl = ""


class SmokeProbe(Section, frozen=True, kw_only=True):
    """The app is asked its bundle's smoke inputs again and again."""

    every: LongInterval = 300.0
    timeout: Timeout = 10.0


class Model(Section, frozen=True, kw_only=True):
    path: ContainerPath
    delivery: Literal["mount", "copy"] = "mount"
    reload: Literal["restart"] | ReloadBy = "restart"
    gate: Gate = Gate()
    smoke: BaseUrl = ""
    probe: SmokeProbe | None = None
    recorded: FilePath = ""
    """Written by the app; it may not be there yet."""
    keep: Annotated[int, Meta(ge=2, le=100)] = 3


class AppConfigFile(Section, frozen=True, kw_only=True):
    path: ContainerPath
    delivery: Literal["mount", "copy"] = "copy"
    reload: Literal["restart"] | ReloadBy = "restart"
    schema: FilePath = ""
    gate: Gate = Gate()
    keep: Annotated[int, Meta(ge=2, le=100)] = 3
