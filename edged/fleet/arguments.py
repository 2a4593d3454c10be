"""Arguments from the command line, typed as the device's own schema says. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


class BadArguments(ValueError):
    """The message is for the operator."""


def parse(texts: Sequence[str], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """``["app=detector", "lines:=200"]`` -> arguments. ``key:=JSON`` is taken as it is. Raises ``BadArguments``.

    ``schema``: JSON Schema of the arguments, as ``meta`` has it; without one every ``key=value`` is text.
    """
    root = _resolve(schema or {}, schema or {})
    known: Mapping[str, Any] | None = root.get("properties") if schema is not None else None
    args: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise BadArguments(f"{text!r} is no argument; write them like app=detector or lines:=200")
        raw, key = key.endswith(":"), key.removesuffix(":")
        if key in args:
            raise BadArguments(f"the argument {key} is given twice")
        if known is not None and key not in known and root.get("additionalProperties") is False:
            raise BadArguments(f"there is no argument {key}; there are: {', '.join(known) or 'none'}")
        args[key] = _json(key, value) if raw else _typed(key, value, (known or {}).get(key, {}), schema or {})
    missing = [key for key in root.get("required", []) if key not in args]
    if missing:
        raise BadArguments(f"the argument {missing[0]} is missing, as in {missing[0]}=…")
    return args


def _resolve(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(8):  # a reference may lead in a circle
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        found: Any = schema
        for part in reference.removeprefix("#/").split("/"):
            found = found.get(part, {}) if isinstance(found, Mapping) else {}
        node = found if isinstance(found, Mapping) else {}
    return {}


def _json(key: str, value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise BadArguments(f"{key}:={value} is not JSON") from None


def _kinds(node: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    node = _resolve(node, schema)
    for union in ("anyOf", "oneOf"):
        if isinstance(node.get(union), list):
            return [_resolve(one, schema) for one in node[union]]
    type_ = node.get("type")
    return [{**node, "type": one} for one in type_] if isinstance(type_, list) else [node]


def _typed(key: str, value: str, node: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    kinds = _kinds(node, schema)
    for kind in sorted(kinds, key=lambda one: one.get("type") == "string"):
        try:
            return _as(value, kind)
        except ValueError:
            continue
    wanted = " or ".join(str(kind.get("enum") or kind.get("type") or "something else") for kind in kinds)
    raise BadArguments(f"{key}={value}: {wanted} is expected")


def _as(value: str, kind: Mapping[str, Any]) -> Any:
    if "enum" in kind:
        found = [one for one in kind["enum"] if str(one) == value]
        if not found:
            raise ValueError
        return found[0]
    match kind.get("type"):
        case "integer":
            return int(value)
        case "number":
            return float(value)
        case "boolean":
            if value.lower() not in _WORDS:
                raise ValueError
            return _WORDS[value.lower()]
        case "null":
            if value not in ("", "null"):
                raise ValueError
            return None
        case "array" if not value.startswith("["):
            items = kind.get("items", {})
            return [_as(part, items if isinstance(items, Mapping) else {}) for part in value.split(",") if part]
        case "array" | "object" as type_:
            found = json.loads(value)
            if not isinstance(found, list if type_ == "array" else dict):
                raise ValueError
            return found
    return value


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
