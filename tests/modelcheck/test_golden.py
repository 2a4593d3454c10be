"""The comparison with golden vectors, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from edged.modelcheck.golden import compare, missed_by, not_finite

RTOL, ATOL = 0.01, 0.5


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_same_as_numpys_allclose(dtype: str) -> None:
    random = np.random.default_rng(3)
    want = (random.normal(size=10_000) * 50).astype(dtype)
    got = (want + random.normal(size=10_000)).astype(dtype)
    inside = np.isclose(got.astype(np.float64), want.astype(np.float64), rtol=RTOL, atol=ATOL)
    assert 0.2 < inside.mean() < 0.8
    assert_array_equal(missed_by(got, want, RTOL, ATOL) <= 0, inside)


def test_the_bound_itself_is_inside() -> None:
    want = np.array([100.0, -100.0])
    assert compare({"y": want + 1.5}, {"y": want}, RTOL, ATOL) is None
    assert compare({"y": want + 1.5001}, {"y": want}, RTOL, ATOL) is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_misses_by_most(value: float) -> None:
    want = np.zeros((2, 2))
    found = compare({"y": np.array([[0, 9.0], [value, 0]])}, {"y": want}, RTOL, ATOL)
    assert found is not None
    assert (found.index, found.got, found.elements) == ((1, 0), str(value), 2)
    assert [problem.code for problem in not_finite({"y": np.array([value]), "z": np.array([1])})] == ["nan"]


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (np.array([1, 2], np.int64), np.array([1, 3], np.int64)),
        (np.array([2**63], np.uint64), np.array([2**63 + 1], np.uint64)),
        (np.array([True]), np.array([False])),
        (np.array(["a"], object), np.array(["b"], object)),
    ],
)
def test_what_is_no_float_is_exact(got: NDArray[Any], want: NDArray[Any]) -> None:
    assert compare({"y": want}, {"y": want}, RTOL, ATOL) is None
    found = compare({"y": got}, {"y": want}, RTOL, ATOL)
    assert found is not None and found.tolerance == 0


def test_nothing_and_single_values() -> None:
    empty, one = np.zeros((0, 3)), np.float64(1)
    assert compare({"y": empty}, {"y": empty}, RTOL, ATOL) is None
    found = compare({"y": np.asarray(one * 9)}, {"y": np.asarray(one)}, RTOL, ATOL)
    assert found is not None and found.index == ()


def test_the_worst_is_found_over_all_outputs() -> None:
    zero = np.zeros(3)
    found = compare({"a": np.array([1.0, 0, 0]), "b": np.array([0, 0, 5.0])}, {"a": zero, "b": zero}, RTOL, ATOL)
    assert found is not None
    assert (found.output, found.index, found.elements) == ("b", (2,), 2)
