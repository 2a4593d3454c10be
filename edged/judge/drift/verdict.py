"""What is said of every feature: scores, direction, since when, why, and both histograms."""

from __future__ import annotations

from msgspec import Struct

from ...vocabulary.drift import FeatureReference, Reference
from ...vocabulary.drift_state import DriftState, FeatureState
from .distances import jensen_shannon, kolmogorov_smirnov, psi, shares, wasserstein
from .normal_bins import middles, smoothed

TOP = 3


class Verdict(Struct, frozen=True, kw_only=True):
    """Of one feature. Scores are those of the last full window."""

    name: str
    drifted: bool
    since: float | None
    """Edged's clock."""
    why: str
    direction: str
    psi: float
    excess: float
    """PSI beyond what chance gives."""
    jensen_shannon: float
    kolmogorov_smirnov: float | None
    """Of numeric ones, like ``wasserstein``."""
    wasserstein: float | None
    """Standard deviations of the reference."""
    p: float
    missing_ratio: float
    problems: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    """Shares by bin; all 0 before the first window is full."""


class Verdicts(Struct, frozen=True):
    features: tuple[Verdict, ...]
    """In the order of the reference."""
    top: tuple[str, ...]
    """The drifted features, the farthest first, and the first few of them only."""
    problems: tuple[str, ...]
    """Of the rows as a whole."""
    windows: int
    """Full ones so far; none: nothing is known yet."""

    @property
    def drifted(self) -> bool:
        return bool(self.top)


def judged(state: DriftState, reference: Reference, now: float) -> Verdicts:
    found = tuple(_judged(one, state.features.get(one.name) or FeatureState()) for one in reference.features)
    drifted = sorted((one for one in found if one.drifted), key=lambda one: -one.excess)
    problems = [*state.problems, *(f"unknown column {name}" for name in state.unknown)]
    return Verdicts(found, tuple(one.name for one in drifted[:TOP]), tuple(problems), state.windows)


def _judged(one: FeatureReference, held: FeatureState) -> Verdict:
    before, after = one.shares, shares(held.window)
    full = len(after) == len(before) and sum(held.window) > 0
    numeric = full and one.kind == "numeric"
    return Verdict(
        name=one.name,
        drifted=held.drifted_since is not None,
        since=held.drifted_since,
        why=held.why,
        direction=held.direction,
        psi=psi(shares(held.window, 0.5), smoothed(before, one.n)) if full else 0.0,
        excess=held.excess,
        jensen_shannon=jensen_shannon(after, before) if full else 0.0,
        kolmogorov_smirnov=kolmogorov_smirnov(after, before) if numeric else None,
        wasserstein=wasserstein(after, before, middles(smoothed(before, one.n))) if numeric else None,
        p=held.p,
        missing_ratio=held.missing_ratio,
        problems=tuple(held.problems),
        before=before,
        after=after if full else (0.0,) * len(before),
    )
