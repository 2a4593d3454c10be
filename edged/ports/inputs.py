"""Where an app's inputs are read."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from ..config import Source


class Chunk(Struct, frozen=True, kw_only=True):
    """Some rows, as they were written."""

    lines: list[bytes] = []
    """One row each, none longer than a reader's limit."""
    header: bytes = b""
    """Names of the columns of CSV; empty: each line is JSON."""
    position: str = ""
    """Behind these lines."""
    refused: dict[str, int] = {}
    """What had to be left out, by reason; rows where they can be counted, else times."""
    more: bool = False
    """There is more to be read at once."""


class RowSource(Protocol):
    """Rows from the oldest unread on. Used by one thread at a time."""

    def read(self, most: int) -> Chunk:
        """About ``most`` bytes. Raises ``PortError``; then the same rows come again with the next call."""

    def close(self) -> None: ...


class Inputs(Protocol):
    """What the check of inputs needs of the world."""

    def open(self, app: str, source: Source, *, csv: bool, position: str) -> RowSource:
        """From ``position`` on, as given by a chunk before; empty: wherever reading may begin. Raises nothing."""

    def shipped(self, app: str, model: str) -> bytes:
        """``reference.json`` of a model in its slot; empty: it has none. Raises ``PortError``."""

    def learned(self, app: str, key: str) -> bytes:
        """What ``keep`` was given; empty: nothing. Raises ``PortError``."""

    def keep(self, app: str, key: str, reference: bytes) -> None:
        """Whole or not at all, over a power cut too; the oldest ones of an app go. Raises ``PortError``."""

    def unfinished(self, app: str) -> bytes:
        """What ``keep_unfinished`` was given last; empty: nothing. Raises ``PortError``."""

    def keep_unfinished(self, app: str, data: bytes) -> None:
        """Of the reference that is being learned, as far as it is; empty: it is finished. Raises ``PortError``."""
