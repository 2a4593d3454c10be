"""Checks an app's configuration: well-formed, bounded, and in order by its JSON Schema."""

from __future__ import annotations

import configparser
import datetime
import json
import tomllib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from msgspec import structs

from .types import Code, ConfigCheck, ConfigVerdict, Problem

MAX_BYTES = 2**20
MAX_VALUES = 100_000
MAX_DEPTH = 64
_MOST = 20
_LONGEST = 200


class _Unfit(Exception):
    """The document cannot be used. The message is for the operator and shows no value."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


def check_config(request: ConfigCheck, tell: Callable[[ConfigVerdict], None]) -> None:
    """Tells a verdict before each stage, and the last one with the stage ``done``."""
    verdict = ConfigVerdict(stage="parse")
    tell(verdict)
    try:
        document = read(Path(request.file))
        if request.schema:
            verdict = structs.replace(verdict, stage="schema")
            tell(verdict)
            verdict = structs.replace(verdict, problems=tuple(_against(document, Path(request.schema))))
    except _Unfit as error:
        verdict = structs.replace(verdict, problems=(Problem(error.code, str(error)[:_LONGEST]),))
    except MemoryError:
        verdict = structs.replace(verdict, problems=(Problem("killed_for_memory", "the memory limit was reached"),))
    tell(structs.replace(verdict, stage="done"))


def read(path: Path) -> Any:
    """The document as JSON would have it: text keys, dates as text. Raises ``_Unfit``."""
    parser = _PARSERS.get(path.suffix.lower())
    if parser is None:
        raise _Unfit("syntax", f"{path.name}: of an unknown kind; known are {' '.join(_PARSERS)}")
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise _Unfit("syntax", f"{path.name}: is larger than 1 MiB")
        return _plain(parser(data.decode("utf-8-sig")), _Count(path.name), 0)
    except OSError as error:
        raise _Unfit("unreadable", f"{path.name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _Unfit("syntax", f"{path.name}: is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise _Unfit("syntax", f"{path.name}: is nested too deeply") from error
    except (ValueError, yaml.YAMLError, configparser.Error) as error:
        raise _Unfit("syntax", f"{path.name}: {_syntax(error)}") from error


def _syntax(error: Exception) -> str:
    """Where it is wrong, and what the parser says without what it quotes."""
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.YAMLError):
        return f"is not valid YAML: {getattr(error, 'problem', None)} (line {mark.line + 1 if mark else '?'})"
    if isinstance(error, json.JSONDecodeError):
        return f"is not valid JSON: {error.msg} (line {error.lineno})"
    if isinstance(error, configparser.Error):
        place = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", ())), "?")
        return f"is not a valid INI file: {type(error).__name__} (line {place})"
    return f"cannot be parsed: {error}"


class _Count:
    """An alias may repeat a part of the tree, so what is read is bounded apart from what is parsed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values = 0


def _plain(value: Any, count: _Count, depth: int) -> Any:
    count.values += 1
    if count.values > MAX_VALUES or depth > MAX_DEPTH:
        raise _Unfit(
            "syntax", f"{count.name}: holds more than {MAX_VALUES} values, or is nested deeper than {MAX_DEPTH}"
        )
    if isinstance(value, dict):
        return {_key(key, count): _plain(item, count, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, count, depth + 1) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        return value
    raise _Unfit("syntax", f"{count.name}: holds a {type(value).__name__}, which JSON has no type for")


def _key(key: Any, count: _Count) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool | int | float) or key is None:
        return json.dumps(key)
    raise _Unfit("syntax", f"{count.name}: a key must be plain text")


def _against(document: Any, schema_file: Path) -> Iterator[Problem]:
    # Imported here: only a configuration with a schema needs it.
    from jsonschema import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        schema = read(schema_file)
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
    except (_Unfit, SchemaError) as error:
        text = error.message if isinstance(error, SchemaError) else str(error)
        raise _Unfit("schema_unusable", f"{schema_file.name}: {text}") from error
    registry: Registry[Any] = Registry()
    try:
        # With an empty registry nothing is ever fetched.
        for broken in islice(kind(schema, registry=registry).iter_errors(document), _MOST):
            yield Problem("schema", _broken(broken)[:_LONGEST])
    except Unresolvable as error:
        raise _Unfit("schema_unusable", f"{schema_file.name}: refers to {error.ref!r}, which is not in it") from error


def _broken(error: Any) -> str:
    """Names the key and the rule. Values are left out: they may be passwords."""
    key = ".".join(str(part) for part in error.absolute_path) or "the document"
    if error.validator in ("required", "additionalProperties", "unevaluatedProperties", "dependentRequired"):
        return f"{key}: {error.message}"
    rule = json.dumps(error.validator_value, default=str)
    return f"{key}: does not keep to {error.validator} {rule}"


def _ini(text: str) -> Any:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return {name: dict(section) for name, section in parser.items() if name != parser.default_section or section}


def _json(text: str) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": _json,
    ".toml": tomllib.loads,
    ".ini": _ini,
    ".cfg": _ini,
    ".conf": _ini,
}
