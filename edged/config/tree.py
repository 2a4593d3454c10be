"""A parsed document with the place of everything in it: what a YAML file and a set of labels have in common."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class Scalar(Struct, frozen=True, kw_only=True):
    """A single value, as the text that was written: what it means depends on the key."""

    text: str
    null: bool = False
    several_lines: bool = False
    """Stands on more than one line."""
    tagged: bool = False
    """Carries a YAML tag such as ``!!python/object``; never accepted."""
    line: int = 0
    column: int = 0


class Items(Struct, frozen=True, kw_only=True):
    """A list."""

    items: tuple[Node, ...]
    tagged: bool = False
    line: int = 0
    column: int = 0


class Entry(Struct, frozen=True, kw_only=True):
    """One ``key: value``, at the place of the key."""

    key: str
    value: Node
    line: int = 0
    column: int = 0


class Table(Struct, frozen=True, kw_only=True):
    """A mapping. Keys given twice are still in it twice."""

    entries: tuple[Entry, ...]
    tagged: bool = False
    line: int = 0
    column: int = 0


Node: TypeAlias = Scalar | Items | Table
