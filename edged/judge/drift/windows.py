"""A full window of one feature against its reference: is the difference more than chance, and is it large enough?"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ...vocabulary.drift import RUN, FeatureReference
from ...vocabulary.drift_state import Chart
from .charts import rho_of
from .dependence import inflation, modes
from .distances import psi, shares
from .normal_bins import middles, smoothed
from .tails import weighted_chi_square

LABELS_LONGER = 1.4
"""Inflation beyond 1 of a label of a normal AR(1) with ρ = 0.9, over that of an AR(1) whose runs are like its runs."""


class Compared(Struct, frozen=True):
    p: float
    """How likely a difference as large is by chance alone."""
    excess: float
    """PSI beyond what chance gives on average."""


NOTHING = Compared(1.0, 0.0)


def compare(counts: Sequence[int], reference: FeatureReference, charts: Sequence[Chart]) -> Compared:
    """Pearson's chi-square with the reference's own sampling error, n (p - q)² / q summed, whose null distribution is a
    weighted sum of chi-squares when rows depend on each other (Rao and Scott 1981, J. Am. Stat. Assoc. 76:221-230).

    Under the null, PSI is the same sum up to terms of higher order: with independent rows its mean is
    (B - 1) (1 / n + 1 / m) (Yurdakul and Naranjo 2020, J. Risk Model Validation 14:89-100).
    """
    n, m = sum(counts), max(1, reference.n)
    free = len(counts) - 1
    if n < RUN or free < 1 or len(counts) != len(reference.shares):
        return NOTHING
    before = smoothed(reference.shares, m)
    now = shares(counts)
    distance = sum((a - b) ** 2 / b for a, b in zip(now, before, strict=True))
    weights = [here / n + there / m for here, there in zip(*inflations(reference, charts, n, m, free), strict=True)]
    return Compared(weighted_chi_square(distance, weights), psi(shares(counts, 0.5), before) - sum(weights))


def inflations(
    reference: FeatureReference, charts: Sequence[Chart], n: int, m: int, free: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of the components of the chi-square: for the window, and for the reference."""
    known = [rho_of(chart) for chart in charts]
    if reference.kind == "numeric":
        rho = max(known[:2], default=reference.autocorrelation)
        return modes(rho, n, free), modes(max(rho, reference.autocorrelation), m, free)
    # Of a categorical one each label has its own: as many of the largest as there are components.
    rhos = sorted(known[:-1] or [reference.autocorrelation], reverse=True)
    rhos = [rhos[min(len(rhos) - 1, index * len(rhos) // free)] for index in range(free)]
    return tuple(_of_label(rho, n) for rho in rhos), tuple(_of_label(rho, m) for rho in rhos)


def _of_label(rho: float, n: float) -> float:
    """Whether a row has one label has a longer memory than its runs show."""
    return 1.0 + LABELS_LONGER * (inflation(rho, n) - 1.0)


def direction(counts: Sequence[int], reference: FeatureReference) -> str:
    """In a word or two: where the values went."""
    now, before = shares(counts), reference.shares
    if reference.kind == "categorical":
        gaps = [a - b for a, b in zip(now, before, strict=True)]
        at = max(range(len(gaps)), key=lambda index: abs(gaps[index]))
        label = reference.labels[at] if at < len(reference.labels) else "that is new"
        return f"{'more' if gaps[at] > 0.0 else 'less'} {label}"
    places = middles(smoothed(before, reference.n))
    mean = sum(share * place for share, place in zip(now, places, strict=True))
    spread = sum(share * place * place for share, place in zip(now, places, strict=True)) - mean * mean
    usual = sum(share * place * place for share, place in zip(smoothed(before, reference.n), places, strict=True))
    if abs(mean) >= 0.25 * usual**0.5:
        return "up" if mean > 0.0 else "down"
    return "wider" if spread > 1.1 * usual else "narrower" if spread < 0.9 * usual else "another shape"
