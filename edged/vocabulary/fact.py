"""What all facts have."""

from __future__ import annotations

from msgspec import Struct


class Fact(Struct, frozen=True, kw_only=True, tag=True, tag_field="fact"):
    at: float
    """Seconds on edged's clock when it was seen."""
