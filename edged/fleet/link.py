"""What the console side needs of an MQTT connection, and what it is told by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Connected(NamedTuple):
    """A new connection: nothing of an earlier one is carried over to it."""

    room: int
    """Messages that may be without acknowledgement."""


class Lost(NamedTuple):
    """The connection is gone, or an attempt failed. The link goes on trying."""

    reason: str
    refused: bool
    """The broker said no: trying again will hardly change its mind."""


class Arrived(NamedTuple):
    topic: str
    payload: bytes


class Subscribed(NamedTuple):
    number: int
    codes: tuple[int, ...]
    """One for each filter; from 128 on: not granted."""


class Published(NamedTuple):
    number: int
    code: int
    """From 128 on: not taken. 16: nobody subscribes to it."""
    text: str


Item = Connected | Lost | Arrived | Subscribed | Published


class Link(Protocol):
    """All methods are for one thread. Numbers are unique over all connections.

    ``subscribe``, ``unsubscribe`` and ``publish`` raise ``ports.Unreachable`` while there is no connection.
    """

    def subscribe(self, filters: Sequence[str], *, retained: bool, qos: int) -> int: ...

    def unsubscribe(self, filters: Sequence[str]) -> None: ...

    def publish(self, topic: str, payload: bytes, lifetime: float) -> int:
        """QoS 1. ``lifetime``: seconds after which the broker forgets it, if nobody has fetched it by then."""

    def take(self, timeout: float) -> Item | None:
        """What happened next; ``None`` when nothing did for ``timeout`` seconds."""

    def close(self) -> None: ...
