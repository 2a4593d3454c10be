"""``edged bundle new --reference``: training data to ``reference.json``. However large the data, memory is bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import replace

from . import FAILED, USAGE, Failure
from .render import plain

if TYPE_CHECKING:
    from ..vocabulary.drift import Reference

NAME = "reference.json"
MOST_ROWS = 200_000
MOST_VALUES = 4_000_000
"""Beyond this, rows are taken from places spread evenly over the file."""
BLOCK = 2**20
MOST_LINE = 2**20
FEWEST = 100
"""Rows without which nothing can be told from chance."""


def make(data: Path, without: Sequence[str]) -> tuple[Reference, dict[str, int]]:
    """The reference, and what could not be used of the data. Raises ``Failure`` or ``OSError``."""
    from ..config import Columns
    from ..inputs.learning import Learner
    from ..inputs.rows import cells, merged, table

    csv = data.suffix.lower() == ".csv"
    with data.open("rb") as stream:
        header = stream.readline(MOST_LINE).rstrip(b"\r\n") if csv else b""
        if csv and (not cells(header) or len(set(cells(header))) < len(cells(header))):
            raise Failure(USAGE, f"{data}: its first line must name the columns, each once")
        wanted = Columns(exclude=tuple(without))
        learner = Learner(MOST_ROWS, MOST_VALUES)
        refused: list[dict[str, int]] = []
        for lines in _spread(stream, os.fstat(stream.fileno()).st_size, stream.tell()):
            seen = table(lines, header, wanted)
            refused.append(seen.refused)
            learner.add(seen, csv=csv)
            if learner.full:
                break
    left_out = merged(refused)
    if learner.left_out:
        raise Failure(
            USAGE, f"{data} has too many columns; leave some out with --without: {sorted(learner.left_out)[:5]}"
        )
    if learner.rows < FEWEST:
        told = "; ".join(f"{reason}: {number}" for reason, number in left_out.items()) or "there are no more"
        raise Failure(FAILED, f"{data}: only {learner.rows} rows can be used, {FEWEST} are needed ({told})")
    reference = replace(learner.reference(learned=False), without=tuple(without) or UNSET)
    if not reference.features:
        raise Failure(FAILED, f"{data}: nothing in it is a number, text or a truth value")
    return reference, left_out


def _spread(stream: Any, size: int, begin: int) -> Iterator[list[bytes]]:
    """Lines, block by block: all of them, or as many as are wanted from all over the file."""
    first = stream.read(BLOCK)
    rows = max(1, first.count(b"\n"))
    width = max(1, first[: first.find(b"\n") + 1].count(b",") + 1)
    room = min(MOST_ROWS, MOST_VALUES // width) * len(first) // rows
    stream.seek(begin)
    if size - begin <= room:
        rest = b""
        while block := stream.read(BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            yield [line for line in lines if line.strip()]
            if len(rest) > MOST_LINE:
                raise Failure(FAILED, "a line is longer than 1 MiB: this is no table")
        if rest.strip():
            yield [rest]
        return
    blocks = max(1, room // BLOCK)
    for number in range(blocks):
        stream.seek(begin + number * (size - begin) // blocks)
        lines = stream.read(BLOCK).split(b"\n")
        # Cut off at both ends, but for the very first line.
        yield [line for line in lines[1 if number else 0 : -1] if line.strip()]


def described(reference: Reference) -> list[str]:
    """One line a feature, for people."""
    found = [f"reference  {len(reference.features)} features of {reference.rows} rows"]
    for one in reference.features:
        if one.kind == "numeric":
            what = (
                f"{one.mean:.4g} ± {one.scale:.4g}, {one.low:.4g} to {one.high:.4g}, lag 1 {one.autocorrelation:+.2f}"
            )
        else:
            common = sorted(zip(one.shares, one.labels, strict=False), reverse=True)[:4]
            what = ", ".join(f"{label} {share:.0%}" for share, label in common)
        missing = f", missing {one.missing:.1%}" if one.missing else ""
        found.append(f"  {plain(one.name)}  {one.kind}: {plain(what)}{missing}")
    return found
