"""edged's own configuration, changed while it runs."""

from __future__ import annotations

from typing import Any, Protocol


class OwnConfig(Protocol):
    """edged's own configuration. What is wrong with one comes back as ``{"errors": […]}``, and changes nothing."""

    def reload(self) -> dict[str, Any]:
        """As SIGHUP."""

    def check(self, text: str) -> dict[str, Any]:
        """``{"digest", "changed", "mqtt"}``; ``mqtt``: it names a broker."""

    def take(self, digest: str) -> dict[str, Any]:
        """Puts what was checked last in force until the end of this run."""

    def keep(self, digest: str) -> None:
        """Makes that outlive this run. Raises ``StorageError``, or ``Refused`` when edged is not well."""

    def undo(self) -> None:
        """The one from before ``take`` again. Raises ``Unreachable``."""
