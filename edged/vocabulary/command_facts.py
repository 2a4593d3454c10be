"""What people ask for, here or from afar."""

from __future__ import annotations

from typing import Any

from .fact import Fact
from .trust import Order


class CommandReceived(Fact, frozen=True, kw_only=True):
    """Somebody asks edged to do something: the local command line, later the fleet console too."""

    id: str
    type: str
    args: dict[str, Any] = {}
    origin: str = ""
    """Who: ``local:uid=1000(ann)``."""


class OrderReceived(Fact, frozen=True, kw_only=True):
    """A command came from the broker, and its signature by a trusted key fits."""

    wall: float
    """Unix time at which it was verified."""
    topic_type: str
    topic_id: str
    key: str
    """Id of the key that signed it."""
    public: str
    digest: str
    """Hex SHA-256 of the signed bytes."""
    order: Order
    receipt: int = 0
    """Given back to the broker when everything about the order is on disk."""
    again: bool = False
    """The broker has sent it before, and does not know whether it arrived."""


class OrdersRefused(Fact, frozen=True, kw_only=True):
    """What came from the broker as a command was none of anybody who is trusted."""

    code: str
    count: int = 1
    """More than one: they came in a flood, and only the number is told."""
    message: str = ""
    key: str = ""
    """Id of the key that the sender claims."""
    topic: str = ""
    type: str = ""
    id: str = ""
    """Of the topic; empty when nothing should be answered there."""
