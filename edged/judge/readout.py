"""Commands that ask for more than fits into one answer: a worker gets it, and it goes out in pieces.

Nothing of it is kept: neither in the state nor in the journal. The pieces of a command from the broker are events: so
they reach the console. Those of a local one go to its caller only.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..vocabulary.actions import ReadOut
from ..vocabulary.events import CommandAnswered, CommandPiece, Event
from ..vocabulary.facts import ActionFinished, CommandReceived
from ..vocabulary.state import CommandState, State
from ..vocabulary.trust import REMOTE
from .answer import accepted, failed, rejected
from .outcome import Judgement, View

SUBJECT = "read/"
"""What a read-out's subject begins with: none waits for what is done to an app, nor the other way round."""
TYPES = ("status.get", "logs.get", "evidence.get", "report.get", "data.list")
MOST = 4
"""Under way at a time: each is a megabyte at most, and the device has other things to do."""
TIMEOUT = 20.0


def begin(fact: CommandReceived, subject: str, view: View, **what: Any) -> Judgement:
    """``what``: fields of ``ReadOut``. ``subject``: what the command is about."""
    state = view.state
    if sum(one.type in TYPES for one in state.commands.values()) >= MOST:
        why = f"{MOST} commands that read something out are under way already; try again in a moment"
        return Judgement(state, events=(rejected(fact, subject, "busy", why),))
    if state.storage_error and fact.origin.startswith(REMOTE):
        # They would wait in memory for a disk that takes nothing.
        why = f"the result cannot be stored until it is sent: {state.storage_error}"
        return Judgement(state, events=(rejected(fact, subject, "storage", why),))
    name = SUBJECT + fact.id
    action = ReadOut(id=name, subject=name, reason=f"{fact.type} by {fact.origin}", timeout=TIMEOUT, **what)
    command = CommandState(id=fact.id, type=fact.type, app=subject, origin=fact.origin, since=view.now)
    new = replace(state, commands={**state.commands, fact.id: command})
    return Judgement(new, (action,), (accepted(fact, subject, f"{fact.type} begins"),))


def concerns(fact: ActionFinished) -> bool:
    return fact.action == ReadOut.__name__


def finished(state: State, fact: ActionFinished) -> Judgement:
    """The pieces, then the end. Their action needs no event of its own: the answers tell all there is."""
    command = state.commands.get(fact.action_id.removeprefix(SUBJECT))
    if command is None:
        return Judgement(state)
    if not fact.ok:
        code = str(fact.result.get("code", "")) or "not_available"
        return Judgement(state, events=failed(state, command.id, code, fact.error))
    pieces, about = list(fact.result["pieces"]), {k: v for k, v in fact.result.items() if k != "pieces"}
    events: list[Event] = [_piece(command, number, pieces, about["digest"]) for number in range(len(pieces))]
    cut = "; older content was left out, to keep it small" if about["truncated"] else ""
    message = f"{about['bytes']} bytes in {len(pieces)} pieces{cut}"
    end = CommandAnswered(
        subject=command.app,
        id=command.id,
        command=command.type,
        origin=command.origin,
        status="succeeded",
        message=message,
        result=about | {"chunks": len(pieces)},
    )
    return Judgement(state, events=(*events, end))


def _piece(command: CommandState, number: int, pieces: list[str], digest: str) -> CommandPiece:
    return CommandPiece(
        subject=command.app,
        id=command.id,
        command=command.type,
        origin=command.origin,
        status="running",
        message=f"piece {number + 1} of {len(pieces)}",
        result={
            "phase": "data",
            "encoding": "gzip+base64",
            "chunk": number,
            "chunks": len(pieces),
            "digest": digest,
            "data": pieces[number],
        },
    )


def interrupted(state: State) -> tuple[Event, ...]:
    """At the start of a run: what the one before was getting is lost, and its answer is owed."""
    why = "edged ended meanwhile, and what was read is gone: send it again with another id"
    owed = [command.id for command in state.commands.values() if command.type in TYPES]
    return tuple(event for identity in owed for event in failed(state, identity, "interrupted", why))
