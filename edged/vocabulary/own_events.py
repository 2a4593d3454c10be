"""What edged tells of itself."""

from __future__ import annotations

from typing import ClassVar, Literal

from .event import Event


class EdgedStarted(Event, frozen=True, kw_only=True):
    boot: int
    version: str
    previous_end: str
    host_rebooted: bool

    type: ClassVar[str] = "edged.started"


class EdgedStopping(Event, frozen=True, kw_only=True):
    reason: str

    type: ClassVar[str] = "edged.stopping"


class ConfigReloaded(Event, frozen=True, kw_only=True):
    digest: str
    path: str
    changed: tuple[str, ...]

    type: ClassVar[str] = "config.reloaded"


class ConfigRefused(Event, frozen=True, kw_only=True):
    path: str
    errors: tuple[str, ...]

    type: ClassVar[str] = "config.refused"


class ConfigTrial(Event, frozen=True, kw_only=True):
    """A command gave edged another configuration, and edged tries it."""

    state: Literal["begun", "kept", "undone"]
    digest: str
    before: str
    """Digest of what was in force."""
    seconds: float
    """How long it has to prove itself."""
    code: str = ""
    """With ``undone``: ``broker``, ``engine``, ``interrupted`` …"""
    reason: str = ""

    type: ClassVar[str] = "config.trial"


class EventsDropped(Event, frozen=True, kw_only=True):
    """The spool was full or too old: the events with these sequence numbers were given up."""

    first: int
    last: int
    count: int
    reason: str

    type: ClassVar[str] = "spool.dropped"


class StorageTrouble(Event, frozen=True, kw_only=True):
    ok: bool
    error: str

    type: ClassVar[str] = "storage.trouble"
