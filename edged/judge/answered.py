"""Final answers to commands, kept for whoever sends the same command again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ..vocabulary.events import CommandAnswered, Event
from ..vocabulary.state import Answered, State
from .admission import UNKEPT
from .readout import TYPES

FINAL = ("succeeded", "failed", "rejected")
ANSWERS_KEPT, MOST_ANSWERS = 200, 1000
"""Final answers that are remembered of each sender, and in all."""
READS_KEPT = 40
"""The same for what was only read: a console that asks every second must not make it forget what it has done."""


def close_commands(state: State, events: Sequence[Event], now: float) -> State:
    """A command with a final answer is not open any more, and the answer is kept for whoever sends it again."""
    answers = [e for e in events if isinstance(e, CommandAnswered) and e.status in FINAL]
    if not answers:
        return state
    new = {e.id: Answered(now, e) for e in answers if e.id not in state.answered and e.reason not in UNKEPT}
    if new:
        rows = [*state.answered.items(), *new.items()]
        state = replace(state, answered=dict(_newest(rows)))
    ended = {e.id for e in answers}
    open_ones = {k: v for k, v in state.commands.items() if k not in ended}
    return state if len(open_ones) == len(state.commands) else replace(state, commands=open_ones)


def _newest(rows: list[tuple[str, Answered]]) -> list[tuple[str, Answered]]:
    """Of each sender so many: nobody pushes out what others were told."""
    seen, kept = dict[tuple[str, bool], int](), list[tuple[str, Answered]]()
    for identity, answered in reversed(rows):
        kind = answered.answer.origin, answered.answer.command in TYPES
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= (READS_KEPT if kind[1] else ANSWERS_KEPT):
            kept.append((identity, answered))
    return kept[::-1][-MOST_ANSWERS:]
