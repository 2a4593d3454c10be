"""How the outside world says that it did not do what was asked."""

from __future__ import annotations


class PortError(Exception):
    """The outside world did not do what was asked. The message is for the operator."""


class Unreachable(PortError):
    """Nobody answers: the engine, the broker, the socket is not there or does not respond in time."""


class NotFound(PortError):
    """The container (file, unit …) that was named does not exist."""


class Refused(PortError):
    """It answered, and said no."""


class StorageError(PortError):
    """The state folder cannot be written or read: full, read-only, damaged."""


class ArtifactError(PortError):
    """An artifact was refused or could not be handled. ``code`` is for programs: the reason codes of bundles, and
    ``unreachable``, ``timeout``, ``storage`` for what another attempt may mend."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
