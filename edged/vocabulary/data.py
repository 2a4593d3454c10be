"""What an app keeps of its own: where it is, and how copies of it are made."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Prunable = Literal["containers", "images", "backups", "evidence", "logs"]
"""``containers``: stopped ones that belong to no app. ``images``: dangling ones. ``backups``: of data, all but the
newest good one of each app, and what was kept aside. ``evidence``: the older half of it."""


class Stored(Struct, frozen=True):
    """An app's data, from its configuration."""

    path: str = ""
    """Folder or file as the container sees it."""
    volume: str = ""
    """Or: name of a volume that the container has mounted."""
    keep: int = 7
    verify: tuple[str, ...] = ()
    """Program and arguments; with ``{backup}`` in one of them it is run on this host over a copy, else in the
    container."""
    max_size: int = 2**30
    """Bytes, unpacked."""


PLACE = "{backup}"
"""Stands for the folder with the copy in ``Stored.verify``."""
LATEST = "latest"


class Restoring(Struct, frozen=True):
    """A restore of an app's data, from the wish to the app running again."""

    id: str
    """Of the command, or of the step of a runbook, that asked for it."""
    by: str
    which: str
    since: float
    data: Stored
    """It ends where it began, whatever the configuration has become meanwhile."""
    within: float
    """Seconds for each attempt."""
    phase: Literal["looking", "stopping", "restoring", "starting"] = "stopping"
    """``looking``: for a good backup, before anything is done to an app that may run."""
    ran: bool = True
    """The app ran before: it is started again."""
    captured: bool = False
    """Evidence of the app is kept, or was tried to be: what follows destroys it."""
    action_id: str = ""
    attempt: int = 0
    next_at: float = 0.0
    changed: bool = False
    """The app's data may be neither the old nor the new."""
    name: str = ""
    """Of the backup that is in place now."""
    aside: str = ""
    """Where what was there before is kept."""
    code: str = ""
    error: str = ""


class DataCare(Struct, frozen=True):
    """Backups of an app's data: how they stand."""

    next_at: float = 0.0
    """When the next one is due; 0: that has not been decided yet."""
    action_id: str = ""
    """Of the one under way."""
    deadline: float = 0.0
    command: str = ""
    by: str = ""
    attempt: int = 0
    last: str = ""
    """Name of the newest one."""
    last_at: float = 0.0
    error: str = ""
    """Why the last attempt made none; empty: it made one."""
    bad: bool = False
    """The app's own integrity command found its data bad."""
    restoring: Restoring | None = None
    stuck: str = ""
    """Why the last restore failed; empty: it did not."""
    half: bool = False
    """And the app's data is neither the old nor the new: edged does not start it with that."""

    @property
    def looking(self) -> bool:
        """A good backup is being looked for: nothing is done to the app yet, and its data is its own."""
        return self.restoring is not None and self.restoring.phase == "looking" and not self.half

    @property
    def holds(self) -> str:
        """Why edged must not start or restart the app by itself; empty: it may."""
        if self.restoring is not None:
            return f"its data is just being restored ({self.restoring.phase})"
        return self.stuck if self.half else ""
