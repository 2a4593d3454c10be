"""How refusals of signed orders are told: each by itself while they are few, counted when they come in a flood.

A flood (of old messages sent again, say) must fill neither disk nor spool, and must not use up what a key may do.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.events import CommandsRefused
from ..vocabulary.state import State
from ..vocabulary.trust import Refusals

BURST = 30.0
PER_SECOND = 0.5
"""Told by itself; beyond that they are counted …"""
FLUSH = 10.0
"""… and told together after so many seconds."""


def single(state: State, code: str, now: float) -> tuple[State, bool]:
    """Counts one refusal. True: it is to be told by itself."""
    known = state.authority.refusals
    tokens = min(BURST, known.tokens + max(0.0, now - known.at) * PER_SECOND) if known.at else BURST
    if tokens >= 1.0:
        return _with(state, replace(known, tokens=tokens - 1.0, at=now)), True
    untold = {**known.untold, code: known.untold.get(code, 0) + 1}
    flush_at = known.flush_at or now + FLUSH
    return _with(state, replace(known, tokens=tokens, at=now, untold=untold, flush_at=flush_at)), False


def flush(state: State, now: float) -> tuple[State, tuple[CommandsRefused, ...]]:
    """What was only counted, when it is due."""
    known = state.authority.refusals
    if not known.flush_at or now < known.flush_at:
        return state, ()
    told = tuple(
        CommandsRefused(subject="edged", code=code, count=count, message="refused in a flood of such orders")
        for code, count in sorted(known.untold.items())
    )
    return _with(state, replace(known, untold={}, flush_at=0.0)), told


def wake_at(state: State) -> float | None:
    """When ``flush`` has something to do."""
    return state.authority.refusals.flush_at or None


def _with(state: State, refusals: Refusals) -> State:
    return replace(state, authority=replace(state.authority, refusals=refusals))
