"""Are names, types and shapes what the manifest says?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from .runtime import Arrays
from .types import Port, Problem


def ports(kind: Literal["inputs", "outputs"], wanted: Sequence[Port], found: Sequence[Port]) -> Iterator[Problem]:
    """Differences between the manifest and the model. The order does not count: runs go by name.

    A dimension that the manifest fixes may be free in the model, for shape inference often knows no better; the golden
    run shows what it really is. One that the manifest leaves free must be free.
    """
    model = {port.name: port for port in found}
    for port in wanted:
        other = model.pop(port.name, None)
        if other is None:
            names = ", ".join(name.name for name in found) or "none"
            yield Problem(kind, f"the manifest names {port.name!r}, which the model does not have (it has: {names})")
        elif other.dtype != port.dtype:
            yield Problem(kind, f"{port.name!r} is {other.dtype}, the manifest says {port.dtype}")
        elif other.shape and not _may_be(port.shape, other.shape):
            yield Problem(kind, f"{port.name!r} is {show(other.shape)}, the manifest says {show(port.shape)}")
    for name in model:
        yield Problem(kind, f"the model has {name!r}, which the manifest does not name")


def arrays(wanted: Sequence[Port], given: Arrays) -> Iterator[str]:
    """What keeps arrays from being values of these ports, all together: a name stands for one size."""
    sizes: dict[str, int] = {}
    for port in wanted:
        array = given.get(port.name)
        if array is None:
            yield f"{port.name!r} is missing"
            continue
        dtype = "string" if array.dtype.kind in "UO" else array.dtype.name
        fits = len(array.shape) == len(port.shape) and all(
            size == (sizes.setdefault(dim, size) if isinstance(dim, str) else dim)
            for dim, size in zip(port.shape, array.shape, strict=True)
        )
        if dtype != port.dtype or not fits:
            yield f"{port.name!r} is {dtype} {show(array.shape)}, the manifest says {port.dtype} {show(port.shape)}"


def made_up(wanted: Sequence[Port]) -> Arrays:
    """Values of these ports, when nobody gives any: zeros and empty strings, free dimensions of length 1."""
    found: Arrays = {}
    for port in wanted:
        shape = tuple(dim if isinstance(dim, int) else 1 for dim in port.shape)
        text = port.dtype == "string"
        found[port.name] = np.full(shape, "", dtype=object) if text else np.zeros(shape, dtype=port.dtype)
    return found


def show(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(str(dim) for dim in shape)}]"


def _may_be(wanted: tuple[int | str, ...], model: tuple[int | str, ...]) -> bool:
    return len(wanted) == len(model) and all(
        isinstance(other, str) or mine == other for mine, other in zip(wanted, model, strict=True)
    )
