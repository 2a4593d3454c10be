"""The formulas of drift against scipy, and against their own definitions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from edged.judge.drift import dependence, distances, normal_bins, tails
from edged.judge.drift.changes import look_out
from edged.judge.drift.charts import nu, strong
from edged.judge.drift.correction import benjamini_hochberg
from edged.judge.drift.settings import Settings, shared, window_level
from edged.vocabulary.drift import FeatureReference

counts = st.integers(2, 30).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 500), min_size=n, max_size=n).filter(any)] * 2)
)


def _exactly(p: Sequence[float], q: Sequence[float]) -> float:
    """Jensen-Shannon distance by its definition, with digits to spare."""
    with localcontext() as context:
        context.prec = 60
        total = Decimal(0)
        for a, b in zip(map(Decimal, p), map(Decimal, q), strict=True):
            total += sum((one * (2 * one / (a + b)).ln() for one in (a, b) if one), Decimal(0))
        return float(max(Decimal(0), total / 2 / Decimal(2).ln()).sqrt())


@given(counts, st.floats(1e-15, 1e-3))
def test_nearly_equal_shares_are_as_far_apart_as_they_are(pair: tuple[list[int], list[int]], little: float) -> None:
    p, q = (distances.shares(one) for one in pair)
    near = [(1.0 - little) * a + little * b for a, b in zip(p, q, strict=True)]
    assert distances.jensen_shannon(p, near) == pytest.approx(_exactly(p, near), abs=1e-9)
    assert distances.jensen_shannon(p, p) == 0.0


@given(counts)
def test_distances_are_scipys(pair: tuple[list[int], list[int]]) -> None:
    p, q = (distances.shares(one) for one in pair)
    at = np.arange(len(p)) ** 1.5
    found, expected = distances.jensen_shannon(p, q), jensenshannon(p, q, base=2)
    assert found == pytest.approx(_exactly(p, q), abs=1e-9)
    if found > 1e-6:  # nearer to 0, the root of scipy's rounding is more than that
        assert found == pytest.approx(expected, abs=1e-9)
    assert distances.wasserstein(p, q, at) == pytest.approx(stats.wasserstein_distance(at, at, p, q), abs=1e-9)


@given(counts)
def test_kolmogorov_smirnov_and_psi_are_scipys(pair: tuple[list[int], list[int]]) -> None:
    first, second = ([at for at, number in enumerate(one) for _ in range(number)] for one in pair)
    p, q = (distances.shares(one) for one in pair)
    expected = stats.ks_2samp(first, second, method="asymp").statistic
    assert distances.kolmogorov_smirnov(p, q) == pytest.approx(expected, abs=1e-9)
    p, q = (distances.shares(one, 0.5) for one in pair)
    assert distances.psi(p, q) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=1e-9)


@given(st.floats(0.01, 3.0), st.integers(1, 20), st.floats(0.5, 80.0))
def test_equal_weights_are_an_ordinary_chi_square(weight: float, free: int, x: float) -> None:
    expected = float(stats.chi2.sf(x, free))
    if expected > 1e-12:
        # Without a second degree of freedom the approximation is at its worst.
        assert tails.weighted_chi_square(weight * x, [weight] * free) == pytest.approx(expected, rel=0.12, abs=1e-3)


def test_the_tail_of_unequal_weights_is_that_of_a_simulation() -> None:
    weights = dependence.modes(0.9, 1000.0, 11)
    drawn = np.random.default_rng(1).chisquare(1.0, (400_000, 11)) @ np.array(weights)
    for chance in (0.1, 0.01, 0.001):
        x = float(np.quantile(drawn, 1.0 - chance))
        assert tails.weighted_chi_square(x, weights) == pytest.approx(chance, rel=0.2)


@pytest.mark.parametrize("z", [-3.0, 0.0, 2.0, 5.9, 6.1, 9.0, 20.0])
def test_the_far_end_of_the_normal_distribution(z: float) -> None:
    assert tails.upper(z) == pytest.approx(float(stats.norm.sf(z)), rel=1e-4)


def test_new_extremes_are_as_rare_as_counting_says() -> None:
    rng = np.random.default_rng(2)
    both = rng.random((20_000, 120))
    third = np.sort(both[:, :20], axis=1)[:, -2] > both[:, 20:].max(axis=1)
    assert tails.beyond(2, 20, 100) == pytest.approx(third.mean(), rel=0.1)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9, 0.97])
def test_autocorrelation_is_found_again(rho: float) -> None:
    variance, lag = dependence.inflation(rho, 10), dependence.neighbours(rho, 10)
    assert dependence.autocorrelation(variance, lag, 10) == pytest.approx(rho, abs=1e-6)


def test_inflation_is_the_sum_of_all_correlations() -> None:
    rho, n = 0.8, 25
    matrix = rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    assert dependence.inflation(rho, n) == pytest.approx(matrix.sum() / n)
    double = rho ** np.abs(np.subtract.outer(np.arange(2 * n), np.arange(2 * n)))
    assert dependence.neighbours(rho, n) == pytest.approx(double[:n, n:].sum() / matrix.sum())
    assert dependence.effective(1e9, 0.9) == pytest.approx(1e9 / 19.0, rel=1e-6)


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=20), st.floats(-3.0, 3.0), st.floats(0.5, 2.0))
def test_moved_shares_are_shares(raw: list[float], shift: float, width: float) -> None:
    shares = distances.shares(raw)
    assert normal_bins.moved(shares) == pytest.approx(shares, abs=1e-5)
    after = normal_bins.moved(shares, shift, width)
    assert sum(after) == pytest.approx(1.0)
    assert min(after) > 0.0
    places = normal_bins.middles(shares)
    assert sum(share * place for share, place in zip(shares, places, strict=True)) == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.floats(0.001, 0.5))
def test_benjamini_hochberg_is_scipys(p: list[float], level: float) -> None:
    assert benjamini_hochberg(p, level) == tuple((stats.false_discovery_control(p) <= level * (1 + 1e-12)).tolist())


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.95])
@pytest.mark.parametrize("kind", ["up", "down", "wider"])
def test_sums_of_dependent_rows_grow_as_their_limit_says(kind: str, rho: float) -> None:
    """The largest eigenvalue of exp(γ·weight / V) times the transitions of a normal AR(1) is 1."""
    reference = FeatureReference(name="x", kind="numeric", edges=tuple(range(9)), shares=(0.1,) * 10, n=10**6)
    (change,) = (one for one in look_out(reference, 1.0) if one.kind == kind)
    at = np.linspace(-5.0, 5.0, 201)
    half, spread = 0.5 * (at[1] - at[0]), np.sqrt(1.0 - rho * rho)
    below, above = ((at[None, :] + end - rho * at[:, None]) / spread for end in (-half, half))
    chances = stats.norm.cdf(above) - stats.norm.cdf(below)
    chances /= chances.sum(axis=1, keepdims=True)
    values = np.array(change.weights)[np.searchsorted(stats.norm.ppf(np.arange(1, 10) / 10), at)]
    share = stats.norm.pdf(at) / stats.norm.pdf(at).sum()
    away, sums, correlation = values - share @ values, [], values - share @ values
    for _ in range(400):
        sums.append(share @ (away * correlation))
        correlation = chances @ correlation
    v = float(1.0 + 2.0 * sum(sums[1:]) / sums[0])
    gamma = 1.0 + (strong(change) - 1.0) * (1.0 - 1.0 / v)
    largest = float(np.abs(np.linalg.eigvals(chances * np.exp(gamma * values / v))).max())
    drift_of_one = abs(float(share @ values)) / v
    assert largest == pytest.approx(1.0, abs=0.15 * drift_of_one), "within 15 % of what the mean takes away in a row"


def test_overshoot_is_siegmunds_for_small_steps() -> None:
    for x in (0.05, 0.1, 0.3):
        assert nu(x) == pytest.approx(np.exp(-0.583 * x), rel=0.015)


@given(st.floats(0.1, 100.0), st.integers(1, 200))
def test_levels_add_up_to_what_is_asked(asked: float, features: int) -> None:
    settings = Settings(false_alarms_per_month=asked)
    p = window_level(settings, 0.1, features)
    a_month = features * 259.2 * p * (1.0 - (1.0 - p) ** 2)
    assert a_month <= 0.07 * asked * 1.001
    assert p >= 0.0499 or a_month == pytest.approx(0.07 * asked, rel=1e-6)


def test_apps_share_the_knob_by_their_features() -> None:
    assert shared(2.0, 5, 20) + shared(2.0, 15, 20) == pytest.approx(2.0)
