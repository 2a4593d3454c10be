"""The log of one container, followed."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class LogLine(NamedTuple):
    at: str
    """When it was written by the engine's clock, as the engine writes times; empty: it did not tell."""
    text: bytes
    """Its beginning."""


class LogRead(NamedTuple):
    lines: list[LogLine]
    size: int
    """Bytes that were taken from the engine for them."""
    ended: bool
    """There will be no more: the container ended."""


class LogStream(Protocol):
    """Used by one thread at a time."""

    def read(self, most: int) -> LogRead:
        """What is there now, of about ``most`` bytes. Never waits.

        Raises ``PortError`` when the engine broke off, or says that it cannot go on.
        """

    def close(self) -> None: ...
