"""Lines to columns. Whatever a line holds: it becomes a row of plain values, or it is refused and counted."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from msgspec import Struct

from ..config import Columns

MOST_COLUMNS = 1024
"""Of one batch that are looked at: rows whose every key is another one."""
MOST_NAME = 128
"""Characters of a column's name."""
MOST_TEXT = 64
"""Characters of a category."""

Row = Mapping[str, Any]
_decoder = msgspec.json.Decoder()


class Table(Struct, frozen=True):
    """Some rows by column. A value is a number, a truth value, text, or ``None`` where there is none."""

    rows: int
    columns: dict[str, Sequence[Any]]
    refused: dict[str, int]
    """Rows, or single values of rows, that could not be used, by reason."""


def table(lines: Sequence[bytes], header: bytes, wanted: Columns) -> Table:
    """The rows in ``lines``; ``header`` names the columns of CSV, without it each line is a JSON object."""
    refused: Counter[str] = Counter()
    rows = _from_csv(lines, header, refused) if header else _from_json(lines, refused)
    columns: dict[str, Sequence[Any]] = {}
    for name, values in _turned(rows, refused).items():
        _spread(name, values, columns, refused)
    chosen = {name: values for name, values in columns.items() if chosen_by(name, wanted)}
    return Table(len(rows), chosen, merged([refused]))


def chosen_by(name: str, wanted: Columns) -> bool:
    """Whether the configuration wants this column."""
    included = not wanted.include or any(fnmatchcase(name, pattern) for pattern in wanted.include)
    return included and not any(fnmatchcase(name, pattern) for pattern in wanted.exclude)


def text_of(value: Any) -> str:
    """A value as the name of a category."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = str(value)[:MOST_TEXT]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def _from_json(lines: Sequence[bytes], refused: Counter[str]) -> list[Row]:
    try:
        rows = _decoder.decode_lines(b"\n".join(lines))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        rows = [row for row in (_decoded(line) for line in lines if line.strip()) if row is not None]
        refused["not JSON"] += sum(1 for line in lines if line.strip()) - len(rows)
    found: list[Row] = [row for row in rows if type(row) is dict]
    refused["not an object"] += len(rows) - len(found)
    return found


def _decoded(line: bytes) -> Any:
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    try:
        return json.loads(line)  # takes the NaN and Infinity that Python's own writer makes
    except (ValueError, RecursionError):
        return None


def _from_csv(lines: Sequence[bytes], header: bytes, refused: Counter[str]) -> list[Row]:
    names = cells(header)
    found: list[Row] = []
    for line in lines:
        values = cells(line)
        if not values:
            refused["not CSV"] += bool(line.strip())
            continue
        if len(values) != len(names):
            refused["not as many cells as the header"] += 1
            continue
        found.append(dict(zip(names, (value or None for value in values), strict=True)))
    return found


def cells(line: bytes) -> list[str]:
    """The cells of one line of CSV; empty: it holds none, or cannot be read."""
    text = line.decode("utf-8", "replace").strip("\r\n\ufeff")
    if not text.strip() or "\0" in text:
        return []
    if '"' not in text:
        return [part.strip() for part in text.split(",")]
    try:
        return [part.strip() for row in csv.reader([text]) for part in row]
    except csv.Error:
        return []


def _turned(rows: Sequence[Row], refused: Counter[str]) -> dict[str, Sequence[Any]]:
    """By column instead of by row. Rows of one app nearly always have the same keys in the same order."""
    if not rows:
        return {}
    keys = tuple(rows[0])
    if len(keys) <= MOST_COLUMNS and all(tuple(row) == keys for row in rows):
        return dict(zip(keys, zip(*(row.values() for row in rows), strict=True), strict=True)) if keys else {}
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
        if len(names) > MOST_COLUMNS:
            refused["too many columns"] += 1
            names = dict.fromkeys(list(names)[:MOST_COLUMNS])
    return {name: [row.get(name) for row in rows] for name in names}


def _spread(name: str, values: Sequence[Any], into: dict[str, Sequence[Any]], refused: Counter[str]) -> None:
    """One column, or the columns of the objects in it; what is nested deeper has no single value to be counted."""
    if not name:
        return  # the number of a row, as tables are often written with it
    if len(name) > MOST_NAME or not name.isprintable():
        refused["a column's name"] += 1
        return
    types = set(map(type, values))
    if dict not in types and list not in types:
        into[name] = values
        return
    inner = [value if type(value) is dict else {} for value in values]
    names = list(dict.fromkeys(key for one in inner for key in one))
    if types - {dict, list, type(None)}:
        into[name] = [None if type(value) in (dict, list) else value for value in values]
    if list in types:
        refused["a list in a row"] += sum(type(value) is list for value in values)
    for key in names[: max(0, MOST_COLUMNS - len(into))]:
        below = [one.get(key) for one in inner]
        whole = f"{name}.{key}"
        if len(whole) > MOST_NAME or not whole.isprintable():
            refused["a column's name"] += 1
            continue
        deeper = sum(type(value) in (dict, list) for value in below)
        if deeper:
            refused["nested too deeply"] += deeper
            below = [None if type(value) in (dict, list) else value for value in below]
        into.setdefault(whole, below)


def merged(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sums by reason, without zeros."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return {reason: number for reason, number in total.items() if number}
