"""Quantiles and shares of histograms. That they are Prometheus' own is shown with a real one, in tests/observe."""

from __future__ import annotations

from math import inf

import pytest

from edged.judge.quantiles import around, quantile, share_above, tidy

FOUR = ((0.1, 10.0), (0.2, 60.0), (0.5, 90.0), (inf, 100.0))


@pytest.mark.parametrize(
    ("q", "buckets", "wanted"),
    [
        (0.35, FOUR, 0.15),
        (0.05, FOUR, 0.05),  # the first bucket begins at 0
        (0.95, FOUR, 0.5),  # beyond the last edge nobody knows more
        (1.0, FOUR, 0.5),
        (0.5, ((-1.0, 10.0), (inf, 10.0)), -1.0),  # a first edge that is not positive is the answer
        (0.5, ((0.0, 10.0), (inf, 10.0)), 0.0),
        (0.5, ((-2.0, 1.0), (-1.0, 11.0), (inf, 11.0)), -1.55),
        (0.5, ((inf, 10.0),), None),
        (0.5, (), None),
        (0.5, ((0.1, 5.0), (0.2, 9.0)), None),  # no infinite bucket
        (0.5, ((0.1, 0.0), (inf, 0.0)), None),
        (0.0, ((0.1, 0.0), (0.2, 1.0), (inf, 1.0)), None),
        (-0.1, FOUR, -inf),
        (1.1, FOUR, inf),
        (float("nan"), FOUR, None),
        (0.9, ((0.1, 10.0), (0.2, 9.0), (inf, 10.0)), 0.09),  # forced to rise
        (0.5, ((0.2, 5.0), (inf, 10.0), (0.1, 5.0)), 0.1),  # in any order
    ],
)
def test_interpolation(q: float, buckets: tuple[tuple[float, float], ...], wanted: float | None) -> None:
    assert quantile(q, buckets) == (pytest.approx(wanted) if wanted is not None else None)


def test_equal_edges_are_added_up_and_counts_never_fall() -> None:
    assert tidy([(0.2, 3.0), (0.1, 2.0), (0.1, 2.0), (inf, 1.0)]) == [(0.1, 4.0), (0.2, 4.0), (inf, 4.0)]


@pytest.mark.parametrize(
    ("limit", "share"), [(0.1, 0.9), (0.2, 0.4), (0.15, 0.65), (0.5, 0.1), (3.0, 0.1), (0.0, 1.0), (-1.0, 1.0)]
)
def test_share_above(limit: float, share: float) -> None:
    assert share_above(limit, FOUR) == pytest.approx(share)


def test_shares_of_nothing_and_of_odd_edges() -> None:
    assert share_above(0.1, ()) is None and share_above(0.1, ((0.1, 0.0), (inf, 0.0))) is None
    assert share_above(-0.5, ((-1.0, 5.0), (1.0, 10.0), (inf, 10.0))) is not None


def test_where_a_limit_lies() -> None:
    assert around(0.2, FOUR) is None and around(0.1 + 0.1 + 1e-12, FOUR) is None
    assert around(0.15, FOUR) == (0.1, 0.2) and around(0.05, FOUR) == (0.0, 0.1) and around(2.0, FOUR) == (0.5, inf)
