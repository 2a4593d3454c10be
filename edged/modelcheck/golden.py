"""Golden vectors: reading them, and comparing what a model makes of them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .runtime import Arrays
from .types import Mismatch, Problem

READ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
)


def load(file: str, names: Sequence[str]) -> Arrays:
    """The arrays with these names, those that are there. Raises one of ``READ_ERRORS``."""
    # Never unpickles: an array of objects is an error.
    with Path(file).open("rb") as stream:
        found = np.load(stream, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {names[0]: _native(found)} if len(names) == 1 else {}
        return {name: _native(found[name]) for name in names if name in found}


def tolerance(want: NDArray[Any], rtol: float, atol: float) -> NDArray[np.float64]:
    """As ``numpy.allclose``: atol + rtol * |want|."""
    return atol + rtol * np.abs(want.astype(np.float64))


def missed_by(got: NDArray[Any], want: NDArray[Any], rtol: float, atol: float) -> NDArray[np.float64]:
    """How far each element is outside its tolerance; 0 or less is inside. Only floats have one: the rest is exact."""
    if want.dtype.kind != "f":
        return np.where(got == want, 0.0, np.inf)
    with np.errstate(all="ignore"):
        missed = np.abs(got.astype(np.float64) - want.astype(np.float64)) - tolerance(want, rtol, atol)
    return np.where(np.isnan(missed), np.inf, missed)


def not_finite(got: Arrays) -> Iterator[Problem]:
    for name, array in got.items():
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            index = _index(np.argmin(finite), array.shape)
            count = int(array.size - finite.sum())
            yield Problem(
                "nan", f"output {name!r} holds {array[index]} at {list(index)}, {count} of {array.size} are not finite"
            )


def compare(got: Arrays, want: Arrays, rtol: float, atol: float) -> Mismatch | None:
    """The worst element over all outputs, or ``None`` when every one is within its tolerance. Shapes must be equal."""
    worst: tuple[float, str, tuple[int, ...]] | None = None
    elements = 0
    for name, wanted in want.items():
        missed = missed_by(got[name], wanted, rtol, atol)
        count = int((missed > 0).sum())
        elements += count
        at = int(np.argmax(missed)) if count else 0
        if count and (worst is None or missed.flat[at] > worst[0]):
            worst = float(missed.flat[at]), name, _index(at, missed.shape)
    if worst is None:
        return None
    _, name, index = worst
    expected = want[name][index]
    exact = want[name].dtype.kind != "f"
    return Mismatch(
        output=name,
        index=index,
        expected=str(expected)[:40],
        got=str(got[name][index])[:40],
        tolerance=0.0 if exact else float(tolerance(want[name], rtol, atol)[index]),
        elements=elements,
    )


def describe(mismatch: Mismatch) -> Problem:
    text = (
        f"output {mismatch.output!r} at {list(mismatch.index)}: got {mismatch.got}, the golden vectors say "
        f"{mismatch.expected} ± {mismatch.tolerance:.3g}; {mismatch.elements} elements are outside their tolerance"
    )
    return Problem("golden_mismatch", text)


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """Strings as the runtime takes them, numbers in this machine's byte order."""
    if array.dtype.kind == "U":
        return array.astype(object)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _index(flat: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(part) for part in np.unravel_index(int(flat), shape))
