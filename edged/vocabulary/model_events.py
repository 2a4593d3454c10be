"""What is told about what a model is given and how it fares."""

from __future__ import annotations

from typing import ClassVar

from .drift import DriftFeature
from .event import Event


class MetricsNoted(Event, frozen=True, kw_only=True):
    """Something about an app's metrics that makes its figures worth less: said once."""

    text: str

    type: ClassVar[str] = "metrics.noted"


class DriftChanged(Event, frozen=True, kw_only=True):
    """Other inputs of an app than before are unlike its reference; told once more when a window is full of it."""

    begun: tuple[str, ...]
    ended: tuple[str, ...]
    model: str
    top: tuple[DriftFeature, ...]
    """Those that are farthest away, as evidence."""

    type: ClassVar[str] = "drift.changed"


class ReferenceChanged(Event, frozen=True, kw_only=True):
    """An app's inputs are held against something else from now on."""

    model: str
    digest: str
    learned: bool
    """By edged itself, from the first rows that it saw."""
    rows: int
    features: int

    type: ClassVar[str] = "drift.reference"
