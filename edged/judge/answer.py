"""Answers to commands. Pure."""

from __future__ import annotations

from typing import Any

from ..vocabulary.events import CommandAnswered
from ..vocabulary.facts import CommandReceived
from ..vocabulary.state import State


def rejected(fact: CommandReceived, subject: str, reason: str, message: str) -> CommandAnswered:
    """Nothing was done. ``reason`` is a code for programs, ``message`` is for people."""
    return CommandAnswered(
        subject=subject,
        id=fact.id,
        command=fact.type,
        origin=fact.origin,
        status="rejected",
        reason=reason,
        message=message,
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
    command = state.commands.get(command_id)
    if command is None:
        return ()
    return (
        CommandAnswered(
            subject=command.app,
            id=command.id,
            command=command.type,
            origin=command.origin,
            status="succeeded",
            message=message,
        ),
    )


def running(state: State, command_id: str, phase: str, message: str) -> tuple[CommandAnswered, ...]:
    """It goes on: for whoever follows it."""
    command = state.commands.get(command_id)
    if command is None:
        return ()
    return (
        CommandAnswered(
            subject=command.app,
            id=command.id,
            command=command.type,
            origin=command.origin,
            status="running",
            message=message,
            result={"phase": phase},
        ),
    )


def failed(state: State, command_id: str, reason: str, message: str, phase: str = "") -> tuple[CommandAnswered, ...]:
    command = state.commands.get(command_id)
    if command is None:
        return ()
    return (
        CommandAnswered(
            subject=command.app,
            id=command.id,
            command=command.type,
            origin=command.origin,
            status="failed",
            reason=reason,
            message=message,
            result={"phase": phase} if phase else {},
        ),
    )
