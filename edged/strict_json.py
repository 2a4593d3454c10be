"""What msgspec lets pass in JSON that is read without a schema. Pure."""

from __future__ import annotations

import json
from typing import Any

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_DIGITS = 20


def check(data: bytes) -> None:
    """Raises ``ValueError`` for JSON that cannot be meant. ``RecursionError`` when it is nested too deeply.

    Readers disagree on which of two equal keys counts, and msgspec takes one silently. A whole number of more than 64
    bits fits into no command, and could not be recorded.
    """
    json.loads(data, object_pairs_hook=_once, parse_int=_whole)


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("gives a key twice")


def _whole(text: str) -> int:
    if len(text) > _DIGITS or not _LOWEST <= int(text) <= _HIGHEST:
        raise ValueError(f"has a number of more than 64 bits: {text[:_DIGITS]}")
    return int(text)
