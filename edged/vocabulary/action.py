"""What all actions have, and where an app's artifacts are."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from .deployments import Kind


class Action(Struct, frozen=True, kw_only=True, tag=True):
    id: str
    """Unique in the device's life: the journal, the events and the outcome refer to it."""
    subject: str
    """App name, or ``engine``."""
    reason: str
    timeout: float
    """Seconds after which the attempt counts as failed."""

    journalled: ClassVar[bool] = True
    """The intent is on disk before the action begins."""


class Where(Struct, frozen=True):
    """Where an app has its artifact, from its configuration."""

    kind: Kind
    path: str
    """As the container sees it."""
    delivery: str
    """``mount`` or ``copy``."""
    keep: int = 3
