"""Whether a regular expression for log lines is one, and cheap whatever an app writes. Pure.

Python's engine tries one way to match after the other. With nested or neighbouring repetitions their number explodes,
and while it tries, nothing else of edged goes on. So the worst case over a line of ``LOOK`` characters is worked out
from the parsed expression; what may take too many steps is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from msgspec import Struct

from .logs import Logs, Switch

KeyPath = tuple[str, ...]
Found = tuple[tuple[KeyPath, ...], str, str]
"""Keys, reason, hint."""

LOOK = 1000
"""Characters of a line that are looked at."""
MOST = 6 * LOOK
"""Steps from each of its characters: for one open repetition, or several of which none can take what the next needs."""
_PLAIN = "write it like ERROR|FATAL, with a \\ before each of . ( ) [ ] * + ? that stands for itself"
_SINGLE = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")
_HUGE = 10**9
_FAR = {256: "\u0436", 257: "\u2003", 258: "\u0665", 259: "\u2014"}
"""What stands for all letters, spaces, digits and other characters beyond the first 256, with one of each."""
_ALPHABET = frozenset(range(260))

_parser: Any = import_module("re._parser")


class _Cost(Struct, frozen=True):
    """Of matching at one place, over all ways that it may be tried."""

    ways: int
    """In how many ways it can end well: whatever follows is tried so many times."""
    steps: int


def logs_faults(path: KeyPath, given: Logs | Switch | None) -> Iterator[Found]:
    """What is wrong with the expressions of an app."""
    if not isinstance(given, Logs):
        return
    for key in ("errors", "slow", "auth"):
        if problem := trouble(getattr(given, key)):
            yield (((*path, key),), *problem)


@lru_cache(maxsize=256)
def trouble(pattern: str) -> tuple[str, str] | None:
    """Reason and hint, if it cannot be used."""
    if not pattern:
        return None
    try:
        compiled = re.compile(pattern)
        parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}", _PLAIN
    if compiled.search("") is not None:
        return "matches every line", "an empty pattern counts nothing; logs: off reads no log"
    try:
        cost = _sequence(_needed(list(parsed)), compiled.flags)
    except _Unknown as unknown:
        return f"holds {unknown}, which may take very long", "write it without"
    except RecursionError:
        return "is nested too deeply", "write it with fewer groups"
    if cost.steps > MOST:
        return (
            "may take very long on some lines: repetitions without a bound follow or hold each other",
            "bound them, as in .{0,40} in the place of .*",
        )
    return None


class _Unknown(Exception):
    """A construct whose cost cannot be told."""


def _needed(items: list[Any]) -> list[Any]:
    """Without what may follow a match at its end: that never makes the engine go back."""
    if items and str(items[-1][0]) in _REPEATS:
        least, _, body = items[-1][1]
        return [*items[:-1], (items[-1][0], (least, least, body))]
    return items


def _sequence(items: list[Any], flags: int) -> _Cost:
    ways, steps = 1, 0
    for index, item in enumerate(items):
        if index and str(item[0]) in _SINGLE and str(items[index - 1][0]) in _SINGLE:
            continue  # a word is one step: most differ in their first letter
        cost = _item(item, flags)
        steps += ways * cost.steps
        if _apart(item, items[index + 1 :], flags):
            cost = _Cost(1, cost.steps)
        ways *= cost.ways
        if ways > _HUGE or steps > _HUGE:
            return _Cost(_HUGE, _HUGE)
    return _Cost(ways, steps)


def _item(item: Any, flags: int) -> _Cost:
    kind, what = str(item[0]), item[1]
    if kind in _SINGLE:
        return _Cost(1, 1)
    if kind == "SUBPATTERN":
        return _sequence(list(what[3]), (flags | what[1]) & ~what[2])
    if kind == "BRANCH":
        return _branch([list(one) for one in what[1]], flags)
    if kind in (*_REPEATS, "POSSESSIVE_REPEAT"):
        cost = _repeat(what, flags)
        return cost if kind != "POSSESSIVE_REPEAT" else _Cost(1, cost.steps)
    if kind == "ATOMIC_GROUP":
        return _Cost(1, _sequence(list(what), flags).steps)
    if kind in ("ASSERT", "ASSERT_NOT"):
        return _Cost(1, _sequence(list(what[1]), flags).steps)
    names = {"GROUPREF": "a reference to a group", "GROUPREF_EXISTS": "a condition on a group"}
    raise _Unknown(names.get(kind, kind.lower()))


def _branch(branches: list[list[Any]], flags: int) -> _Cost:
    costs = [_sequence(one, flags) for one in branches]
    firsts = [_first(one, flags) for one in branches]
    disjoint = all(firsts) and sum(map(len, firsts)) == len(frozenset[int]().union(*firsts))
    ways = max(cost.ways for cost in costs) if disjoint else sum(cost.ways for cost in costs)
    return _Cost(ways, sum(cost.steps for cost in costs))


def _repeat(what: Any, flags: int) -> _Cost:
    least, most, body = int(what[0]), int(what[1]), what[2]
    inner, width = _sequence(list(body), flags), int(body.getwidth()[0])
    if not width and most > 1:
        return _Cost(_HUGE, _HUGE)
    times = min(most, LOOK // max(1, width))
    if inner.ways == 1:
        return _Cost(max(1, times - least + 1), max(1, times) * inner.steps)
    ways = steps = 0
    for number in range(times + 1):
        reached = inner.ways**number
        ways += reached if number >= least else 0
        steps += reached * inner.steps
        if steps > _HUGE:
            return _Cost(_HUGE, _HUGE)
    return _Cost(max(1, ways), steps)


def _apart(item: Any, rest: list[Any], flags: int) -> bool:
    """Whether a repetition can only end in one place: what must follow cannot be a part of it."""
    kind, what = str(item[0]), item[1]
    if kind == "SUBPATTERN" and len(what[3]) == 1:
        return _apart(what[3][0], rest, (flags | what[1]) & ~what[2])
    if kind not in _REPEATS or len(what[2]) != 1:
        return False
    repeated, following = _first(list(what[2]), flags), _first(rest, flags)
    return bool(repeated and following) and not repeated & following


def _first(items: list[Any], flags: int) -> frozenset[int]:
    """Characters that it may begin with (far ones by their kind); empty: it may be anything, or nothing."""
    if not items:
        return frozenset()
    kind, what = str(items[0][0]), items[0][1]
    if kind == "LITERAL":
        return _folded(frozenset({_near(int(what))}), flags)
    if kind == "NOT_LITERAL":
        return (_ALPHABET - _folded(frozenset({_near(int(what))}), flags)) | frozenset(_FAR)
    if kind == "IN":
        return _members(what, flags)
    if kind == "SUBPATTERN":
        return _first([*what[3], *items[1:]], (flags | what[1]) & ~what[2])
    if kind in (*_REPEATS, "POSSESSIVE_REPEAT") and what[0] > 0:
        return _first(list(what[2]), flags)
    if kind == "BRANCH":
        firsts = [_first([*one, *items[1:]], flags) for one in what[1]]
        return frozenset[int]().union(*firsts) if all(firsts) else frozenset()
    return frozenset()


def _members(what: Any, flags: int) -> frozenset[int]:
    found: set[int] = set()
    negated = False
    for kind, value in what:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found.add(_near(int(value)))
            case "RANGE":
                found |= set(range(value[0], min(value[1], 255) + 1)) | (set(_FAR) if value[1] > 255 else set())
            case _:
                found |= _category(str(value))
    folded = _folded(frozenset(found), flags)
    # A far one stands for many: without one of them there are others.
    return (_ALPHABET - folded) | ({*_FAR} - _kinds(what)) if negated else folded


def _kinds(what: Any) -> frozenset[int]:
    """The far characters that a class holds all of."""
    kinds = [_category(str(value)) for kind, value in what if str(kind) == "CATEGORY"]
    return frozenset[int]().union(*kinds) & frozenset(_FAR)


def _near(code: int) -> int:
    if code < 256:
        return code
    return next((far for far, name in ((258, "DIGIT"), (257, "SPACE"), (256, "WORD")) if _fits(name, chr(code))), 259)


def _fits(name: str, character: str) -> bool:
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.rpartition("_")[2]]
    return re.match("\\" + (letter.upper() if "_NOT_" in name else letter), character) is not None


@lru_cache
def _category(name: str) -> frozenset[int]:
    return frozenset(code for code in _ALPHABET if _fits(name, _FAR.get(code) or chr(code)))


def _folded(found: frozenset[int], flags: int) -> frozenset[int]:
    """With capitals and small letters, where they count as the same. Some have a far relative."""
    if not flags & re.IGNORECASE:
        return found
    near = [chr(one) for one in found if one < 256]
    other = {_near(ord(c)) for one in near for c in one.swapcase() + one.lower()}
    return found | other | ({256} if any(one.isalpha() for one in near) else set())
