"""Two models over the same recorded inputs: how much do their answers differ?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from . import golden, recording, signature
from .runtime import ERRORS, Arrays, Session
from .types import CURRENT_STAGE, NEW_STAGE, READING_STAGE, Disagreement, ModelCheck, OutputDisagreement, Port

MOST_ROWS, MOST_CHUNKS = 10_000, 640
_CHUNK = 16
_MOST_OUTPUTS = 32


def disagree(
    request: ModelCheck, new: Session, clock: Callable[[], float], enter: Callable[[str], None]
) -> Disagreement:
    """Never raises for what is wrong with the recording or the current model: that is noted, and fails no check.

    ``enter`` is told whose turn it is, for the case that nobody comes back from it.
    """
    end = clock() + request.compare_seconds
    tallies: dict[str, _Tally] = {}
    rows, skipped, note = 0, 0, ""
    try:
        enter(READING_STAGE)
        found = recording.load(request.recorded, request.inputs)
        recorded, skipped = found.arrays, found.skipped
        if skipped and not recorded:
            return Disagreement(skipped=skipped, note=f"no recorded input fits: {found.why[:300]}")
        total, chunk, odd = _plan(request.inputs, recorded)
        if odd:
            return Disagreement(skipped=skipped, note=f"the recorded inputs do not fit: {odd}")
        if not total:
            return Disagreement(skipped=skipped, note=f"too few recorded inputs: the model takes {chunk} at once")
        enter(CURRENT_STAGE)
        current = Session(request.current, request.threads)
        if {port.name for port in current.inputs} != {port.name for port in new.inputs}:
            return Disagreement(skipped=skipped, note="the current model takes other inputs")
        shared = [port.name for port in request.outputs if port.name in {other.name for other in current.outputs}]
        shapes = {array.shape[1:] for array in recorded.values()}
        tallies = {name: _Tally(request.golden.rtol, request.golden.atol, shapes) for name in shared[:_MOST_OUTPUTS]}
        while rows < total and not note:
            part = {name: array[rows : rows + chunk] for name, array in recorded.items()}
            enter(NEW_STAGE)
            ours = new.run(part)
            enter(CURRENT_STAGE)
            theirs = current.run(part)
            rows += min(chunk, total - rows)
            for name, tally in tallies.items():
                tally.add(ours[name], theirs[name])
            if rows < total and clock() >= end:
                note = f"only {rows} of {total} rows: the time for it was over"
    except (*golden.READ_ERRORS, *ERRORS) as error:
        note = f"ended after {rows} rows: {' '.join(str(error).split())[:200]}"
    if skipped and not note:
        note = f"what did not fit: {found.why[:300]}"
    return Disagreement(rows=rows, skipped=skipped, outputs=tuple(_results(tallies)), note=note)


def _plan(inputs: tuple[Port, ...], recorded: Arrays) -> tuple[int, int, str]:
    """Rows to run, rows at a time, and what keeps the recording from being rows of these inputs."""
    flat = [port.name for port in inputs if not port.shape]
    fixed = {port.shape[0] for port in inputs if port.shape and isinstance(port.shape[0], int)}
    if flat or len(fixed) > 1:
        return 0, 0, "the model does not take its inputs row by row"
    # A recording is as long as it is, whatever the model's first dimension.
    wanted = [structs.replace(port, shape=("rows of the recording", *port.shape[1:])) for port in inputs]
    odd = "; ".join(signature.arrays(wanted, recorded))
    chunk = next((size for size in fixed if isinstance(size, int) and size > 0), _CHUNK)
    total = 0 if odd else min(len(recorded[inputs[0].name]), MOST_ROWS, MOST_CHUNKS * chunk)
    # A model with a fixed first dimension cannot take the incomplete rest.
    return total - total % chunk if fixed else total, chunk, odd


class _Tally:
    """Sums over chunks for one output."""

    def __init__(self, rtol: float, atol: float, input_shapes: set[tuple[int, ...]]) -> None:
        self._rtol, self._atol = rtol, atol
        self._input_shapes = input_shapes
        self.rows = self.elements = self.beyond = self.not_finite = self.ranked = self.moved = 0
        self.total = self.max = 0.0

    def add(self, new: NDArray[Any], old: NDArray[Any]) -> None:
        """Raises ``ValueError`` when the two cannot be compared."""
        if new.shape != old.shape:
            raise ValueError(f"the shapes differ: {signature.show(new.shape)} and {signature.show(old.shape)}")
        if (new.dtype.kind == "O") != (old.dtype.kind == "O"):
            raise ValueError("one model gives strings, the other numbers")
        new, old = np.atleast_1d(new), np.atleast_1d(old)
        flat = (len(new), -1) if new.size else (len(new), 0)
        missed = golden.missed_by(new, old, self._rtol, self._atol).reshape(flat)
        self.rows += len(new)
        self.beyond += int((missed > 0).any(axis=1).sum())
        with np.errstate(all="ignore"):
            apart = (new != old) * 1.0 if new.dtype.kind == "O" else abs(new.astype(np.float64) - old)
        finite = apart[np.isfinite(apart)]
        self.elements += finite.size
        self.total += float(finite.sum())
        self.max = max(self.max, float(finite.max(initial=0.0)))
        if new.dtype.kind == "f":
            self.not_finite += int((~np.isfinite(new)).reshape(flat).any(axis=1).sum())
            # What looks like an input is redrawn, not ranked.
            if new.ndim == 2 and new.shape[1] > 1 and new.shape[1:] not in self._input_shapes:
                self.ranked += len(new)
                self.moved += int((new.argmax(axis=1) != old.argmax(axis=1)).sum())


def _results(tallies: dict[str, _Tally]) -> Iterator[OutputDisagreement]:
    for name, tally in tallies.items():
        if tally.rows:
            yield OutputDisagreement(
                output=name,
                mean=tally.total / max(tally.elements, 1),
                max=tally.max,
                beyond=tally.beyond / tally.rows,
                not_finite=tally.not_finite / tally.rows,
                argmax=tally.moved / tally.ranked if tally.ranked else None,
            )
