"""Facts as small items: what comes again and again is written as the difference from the time before."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from ..vocabulary.facts import AnyFact, Fact
from .numbers import step, stepped
from .secrets import clean

MOST_KNOWN = 4000
"""Facts that others are told apart from, in one segment."""
_REPEATED = frozenset(
    {"Tick", "ProbeFinished", "ResourcesSampled", "HostSampled", "DiskSampled", "TrafficSampled", "CheckFailed",
     "ContainersListed", "EngineSeen", "RowsCounted", "LogsCounted"}
)  # fmt: skip
_WHOLE, _NEW = -1, -2
_KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in get_args(AnyFact)}
"""By name: msgspec would take longer to look at the union of all than for anything else."""


class Unreadable(Exception):
    """An item that does not follow from those before it."""


class Packer:
    """One for each segment: items can only be read in order, from its beginning."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._known: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}

    def pack(self, now: float, fact: Fact) -> list[Any]:
        tree: dict[str, Any] = clean(msgspec.to_builtins(fact))
        moved, self._now = step(self._now, now), now
        at, began = step(now, tree.pop("at")), tree.get("started")
        if type(began) is float:
            tree["started"] = step(fact.at, began)  # about as long ago as the time before
        if tree["fact"] not in _REPEATED:
            return [_WHOLE, moved, at, tree]
        key = (tree["fact"], _about(tree))
        known = self._known.get(key)
        if known is not None:
            number, before = known
            changes: list[Any] = []
            if _compare(before, tree, _Counter(), changes):
                self._known[key] = number, tree
                return [number, moved, at, *changes]
        elif len(self._known) >= MOST_KNOWN:
            return [_WHOLE, moved, at, tree]
        number = known[0] if known is not None else len(self._known)
        self._known[key] = number, tree
        return [_NEW, moved, at, number, tree]


class Unpacker:
    def __init__(self, now: float) -> None:
        self._now = now
        self._known: dict[int, tuple[dict[str, Any], list[tuple[Any, Any]]]] = {}

    def unpack(self, item: list[Any]) -> tuple[float, Fact]:
        """``now`` and the fact. Raises ``Unreadable``."""
        try:
            return self._unpack(item)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise Unreadable(f"a fact that this edged cannot read: {error}") from error

    def _unpack(self, item: list[Any]) -> tuple[float, Fact]:
        number, moved, at = item[0], item[1], item[2]
        now = self._now = stepped(self._now, moved)
        if number == _WHOLE:
            tree = item[3]
        elif number == _NEW:
            tree = item[4]
            self._known[item[3]] = tree, _places(tree)
        else:
            tree, places = self._known[number]
            place = -1
            for index in range(3, len(item), 2):
                place += item[index] + 1
                holder, key = places[place]
                holder[key] = stepped(holder[key], item[index + 1])
        when = stepped(now, at)
        began = tree.get("started")
        times = {"at": when} if type(began) not in (int, list) else {"at": when, "started": stepped(when, began)}
        fact: Fact = msgspec.convert(tree | times, _KINDS[tree["fact"]])
        return now, fact


def _about(tree: dict[str, Any]) -> str:
    return "/".join(str(tree[key]) for key in ("check", "kind", "subject", "app") if key in tree)


class _Counter:
    """Position of a plain value in a tree, and of the one that was last seen to differ."""

    __slots__ = ("last", "next")

    def __init__(self) -> None:
        self.next, self.last = 0, -1


def _compare(before: Any, now: Any, count: _Counter, changes: list[Any]) -> bool:
    """Adds (values passed over, change) for each plain value that differs. False: the trees have not one shape."""
    if type(now) is dict:
        # In the same order too: values are counted.
        return (
            type(before) is dict
            and list(before) == list(now)
            and all(_compare(before[key], value, count, changes) for key, value in now.items())
        )
    if type(now) is list:
        return (
            type(before) is list
            and len(before) == len(now)
            and all(_compare(old, new, count, changes) for old, new in zip(before, now, strict=True))
        )
    if type(before) in (dict, list):
        return False
    if before != now or type(before) is not type(now) or (now == 0.0 and str(before) != str(now)):  # 0.0 is not -0.0
        changes += (count.next - count.last - 1, step(before, now))
        count.last = count.next
    count.next += 1
    return True


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Where the plain values of ``tree`` are, in the order of ``_compare``."""
    found: list[tuple[Any, Any]] = []
    pairs = list(tree.items()) if type(tree) is dict else list(enumerate(tree))
    for key, value in pairs:
        if type(value) in (dict, list):
            found += _places(value)
        else:
            found.append((tree, key))
    return found
