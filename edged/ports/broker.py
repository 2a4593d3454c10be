"""The way to the MQTT broker."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Message(Struct, frozen=True):
    topic: str
    payload: bytes
    retain: bool = False
    content_type: str = ""
    """MIME type of the payload, as MQTT 5 can tell it; empty: it is not told."""


class Broker(Protocol):
    """An MQTT 5 connection that keeps itself up. Callbacks run on its thread and must only enqueue.

    Connections are numbered. Nothing of one connection is carried over to the next: what was not acknowledged
    when it broke is for the caller to send again.
    """

    def start(self) -> None: ...

    def publish(self, message: Message, connection: int) -> int:
        """Hands a QoS 1 message over and returns its id, unique over all connections. Does not block.

        Raises ``Unreachable`` when that connection is gone, and ``Refused`` when the broker has said that it
        takes no message like that (too large).
        """

    def acknowledge(self, receipt: int) -> None:
        """Gives the receipt of a message that came in back: it is dealt with. From any thread, and does not block.

        One of an earlier connection does nothing: that message comes again.
        """

    def drop(self, connection: int, reason: str) -> None:
        """This connection is of no use (nothing is acknowledged): break it and make a new one."""

    def stop(self, last: Message | None, timeout: float) -> None:
        """Publishes ``last``, waits for its acknowledgement, disconnects."""
