"""The host that edged runs on, and its service manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..vocabulary.world import Disk, HostSample, Usage


class Host(Protocol):
    def sample(self) -> HostSample: ...

    def disk(self, path: str, timeout: float) -> Disk:
        """How full a file system is. Raises ``NotFound`` or ``PortError``.

        One behind a network answers within ``timeout`` seconds or fails; a local one takes as long as its kernel does.
        """

    def remove_files(self, patterns: Sequence[str], min_age: float) -> int:
        """Removes plain files that fit one of the patterns and were not touched for ``min_age`` seconds.

        Returns the bytes that are free now. Raises ``PortError`` when one of them may not be removed.
        """

    def usage(self, container_id: str, pid: int | None) -> Usage:
        """From the container's cgroup files; raises ``NotFound`` or ``PortError``."""


class Services(Protocol):
    """systemd units of this host."""

    def stopped_on_purpose(self, unit: str, timeout: float) -> bool:
        """True when a person or the system stopped the unit cleanly and nothing failed."""

    def restart(self, unit: str, timeout: float) -> None: ...


class Notifier(Protocol):
    """The service manager. Everything is a no-op when there is none."""

    @property
    def watchdog_seconds(self) -> float | None:
        """The service manager's limit between two ``watchdog`` calls."""

    def ready(self, status: str) -> None: ...

    def reloading(self) -> None: ...

    def stopping(self, status: str) -> None: ...

    def status(self, text: str) -> None: ...

    def watchdog(self) -> None: ...

    def give_up(self) -> None:
        """Asks to be ended and started anew at once, as if ``watchdog`` had not been called for too long."""
