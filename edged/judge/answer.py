"""Answers to commands. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import msgspec

from ..vocabulary.events import CommandAnswered
from ..vocabulary.facts import CommandReceived
from ..vocabulary.state import State

MOST_ARGS = 1024
"""Bytes of arguments that an answer repeats; longer ones are left out."""
LONGEST_ARG = 200
"""Characters of one of them; of a longer one the digest is told."""
SEALED = frozenset({"config"})
"""Arguments that may hold secrets, however short."""
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def bounded_args(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a command as they are told to others and audited: without secrets, and bounded."""
    shown = {name: _told(value, name in SEALED) if isinstance(value, str) else value for name, value in args.items()}
    try:
        return shown if len(msgspec.json.encode(shown)) <= MOST_ARGS else {}
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return {}


def _told(text: str, sealed: bool) -> str:
    if not sealed and len(text) <= LONGEST_ARG and "\n" not in text:
        return _LOGIN.sub("…@", text)
    data = text.encode("utf-8", "replace")
    return f"sha256:{hashlib.sha256(data).hexdigest()} ({len(data)} bytes)"


MOST_WORDS = 500
"""Characters of a message: some of it may be what somebody sent, and answers are kept."""


def rejected(fact: CommandReceived, subject: str, reason: str, message: str) -> CommandAnswered:
    """Nothing was done. ``reason`` is a code for programs, ``message`` is for people."""
    return CommandAnswered(
        subject=subject,
        id=fact.id,
        command=fact.type,
        origin=fact.origin,
        status="rejected",
        reason=reason,
        message=message[:MOST_WORDS],
    )


def done(fact: CommandReceived, subject: str, message: str, result: dict[str, Any] | None = None) -> CommandAnswered:
    """It was carried out at once."""
    return CommandAnswered(
        subject=subject,
        id=fact.id,
        command=fact.type,
        origin=fact.origin,
        status="succeeded",
        message=message,
        result=result or {},
    )


def accepted(fact: CommandReceived, subject: str, message: str) -> CommandAnswered:
    return CommandAnswered(
        subject=subject, id=fact.id, command=fact.type, origin=fact.origin, status="accepted", message=message
    )


def succeeded(state: State, command_id: str, message: str) -> tuple[CommandAnswered, ...]:
    """The end of a command that took its time."""
    return _later(state, command_id, "succeeded", message)


def running(state: State, command_id: str, phase: str, message: str) -> tuple[CommandAnswered, ...]:
    """It goes on: for whoever follows it."""
    return _later(state, command_id, "running", message, phase=phase)


def failed(state: State, command_id: str, reason: str, message: str, phase: str = "") -> tuple[CommandAnswered, ...]:
    return _later(state, command_id, "failed", message, reason, phase)


def _later(
    state: State,
    command_id: str,
    status: Literal["running", "succeeded", "failed"],
    message: str,
    reason: str = "",
    phase: str = "",
) -> tuple[CommandAnswered, ...]:
    """Nobody asked for it (or not by a command): nobody is told."""
    command = state.commands.get(command_id)
    if command is None:
        return ()
    return (
        CommandAnswered(
            subject=command.app,
            id=command.id,
            command=command.type,
            origin=command.origin,
            status=status,
            reason=reason,
            message=message,
            result={"phase": phase} if phase else {},
        ),
    )
