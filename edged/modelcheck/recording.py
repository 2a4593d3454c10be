"""Recent real inputs, as an app has written them down: one sample a line, ``{"<input>": <nested list>, …}``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from . import golden, signature
from .runtime import Arrays
from .types import Port

LINES = ".ndjson"
_KINDS = {"f": "iuf", "i": "iu", "u": "iu", "b": "b"}
"""Kinds of JSON's values by what an input takes. No bool is a number, no fraction an integer."""


class Recording(Struct, frozen=True):
    arrays: Arrays
    """Rows by input name; empty: there are none."""
    skipped: int = 0
    """Lines that are no sample of these inputs."""
    why: str = ""
    """What is wrong with the first of them."""


class _Odd(Exception):
    """This line is no sample. The message shows no value."""


def load(file: str, inputs: Sequence[Port]) -> Recording:
    """Raises one of ``golden.READ_ERRORS`` when nothing can be made of the file as a whole."""
    if not file.endswith(LINES):
        return Recording(golden.load(file, [port.name for port in inputs]))
    wanted = [structs.replace(port, shape=port.shape[1:]) for port in inputs]
    # Free dimensions differ from sample to sample, and only equal ones make one array.
    alike: dict[tuple[tuple[int, ...], ...], list[Arrays]] = defaultdict(list)
    why, lines = "", 0
    for line in Path(file).read_bytes().splitlines():
        if not line.strip():
            continue
        lines += 1
        try:
            row = _row(line, wanted)
        except _Odd as odd:
            why = why or str(odd)
        else:
            alike[tuple(array.shape for array in row.values())].append(row)
    rows = max(alike.values(), key=len, default=[])
    if len(rows) < lines:
        why = why or "samples of another size than most"
    arrays = {port.name: np.stack([row[port.name] for row in rows]) for port in inputs if rows}
    return Recording(arrays, lines - len(rows), why)


def _row(line: bytes, wanted: Sequence[Port]) -> Arrays:
    """One sample. Raises ``_Odd``."""
    try:
        sample = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _Odd("it is not valid JSON") from error
    if not isinstance(sample, dict):
        raise _Odd("it is no JSON object")
    row = {port.name: _array(sample[port.name], port) for port in wanted if port.name in sample}
    if odd := "; ".join(signature.arrays(wanted, row)):
        raise _Odd(odd)
    return row


def _array(value: Any, port: Port) -> NDArray[Any]:
    try:
        found = np.array(value)
        if port.dtype == "string" and found.dtype.kind == "U":
            return found.astype(object)
        dtype = np.dtype(port.dtype)
        if found.dtype.kind not in _KINDS.get(dtype.kind, ""):
            raise _Odd(f"{port.name!r} is not {port.dtype}")
        with np.errstate(all="ignore"):
            cast = found.astype(dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise _Odd(f"{port.name!r} is no array of {port.dtype}") from error
    fits = np.isfinite(cast) if dtype.kind == "f" else cast == found
    if not fits.all():
        raise _Odd(f"{port.name!r} holds values beyond {port.dtype}")
    return cast
