"""What all events have."""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct

Severity = Literal["info", "warning", "critical"]


class Event(Struct, frozen=True, kw_only=True, tag=True):
    subject: str
    """App, dependency, ``host``, ``engine`` or ``edged``."""

    type: ClassVar[str]
    """CloudEvents type without its prefix."""
