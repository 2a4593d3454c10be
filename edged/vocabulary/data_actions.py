"""What is done about the copies of what an app has written. ``subject``: the app's name and ``DATA_SIDE``."""

from __future__ import annotations

from typing import ClassVar

from .action import Action
from .data import Stored


class BackUpData(Action, frozen=True, kw_only=True):
    """Keep what an app has written: a verified copy, or none."""

    container_id: str
    data: Stored


class FindBackup(Action, frozen=True, kw_only=True):
    """Is there a good backup to restore? Whether the app runs makes no difference to it. The result is its ``name``."""

    data: Stored
    which: str = "latest"

    journalled: ClassVar[bool] = False


class RestoreData(Action, frozen=True, kw_only=True):
    """Put a verified backup in place of what an app has; the app must be stopped. Its state is kept aside first."""

    container_id: str
    data: Stored
    which: str = "latest"
    """A backup's name; ``latest``: the newest one that is whole."""
    incident: str = ""
