"""Whose signatures count, and what is remembered of them."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

Role = Literal["viewer", "operator", "deployer", "admin"]
"""Each may do what the ones before may."""
RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "deployer": 2, "admin": 3}


REMOTE = "key:"
"""What the origin of a command from the broker begins with."""


class TrustedKey(Struct, frozen=True, kw_only=True):
    """One public key. ``expires`` is RFC 3339 or empty; no ``devices`` means all."""

    id: str
    public: str
    """Base64 of the 32 raw bytes."""
    role: Role
    expires: str = ""
    devices: tuple[str, ...] = ()

    @property
    def raw(self) -> bytes:
        """The public key, 32 bytes."""
        return base64.b64decode(self.public)

    def expired(self, now: float) -> bool:
        """At Unix time ``now``."""
        return bool(self.expires) and now >= datetime.fromisoformat(self.expires).timestamp()


class Window(Struct, frozen=True):
    """Which counters of one key were seen. Counters may have gaps of any size, so the seen ones are kept, not bits."""

    floor: int = -1
    """Counters up to here may have been seen and forgotten."""
    seen: tuple[int, ...] = ()
    """Above the floor, ascending."""


class KnownTime(Struct, frozen=True):
    """The last moment at which the time was known for sure: it was not earlier than this, and is not now."""

    wall: float = 0.0
    """Unix time."""
    at: float = 0.0
    """The same on edged's own clock."""


class Refusals(Struct, frozen=True):
    """How many refusals were told one by one of late, and which were only counted."""

    tokens: float = 0.0
    at: float = 0.0
    untold: dict[str, int] = {}
    """By reason code."""
    flush_at: float = 0.0
    """When they are told; 0: there are none."""


class Authority(Struct, frozen=True):
    """Who may command this device."""

    file: tuple[TrustedKey, ...] = ()
    """Of the trust file in force."""
    added: tuple[TrustedKey, ...] = ()
    """By command."""
    revoked: tuple[str, ...] = ()
    """Ids of keys that do not count any more, whatever the file says."""
    burnt: tuple[str, ...] = ()
    """The same keys themselves: under another id they do not count either."""
    windows: dict[str, Window] = {}
    """By public key."""
    time: KnownTime = KnownTime()
    not_before: float = 0.0
    """Unix time. What was issued earlier may have been carried out by a device whose memory of it is gone."""
    damaged: bool = False
    """What was remembered cannot be read: who was revoked is not known, so nobody may command."""
    allowance: dict[str, tuple[float, float]] = {}
    """Token bucket of each key: (tokens left, when that was). Not kept over restarts."""
    refusals: Refusals = Refusals()

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        """All that count."""
        if self.damaged:
            return ()
        gone, burnt = self.revoked, self.burnt
        return tuple(key for key in (*self.file, *self.added) if key.id not in gone and key.public not in burnt)


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command as its sender signed it. An unknown field could change the meaning of the others: it is refused."""

    id: str
    type: str
    device: str | dict[Literal["labels"], dict[str, str]]
    args: dict[str, Any] = {}
    issued: str
    """RFC 3339, like ``expires``."""
    expires: str
    counter: int
