"""What was seen of a model at work: its traffic, what it is given, what it answers."""

from __future__ import annotations

from .deployments import Traffic
from .drift import Batch, Reference
from .fact import Fact
from .inference import Scrape


class TrafficSampled(Fact, frozen=True, kw_only=True):
    """One scrape of an app's own metrics."""

    app: str
    traffic: Traffic
    scrape: Scrape = Scrape()


class ReferenceSeen(Fact, frozen=True, kw_only=True):
    """What an app's inputs are held against from now on."""

    app: str
    model: str
    """Digest of the model it belongs to; empty: edged has deployed none."""
    reference: Reference
    digest: str
    """Of the reference itself: counts that name another one are not about it."""


class RowsCounted(Fact, frozen=True, kw_only=True):
    """What was read of an app's inputs at a time."""

    app: str
    model: str = ""
    """Digest of the model in place; empty: edged has deployed none."""
    digest: str = ""
    """Of the reference that gave the bins; empty: there is none yet, so nothing was counted."""
    batches: tuple[Batch, ...] = ()
    """In order, none longer than a fifth of the window."""
    rows: int = 0
    """All of them, also those that were not counted."""
    waited: float = 0.0
    """Seconds since the reading before that had rows; 0: not known."""
    refused: dict[str, int] = {}
    """Rows or values that could not be used, by reason."""
    position: str = ""
    """Where reading goes on. Kept together with what the rows led to: none is lost or counted twice."""
    learned: int = 0
    """Rows that edged has collected for a reference of its own, of …"""
    wanted: int = 0
    """… so many. 0: it is not learning."""


class SmokeProbed(Fact, frozen=True, kw_only=True):
    """An app was asked its bundle's own smoke inputs, and answered."""

    app: str
    digest: str
    """Of the model that was in place when it was asked."""
    ok: bool
    seconds: float = 0.0
    """For one request."""
    samples: int = 0
    detail: str = ""
    """What it answered instead."""
    started: float = 0.0
    """When it was asked, on edged's clock."""
