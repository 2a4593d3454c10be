"""Walks a tree along the types of ``model`` and builds the structs, noting everything wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs
from msgspec.inspect import DictType, Field, LiteralType, NoneType, StructType, Type, VarTupleType

from . import suggest
from .expand import expand
from .problem import HIDDEN, MOST, ConfigError, Problem, cap, cut, show
from .scalars import scalar
from .schema import bare, choices, described, fields, title
from .tree import Items, Node, Scalar, Table
from .units import Unreadable

KeyPath = tuple[str, ...]

# An alias may repeat a part of the tree, so what is read is bounded apart from what is parsed.
MAX_READ = 100_000
# Looking for similar words is slow; nobody reads the hundredth suggestion.
_MAX_HINTS = 100

_ABSENT: Any = object()


class Spot(Struct, frozen=True):
    """Where a key stands in the file, and its value as far as it may be shown."""

    line: int
    column: int
    value: str = ""


class Reader:
    """Reads one document. ``env=None``: no expansion of variables; ``folder=None``: file paths must be absolute."""

    def __init__(self, file: str, env: Mapping[str, str] | None, folder: Path | None) -> None:
        self.file = file
        self.env = env
        self.folder = folder
        self.problems: list[Problem] = []
        self.spots: dict[KeyPath, Spot] = {}
        """Every key that was given."""
        self.leaves: list[KeyPath] = []
        """Those of them that hold no further keys."""
        self.bad: set[KeyPath] = set()
        """What could not be read; its default stands in, so rules about it would only confuse."""
        self._count = 0

    def struct(self, cls: type[Struct], table: Table, base: Struct | None = None) -> Any:
        """A ``cls`` from ``table``; what is not given comes from ``base``, else from the defaults."""
        return self._struct(described(cls), table, (), base)

    def note(self, path: KeyPath, node: Any, reason: str, hint: str = "", value: str = "") -> None:
        """Records a problem at ``node``."""
        self.bad.add(path)
        line, column = (node.line, node.column) if node is not None else (0, 0)
        key = ".".join(cut(part) for part in path)
        self.problems.append(
            Problem(file=self.file, line=line, column=column, key=key, value=value, reason=reason, hint=hint)
        )
        if len(self.problems) > MOST:
            raise ConfigError(cap(self.problems))

    def _value(self, kind: Type, node: Node, path: KeyPath, base: Any) -> Any:
        self._count += 1
        if self._count > MAX_READ:
            problem = Problem(file=self.file, line=node.line, reason="repeats too much through aliases")
            raise ConfigError((problem,))
        if node.tagged:
            self.note(path, node, "carries a YAML tag", "remove the !tag, or quote a value that begins with !")
            return _ABSENT
        kinds = choices(kind)
        if isinstance(node, Scalar):
            return self._null(kinds, node, path, base) if node.null else self._scalar(kinds, node, path)
        if isinstance(node, Items):
            return self._list(kinds, node, path)
        return self._table(kinds, node, path, base)

    def _null(self, kinds: tuple[Type, ...], node: Scalar, path: KeyPath, base: Any) -> Any:
        """``key:`` with nothing behind it, as when all keys of a section are commented out."""
        for kind in map(bare, kinds):
            if isinstance(kind, NoneType):
                self.leaves.append(path)
                return None
            if isinstance(kind, StructType) and len(kinds) == 1:
                empty = Table(entries=(), line=node.line, column=node.column)
                return self._struct(kind, empty, path, base)
            if isinstance(kind, DictType | VarTupleType):
                return _ABSENT
        self.note(path, node, "has no value", "leave the key out to get its default")
        return _ABSENT

    def _scalar(self, kinds: tuple[Type, ...], node: Scalar, path: KeyPath) -> Any:
        plain = [kind for kind in kinds if not isinstance(bare(kind), StructType | NoneType)]
        # In a union, words that are spelled out come before free text.
        plain.sort(key=lambda kind: not isinstance(bare(kind), LiteralType))
        secret = any(title(kind) == "secret" for kind in plain)
        # After a forgotten quote the next lines, and a password in them, become a part of this value.
        value = HIDDEN if secret else "(several lines)" if node.several_lines else show(node.text)
        if path in self.spots:  # an item of a list is not
            self.leaves.append(path)
            self.spots[path] = structs.replace(self.spots[path], value=value)
        if not plain or isinstance(bare(plain[0]), DictType | VarTupleType):
            what = "a list" if plain and isinstance(bare(plain[0]), VarTupleType) else "a section with keys"
            hint = f"write it like [{cut(node.text)}]" if not node.several_lines and what == "a list" else ""
            self.note(path, node, f"is a single value; {what} is expected here", hint, value if plain else "")
            return _ABSENT
        refusal = Unreadable("", "cannot be read")
        text = node.text
        try:
            if self.env is not None:
                text = expand(text, self.env, secret=secret)
            for kind in plain:
                try:
                    result = scalar(kind, text)
                except Unreadable as error:
                    refusal = error
                else:
                    return self._file(result, node, path) if title(kind) == "file path" else result
        except Unreadable as error:
            refusal = error
        filled = ", with its variables filled in, " if text != node.text else ""
        self.note(path, node, f"{filled}{refusal.reason}".removeprefix(", "), refusal.hint, value)
        return _ABSENT

    def _file(self, text: str, node: Scalar, path: KeyPath) -> Any:
        if self.folder is not None:
            return str(self.folder / text)
        if not text.startswith("/"):
            self.note(path, node, "is not a full path", "begin it with /", show(text))
            return _ABSENT
        return text

    def _list(self, kinds: tuple[Type, ...], node: Items, path: KeyPath) -> Any:
        for kind in map(bare, kinds):
            if isinstance(kind, VarTupleType):
                self.leaves.append(path)
                read = [
                    self._value(kind.item_type, item, (*path, str(index)), None)
                    for index, item in enumerate(node.items)
                ]
                for index, item in enumerate(node.items):
                    self.spots.setdefault((*path, str(index)), Spot(item.line, item.column))
                if _ABSENT in read:
                    self.bad.add(path)
                return tuple(item for item in read if item is not _ABSENT)
        expected = "a section with keys" if _sectional(kinds) else "a single value"
        self.note(path, node, f"is a list; {expected} is expected here")
        return _ABSENT

    def _table(self, kinds: tuple[Type, ...], node: Table, path: KeyPath, base: Any) -> Any:
        sections = [kind for kind in map(bare, kinds) if isinstance(kind, StructType)]
        if sections:
            given = {entry.key for entry in node.entries}
            best = max(sections, key=lambda kind: sum(field.encode_name in given for field in fields(kind)))
            return self._struct(best, node, path, base)
        for kind in map(bare, kinds):
            if isinstance(kind, DictType):
                return self._dict(kind, node, path, base)
        expected = "a list" if any(isinstance(bare(kind), VarTupleType) for kind in kinds) else "a single value"
        self.note(path, node, f"is a section with keys; {expected} is expected here")
        return _ABSENT

    def _dict(self, kind: DictType, node: Table, path: KeyPath, base: Any) -> dict[str, Any]:
        result: dict[str, Any] = dict(base) if isinstance(base, dict) else {}
        for entry, here in self._entries(node, path):
            try:
                name = scalar(kind.key_type, entry.key)
            except Unreadable as error:
                self.note(here, entry, f"the name {error.reason}", error.hint)
                self.bad.add(path)
                continue
            value = self._value(kind.value_type, entry.value, here, result.get(name))
            if value is not _ABSENT:
                result[name] = value
            elif here in self.bad:
                self.bad.add(path)
        return result

    def _struct(self, kind: Type, node: Table, path: KeyPath, base: Any) -> Any:
        assert isinstance(kind, StructType)
        if not isinstance(base, kind.cls):
            base = None
        known = {field.encode_name: field for field in fields(kind)}
        values: dict[str, Any] = {}
        for entry, here in self._entries(node, path):
            field = known.get(entry.key)
            if field is None:
                few = len(self.problems) < _MAX_HINTS
                hint = suggest.hint(entry.key, path, list(known)) if few else ""
                # No value: under a misspelt key it may well be a secret.
                self.note(here, entry, "unknown key", hint)
                self.bad.add(path)
                continue
            value = self._value(field.type, entry.value, here, getattr(base, field.name, None))
            if value is not _ABSENT:
                values[field.name] = value
        if base is not None:
            return structs.replace(base, **values)
        for field in fields(kind):
            if field.required and field.name not in values:
                self._missing(field, node, path)
                values[field.name] = ""
        return kind.cls(**values)

    def _missing(self, field: Field, node: Table, path: KeyPath) -> None:
        here = (*path, field.encode_name)
        if here not in self.spots:
            self.note(here, node, "is missing")

    def _entries(self, node: Table, path: KeyPath) -> list[tuple[Any, KeyPath]]:
        """The entries with their paths, each key once; remembers where they stand."""
        first: dict[str, int] = {}
        result = []
        for entry in node.entries:
            here = (*path, entry.key)
            if entry.key in first:
                hint = f"it is first given on line {first[entry.key]}"
                self.note(here, entry, "is given twice", hint)
                continue
            first[entry.key] = entry.line
            self.spots[here] = Spot(entry.line, entry.column)
            result.append((entry, here))
        return result


def _sectional(kinds: tuple[Type, ...]) -> bool:
    return any(isinstance(bare(kind), StructType | DictType) for kind in kinds)
