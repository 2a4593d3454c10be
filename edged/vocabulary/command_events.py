"""What is told about commands and about who may give them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from .event import Event


class CommandAnswered(Event, frozen=True, kw_only=True):
    """Progress or the result of a command."""

    id: str
    command: str
    origin: str
    status: Literal["accepted", "running", "succeeded", "failed", "rejected", "expired"]
    reason: str = ""
    """Reason code, for ``failed``, ``rejected`` and ``expired``."""
    message: str = ""
    result: dict[str, Any] = {}
    request: dict[str, Any] = {}
    """With the first answer: arguments, and of a signed one key, role, counter and digest."""

    type: ClassVar[str] = "command.answered"


class CommandPiece(CommandAnswered, frozen=True, kw_only=True):
    """A part of what a command was asked for. It is for whoever asked, and for nobody else."""

    type: ClassVar[str] = "command.piece"


class CommandsRefused(Event, frozen=True, kw_only=True):
    """What was no command of anybody who is trusted, or one of a flood: nothing was done."""

    code: str
    count: int = 1
    message: str = ""
    key: str = ""
    """Id of the key that the sender claimed."""
    topic: str = ""

    type: ClassVar[str] = "commands.refused"


class KeysChanged(Event, frozen=True, kw_only=True):
    """Somebody may command this device from now on, or may not any more."""

    change: Literal["added", "revoked", "file"]
    keys: tuple[str, ...]
    """Ids of those it is about."""
    origin: str = ""

    type: ClassVar[str] = "keys.changed"
