"""What is told of the backups of apps' data."""

from __future__ import annotations

from typing import ClassVar

from .event import Event


class DataBackedUp(Event, frozen=True, kw_only=True):
    """An attempt to back an app's data up came to its end."""

    ok: bool
    by: str
    name: str = ""
    digest: str = ""
    bytes: int = 0
    verified: str = ""
    """How the data itself was checked; empty: it was not."""
    code: str = ""
    """``verify``: the app's own integrity command found it bad."""
    reason: str = ""
    seconds: float = 0.0

    type: ClassVar[str] = "data.backed_up"


class DataRestored(Event, frozen=True, kw_only=True):
    """A restore of an app's data came to its end; with ``ok`` the app is healthy with it."""

    ok: bool
    id: str
    """Of the command or the step of a runbook that asked for it."""
    by: str
    name: str = ""
    """Of the backup that is in place now; empty: the data is what it was."""
    aside: str = ""
    """Where what was there before is kept."""
    code: str = ""
    reason: str = ""
    seconds: float = 0.0

    type: ClassVar[str] = "data.restored"
