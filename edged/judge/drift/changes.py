"""The changes that charts look out for, by their weights: ln(q1 / q0) of a row's bin, q1 being the shares after it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import log, sqrt
from operator import mul

from msgspec import Struct

from ...vocabulary.drift import RUN, FeatureReference
from ...vocabulary.drift_packed import unpack
from .dependence import effective
from .normal_bins import moved, smoothed

WIDER = 1.5
MISSING = 0.1
"""Share of rows by which missing values go up, or a label's values go up or down."""
LABELS = 16
"""Only the first labels have charts of their own; windows see all of them."""
RARE = 17.0
"""Logarithm of about as many runs as lie between two false alarms of a chart."""
LARGEST = 4.0
"""Standard deviations: the change looked out for is made larger, up to this, when the reference is small."""
KINDS = ("up", "down", "wider", "narrower", "more", "less", "missing")
SHAPE, GAPS = -2, -1
"""Places of a change that are no label's: the whole distribution, and the values that are missing."""


class Change(Struct, frozen=True, gc=False):
    """What a chart looks out for."""

    kind: str
    place: int
    """Number of the label that it is about, ``GAPS`` or ``SHAPE``."""
    mean: float
    """Of a row by the reference, below 0."""
    variance: float
    weights: array[float]
    """Of a row by its bin, the last one for a missing value. But for ``SHAPE``: of any row, what one in the bin at
    ``place`` is worth beyond that, and one without a value."""

    def values(self, runs: Sequence[Sequence[int]]) -> list[float]:
        """Of runs of rows that were counted by bin."""
        weights = self.weights
        if self.place == SHAPE:
            return [sum(map(mul, weights, run)) for run in runs]
        at, base, own, gap = self.place, weights[0] * RUN, weights[1], weights[2]
        return [base + own * run[at] + gap * run[-1] for run in runs]

    def direction(self, reference: FeatureReference) -> str:
        """In a word or two."""
        if self.place < 0:
            return self.kind
        return f"{self.kind} {reference.labels[self.place] if self.place < len(reference.labels) else 'that is new'}"


class Look(Struct, frozen=True, gc=False):
    """All changes that are looked out for in one feature, packed: as objects they would take three times the memory."""

    what: bytes
    """Of each change the number of its kind, and its place counted from ``SHAPE``."""
    figures: array[float]
    """Of each change its mean, its variance and its weights."""
    width: int
    """Weights of a shape."""

    def __len__(self) -> int:
        return len(self.what) // 2

    def __iter__(self) -> Iterator[Change]:
        figures, begin = self.figures, 0
        for number, above in zip(self.what[::2], self.what[1::2], strict=True):
            kind, place = KINDS[number], SHAPE + above
            end = begin + 2 + (self.width if place == SHAPE else 3)
            yield Change(kind, place, figures[begin], figures[begin + 1], figures[begin + 2 : end])
            begin = end


@lru_cache(maxsize=1024)
def look_at(part: bytes, shift: float) -> Look:
    """The changes that are looked out for in a feature, which is given packed, as it is held elsewhere as well."""
    reference = unpack(part)
    return look_out(reference, shift_for(reference, shift))


def look_out(reference: FeatureReference, shift: float) -> Look:
    """Every change that is looked out for in a feature."""
    missing = (reference.missing * reference.n + 0.5) / (reference.n + 1.0)
    there = smoothed(reference.shares, reference.n)
    before = (*(share * (1.0 - missing) for share in there), missing)
    what, figures = bytearray(), array("d")

    def add(kind: str, place: int, after: tuple[float, ...]) -> None:
        weights = [log(b / a) for a, b in zip(before, after, strict=True)]
        mean = sum(map(mul, before, weights))
        variance = sum(a * w * w for a, w in zip(before, weights, strict=True)) - mean * mean
        if kind == "narrower" and 2.0 * RARE * variance > 0.9 * mean * mean * reference.n:
            return  # what would become rarer was hardly ever there: a constant would seem to narrow for ever
        figures.extend((mean, variance))
        if place == SHAPE:
            figures.extend(weights)
        else:
            # Any bin but the one at ``place`` tells what the rest is worth.
            rest = weights[1 if place == 0 else 0]
            figures.extend((rest, weights[place] - rest, weights[-1] - rest if place >= 0 else 0.0))
        what.extend((KINDS.index(kind), place - SHAPE))

    def alone(shares: tuple[float, ...]) -> tuple[float, ...]:
        return (*(share * (1.0 - missing) for share in shares), missing)

    if len(there) > 1 and reference.kind == "numeric":
        wide = max(WIDER, 1.0 + 0.5 * shift)
        for kind, how in (
            ("up", (shift, 1.0)), ("down", (-shift, 1.0)), ("wider", (0.0, wide)), ("narrower", (0.0, 1.0 / wide)),
        ):  # fmt: skip
            add(kind, SHAPE, alone(moved(there, *how)))
    elif len(there) > 1:
        for at in range(len(there) if len(there) <= LABELS + 1 else LABELS):
            part = there[at]
            up = min(part + MISSING * shift, 0.5 * (1.0 + part))
            for kind, to in (("more", up), ("less", part - MISSING * shift)):
                if to > 0.01:
                    rest = (1.0 - to) / (1.0 - part)
                    add(kind, at, alone((*(share * rest for share in there[:at]), to,
                                         *(share * rest for share in there[at + 1 :]))))  # fmt: skip
    if missing < 1.0 - 2.0 * MISSING:
        more = missing + MISSING
        rest = (1.0 - more) / (1.0 - missing)
        add("missing", GAPS, (*(share * rest for share in before[:-1]), more))
    return Look(bytes(what), array("d", figures), len(before))  # copied: what has grown has room to spare


def shift_for(reference: FeatureReference, shift: float) -> float:
    """The change to look out for: ``shift``, or more where the reference is too small to tell as little as that.

    It depends on nothing that changes while rows come, or charts would lose the meaning of their sums.
    """
    independent = effective(max(1, reference.n), reference.autocorrelation)
    return min(LARGEST, max(shift, sqrt(16.0 * RARE / independent)))
