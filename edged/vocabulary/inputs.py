"""All that is remembered of one app's inputs."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .drift_state import DriftState


class Inputs(Struct, frozen=True, kw_only=True, omit_defaults=True):
    position: str = ""
    """Where reading goes on. It is kept in the same breath as what the rows before it led to."""
    model: str = ""
    """Digest of the model that they are the inputs of."""
    model_since: float = 0.0
    """When it was put in the place of another one, on edged's clock; 0: it was there before the first row."""
    digest: str = ""
    """Of the reference."""
    generations: dict[str, int] = {}
    """Model -> how often its reference was to be learned anew; of the last few models."""
    state: DriftState = DriftState()
    rows: int = 0
    """Counted against this reference."""
    read_at: float | None = None
    """When the source was last read, …"""
    rows_at: float | None = None
    """… and when it last had rows."""
    gap: float = 0.0
    """Seconds that usually pass at most until there are rows again."""
    refused: dict[str, int] = {}
    """Of the last reading that had any, by reason."""
    refused_at: float | None = None
    learned: int = 0
    wanted: int = 0
    """Rows of a reference that edged learns, and how many it takes; 0: it does not learn."""
    told: tuple[str, ...] = ()
    """Features whose drift was told."""
    evidence_at: int = 0
    """When so many windows are full, it is told how they look now; 0: it was."""
    reference: Any = None
    """``drift_packed.Packed``. Not kept: it is read again, from the model's slot or from what edged learned."""
    verdicts: Any = None
    """``judge.drift.Verdicts`` of the last batch; not kept either."""
