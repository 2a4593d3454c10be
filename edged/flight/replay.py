"""Recorded facts judged once more, under the configuration they were judged with: the decisions must be the same."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .. import __version__
from ..judge import judge
from ..vocabulary.actions import Action
from ..vocabulary.event import Event
from ..vocabulary.state import State
from .segment import Damaged, Head, Segment, Turn, decisions, encode, picture

MOST_DIFFERENCES = 20
"""That are kept in full; the rest is counted."""
MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a mistake in a rule of the judge raises."""


class Difference(Struct, frozen=True):
    """What was decided then, and what is decided now."""

    wall: float
    fact: str
    then: tuple[Any, ...]
    now: tuple[Any, ...]


class Decided(Struct, frozen=True):
    """What one fact led to."""

    wall: float
    fact: str
    actions: tuple[Action, ...]
    events: tuple[Event, ...]


class Count(Struct):
    """What a replay came to; filled in while it runs."""

    facts: int = 0
    decisions: int = 0
    seconds: float = 0.0
    """Recorded ones."""
    differing: int = 0
    differences: list[Difference] = []
    notes: list[str] = []
    """What could not be read, or is missing."""
    device: str = ""
    begin: float = 0.0
    end: float = 0.0
    """Unix time."""


class Stretch(Struct, frozen=True):
    """A segment that can be read, and where it stands."""

    name: str
    segment: Segment
    follows: bool
    """It goes on where the one before ended: nothing is missing between them."""


def stretches(files: Iterable[tuple[str, bytes]], notes: list[str]) -> Iterator[Stretch]:
    """What can be read of ``files``, oldest first. ``notes`` is told of what cannot, and of other versions of edged."""
    before: Head | None = None
    version = __version__
    for name, data in files:
        try:
            segment = Segment(data)
        except Damaged as damage:
            notes.append(f"{name} is left out: {damage}")
            before = None
            continue
        head = segment.head
        if head.version != version:
            version = head.version
            notes.append(f"{name} was recorded by edged {version}, and is judged by {__version__}")
        follows = before is not None and head.boot == before.boot and head.number == before.number + 1
        before = head
        yield Stretch(name, segment, follows and not head.gap)


def turns(stretch: Stretch, notes: list[str]) -> Iterator[Turn]:
    """Up to where the segment can be read."""
    try:
        yield from stretch.segment.turns()
    except Damaged as damage:
        notes.append(f"{stretch.name} is read up to where {damage}")


def replay(files: Iterable[tuple[str, bytes]], count: Count, since: float = 0.0) -> Iterator[Decided]:
    """Whatever is decided, in order; ``count`` tells the rest. ``since``: Unix time from which on it counts."""
    state: State | None = None
    for stretch in stretches(files, count.notes):
        head, config = stretch.segment.head, stretch.segment.config
        if state is not None and stretch.follows and not _same(state, stretch.segment):
            _differ(count, Difference(head.wall, f"the state at the beginning of {stretch.name}", (), ()))
        state = stretch.segment.state
        count.device = config.device.id or count.device
        now, broken = head.now, len(count.notes)
        for turn in turns(stretch, count.notes):
            config, now = turn.config or config, turn.now
            wall = head.wall + (now - head.now)
            try:
                judged = judge(state, turn.fact, config, now)
            except MISTAKES as error:
                count.notes.append(f"{stretch.name}: {mistake(error, turn, wall)}")
                _differ(count, Difference(wall, type(turn.fact).__name__, turn.decided, ()))
                count.facts += 1
                count.begin, count.end = count.begin or wall, wall
                break
            state = judged.state
            if wall < since:
                continue
            count.begin = count.begin or wall
            count.end = wall
            count.facts += 1
            if not (judged.actions or judged.events or turn.decided):
                continue
            count.decisions += len(judged.actions) + len(judged.events)
            told = decisions(judged.actions, judged.events)
            if tuple(told) != turn.decided:
                _differ(count, Difference(wall, type(turn.fact).__name__, turn.decided, tuple(told)))
            yield Decided(wall, type(turn.fact).__name__, judged.actions, judged.events)
        count.seconds += now - head.now
        if len(count.notes) > broken:
            state = None  # what comes next does not follow from here


def mistake(error: Exception, turn: Turn, wall: float) -> str:
    """Where the judge itself failed: most likely edged ended by it then, too."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rpartition('/edged/')[2]}:{place.lineno} in {place.name}"
    at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(wall))
    return f"the judge failed on {type(turn.fact).__name__} at {at}: {type(error).__name__}: {error} ({where})"


def _same(state: State, segment: Segment) -> bool:
    """What is no number is not even equal to itself: hence the second look."""
    inputs = {name: replace(one, verdicts=None) for name, one in state.inputs.items()}
    return replace(state, inputs=inputs) == segment.state or encode(picture(state)) == encode(segment.head.state)


def _differ(count: Count, difference: Difference) -> None:
    count.differing += 1
    if len(count.differences) < MOST_DIFFERENCES:
        count.differences.append(difference)


def named(trees: Sequence[Any], kinds: frozenset[str]) -> list[dict[str, Any]]:
    """Those of the decisions that are of these types."""
    return [tree for tree in trees if tree.get("type") in kinds]
