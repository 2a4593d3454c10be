"""What commands there are and what they take, as JSON Schema: for consoles that have never seen this version."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from . import COMMANDS


@cache
def schemas() -> Mapping[str, Any]:
    """By command type: the schema of its arguments. ``role`` (the least that a key needs) is an annotation of ours."""
    return {name: {"role": command.role, **_schema(command.args)} for name, command in COMMANDS.items()}


def _schema(args: type[Any]) -> dict[str, Any]:
    whole = msgspec.json.schema(args)
    # One definition that everything refers to says the same as the definition itself, in fewer words.
    name = whole.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = whole["$defs"].pop(name) if name else whole
    found.pop("title", None)
    if name and whole["$defs"]:
        found["$defs"] = whole["$defs"]
    return found
