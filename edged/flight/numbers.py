"""Numbers as steps from the ones before, without losing a bit: most are small then."""

from __future__ import annotations

from typing import Any

_SCALES = (1e6, 1e9)
_LARGEST = 2.0**52
_MOST = 2**62


def step(before: Any, now: Any) -> Any:
    """What ``stepped(before, …)`` makes ``now`` of again. Neither of them a list or a mapping."""
    kind = type(now)
    if kind is not type(before):
        return [now]
    if kind is int:
        change = now - before
        return change if -_MOST <= change <= _MOST else [now]
    if kind is float:
        return _float_step(before, now)
    return now


def stepped(before: Any, change: Any) -> Any:
    """The value that came after ``before``; ``change`` is what ``step`` made of the two."""
    kind = type(change)
    if kind is list:
        return change[0]
    if kind is int:
        was = type(before)
        if was is int:
            return before + change
        if was is float:
            scale = _scale(before)
            return (round(before * scale) + change) / scale
    return change


def _float_step(before: float, now: float) -> int | float:
    """A whole number of millionths (or billionths) where both are such numbers exactly; else ``now`` itself."""
    scale = _scale(before)
    if scale and abs(now) * scale < _LARGEST:
        whole = round(now * scale)
        # Not for zero: it has a sign, and a whole number has none.
        if whole and whole / scale == now:
            return whole - round(before * scale)
    return now


def _scale(number: float) -> float:
    """0: it is no decimal number with few places."""
    size = abs(number)
    for scale in _SCALES:
        if size * scale < _LARGEST and round(number * scale) / scale == number:
            return scale
    return 0.0
