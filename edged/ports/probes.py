"""Asking whether something answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct


class Answer(Struct, frozen=True):
    """What a probe got."""

    ok: bool
    seconds: float
    detail: str = ""


class Prober(Protocol):
    """Every call returns within ``timeout`` seconds in all.

    A refused connection, a time-out or a bad status is an answer (``ok=False``); a probe that cannot be
    made at all (no descriptors left, unreadable CA file) raises ``PortError``.
    """

    def http(self, url: str, timeout: float, ca_file: str = "") -> Answer: ...

    def tcp(self, address: str, timeout: float) -> Answer: ...

    def dns(self, name: str, timeout: float) -> Answer: ...

    def call(
        self,
        method: str,
        url: str,
        timeout: float,
        *,
        body: bytes = b"",
        content_type: str = "",
        most: int = 2**20,
        ca_file: str = "",
        take: Callable[[bytes], None] | None = None,
    ) -> tuple[int, bytes]:
        """Status and the whole body. Raises ``PortError``, also when it is longer than ``most`` bytes.

        ``take`` gets the body of a good answer piece by piece, as it comes, instead.
        """
