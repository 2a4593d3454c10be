"""Cumulative sums of log-likelihood ratios over short runs of rows: what a change costs in rows is as little as can be.

Page (1954), Continuous inspection schemes, Biometrika 41:100-115; Lorden (1971), Procedures for reacting to a change in
distribution, Ann. Math. Stat. 42:1897-1908. Each chart weighs a row's bin by ln(q1 / q0), q1 being the shares after one
kind of change; its sum is held above 0.
"""

from __future__ import annotations

from math import ceil, erf, exp, log, pi, sqrt
from operator import mul

from msgspec.structs import replace

from ...vocabulary.drift import RUN, FeatureReference
from ...vocabulary.drift_state import Chart
from .changes import SHAPE, Change
from .dependence import autocorrelation, effective, inflation

STRONG_WIDER, STRONG_LABEL = 0.85, 0.8
"""The γ at which the largest eigenvalue of exp(γ·weight / V) times the transitions of a normal AR(1) is 1: with ρ from
0.9 to 0.98, on 301 points, 0.83–0.87 for ``wider``, and for labels, of which one in five has each, 0.66–0.77."""
MEMORY = 32
"""Windows over which dependence is averaged."""


def nu(x: float) -> float:
    """What a random walk of normal steps with standard deviation ``x`` loses by overshooting a far border.

    Siegmund and Yakir (2007), The Statistics of Gene Mapping, p. 112; exp(-0.583 x) for small x, Siegmund (1985).
    """
    half = 0.5 * x
    below = 0.5 * (1.0 + erf(half / sqrt(2.0)))
    return (2.0 / x) * (below - 0.5) / (half * below + exp(-0.5 * half * half) / sqrt(2.0 * pi))


def strong(change: Change) -> float:
    """γ of strongly dependent rows: 2 |mean| / variance if their sums are normal, lower where they lean to the right.

    What is far away counts by its square for ``wider``; whether a row has one label has a longer memory than runs show.
    """
    normal = -2.0 * change.mean / change.variance
    if change.place != SHAPE:
        return min(normal, STRONG_LABEL)
    return min(normal, STRONG_WIDER) if change.kind == "wider" else normal


def limit(change: Change, chart: Chart, length: float, independent: float, runs: float) -> float:
    """The sum at which false alarms come every ``length`` rows on average.

    exp(γh) / (2k² ν²) runs, 2k² half the variance of γ times a run's value; γ is 1 for independent rows (exact by
    Wald's identity) and ``strong`` for strongly dependent ones. What is not known
    exactly, the reference (``independent`` rows) and the inflation (from ``runs`` runs), moves γ; averaged over it,
    exp(γh) becomes exp(γh - a (γh)²).
    """
    gamma = 1.0 + (strong(change) - 1.0) * (1.0 - 1.0 / chart.inflation)
    far = gamma * gamma * change.variance * RUN / chart.inflation
    step = gamma * sqrt(change.variance * RUN * chart.variance) / chart.inflation
    wanted = log(max(3.0, length / RUN * 0.5 * far * nu(max(0.05, step)) ** 2))
    unsure = 2.0 * change.variance / (4.0 * change.mean * change.mean * independent) + 1.0 / max(1.0, runs)
    unsure = min(unsure, 0.9 / (4.0 * wanted))
    return (1.0 - sqrt(1.0 - 4.0 * unsure * wanted)) / (2.0 * unsure) / gamma


def advance(change: Change, chart: Chart, runs: tuple[tuple[int, ...], ...]) -> tuple[Chart, int, float]:
    """The chart after ``runs``, the number of rows that an alarm looks back on (0: there was none), and the strongest
    evidence for the change on the way: the sum as it would be if alarms did not set it back to 0."""
    values = change.values(runs)
    if not values:
        return chart, 0, 0.0
    total, rows, bound, alarm = chart.sum, chart.rows, chart.limit, 0
    per = 1.0 / chart.inflation
    told = most = 0.0
    if bound:
        for value in values:
            total += value * per
            if total <= 0.0:
                total, rows, told = 0.0, 0, 0.0
                continue
            rows += RUN
            if told + total > most:
                most = told + total
            if total >= bound:
                alarm, told, total, rows = max(alarm, rows), told + total, 0.0, 0
    middle = change.mean * RUN
    away = [value - middle for value in values]
    products = chart.products + sum(map(mul, away, away[1:]))
    if chart.runs:
        products += chart.last * away[0]
    after = Chart(
        total, rows, bound, chart.inflation, chart.variance, chart.lag,
        chart.runs + len(away), chart.total + sum(away), chart.squares + sum(map(mul, away, away)), products, away[-1],
    )  # fmt: skip
    return after, alarm, most


def learn(change: Change, chart: Chart, reference: FeatureReference, windows: int) -> Chart:
    """At the end of a window: what its runs say about dependence joins what is known of it."""
    n = chart.runs
    cleared = replace(chart, runs=0, total=0.0, squares=0.0, products=0.0, last=0.0)
    if n < 10:
        return cleared
    mean = chart.total / n
    variance = max(0.0, chart.squares / n - mean * mean)
    if variance < 1e-9 * change.variance * RUN:  # the same in every run; what is left is rounding
        variance = 0.0
    lag = max(-1.0, min(1.0, (chart.products / (n - 1) - mean * mean) / variance)) if variance else 0.0
    part = 1.0 / min(MEMORY, windows + 1.0)
    variance = chart.variance + part * (variance / (change.variance * RUN) - chart.variance)
    lag = chart.lag + part * (lag - chart.lag)
    rho = autocorrelation(variance, lag, RUN)
    if windows < 3:  # a few runs only: what the reference says counts as well
        degree = 1 if change.kind in ("up", "down") else 2
        rho = max(rho, max(0.0, reference.autocorrelation) ** degree)
    return replace(cleared, variance=variance, lag=lag, inflation=inflation(rho, 1e9))


def rho_of(chart: Chart) -> float:
    """Autocorrelation of neighbouring rows that a chart's inflation stands for."""
    return (chart.inflation - 1.0) / (chart.inflation + 1.0)


def limited(
    change: Change, chart: Chart, reference: FeatureReference, length: float, windows: int, window: int
) -> Chart:
    """The chart with the limit for what is known now."""
    runs = min(MEMORY, windows + 1) * ceil(window / RUN) / (1.0 + 2.0 * max(0.0, chart.lag))
    independent = max(1.0, effective(max(1, reference.n), max(reference.autocorrelation, rho_of(chart))))
    return replace(chart, limit=limit(change, chart, length, independent, runs))
