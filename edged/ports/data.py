"""Copies of what apps have written."""

from __future__ import annotations

from typing import Any, Protocol

from ..vocabulary.data import Stored


class DataBackups(Protocol):
    """Every app's backups. Every method may be called again after it was cut short anywhere, by a power cut too.

    Raises ``PortError``; the code of an ``ArtifactError`` is ``verify`` when the data itself did not pass, ``half``
    when a restore has begun to change the app's data and has to be made again.
    """

    def back_up(self, app: str, container_id: str, data: Stored, timeout: float) -> dict[str, Any]:
        """A whole and verified copy, or none. Returns ``name, digest, bytes, unpacked, entries, verified``."""

    def find(self, app: str, data: Stored, which: str, timeout: float) -> dict[str, Any]:
        """The backup that ``restore`` would take, found good now. Returns its ``name``."""

    def restore(self, app: str, container_id: str, data: Stored, which: str, timeout: float) -> dict[str, Any]:
        """Puts a verified backup in place of what is there, which is kept aside. The app must not run.

        Returns ``name, digest, aside``.
        """

    def listing(self, app: str) -> list[dict[str, Any]]:
        """What is kept, the newest first, as ``back_up`` returned it and ``at`` (Unix time), ``aside``, ``damaged``."""

    def prune(self) -> int:
        """Of each app all but its newest good backup goes. Returns the bytes that are free now."""
