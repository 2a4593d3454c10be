"""What must not be in a recording, since recordings are copied around: passwords, and texts that may hold some."""

from __future__ import annotations

import re
from typing import Any

from ..redact import HIDDEN, without_logins

_NAMES = re.compile(r"passw|secret|token|credential|private|api_?key|access_?key", re.IGNORECASE)
_TEXTS = {("CheckConfig", "text"), ("edged.config.deploy", "config")}
"""(type of action or command, field) of what holds a whole configuration, or its digest."""
_KINDS = frozenset(kind for kind, _ in _TEXTS)


def clean(tree: Any, kind: str = "") -> Any:
    """``tree`` (mappings, lists, plain values) without secrets. What it says of numbers, names and times stays."""
    if isinstance(tree, str):
        return without_logins(tree)
    if isinstance(tree, list | tuple):
        return [clean(item, kind) for item in tree]
    if isinstance(tree, dict):
        said = (tree.get("type"), tree.get("command"))
        kind = next((one for one in said if isinstance(one, str) and one in _KINDS), kind)
        return {key: _value(str(key), value, kind) for key, value in tree.items()}
    return tree


def _value(key: str, value: Any, kind: str) -> Any:
    if isinstance(value, str) and value and ((kind, key) in _TEXTS or (_NAMES.search(key) and not _is_file(key))):
        return HIDDEN
    return clean(value, kind)


def _is_file(key: str) -> bool:
    """The name of a file with a secret is none."""
    return key.endswith(("_file", "_path"))
