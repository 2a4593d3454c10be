"""Counts against a reference: right for each value, and the same however the rows are cut into batches."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from edged.config import Columns
from edged.inputs import reference as references
from edged.inputs.counting import Counts
from edged.inputs.learning import BINS, MOST_FEATURES, MOST_LABELS, Learner
from edged.inputs.rows import Table, table
from edged.vocabulary.drift import RUN, FeatureCounts, FeatureReference, Reference

NUMBER = FeatureReference(
    name="x", kind="numeric", edges=(1.0, 2.0), shares=(0.2, 0.5, 0.3), mean=1.5, scale=1.0, low=0.0, high=3.0, n=100
)
WORD = FeatureReference(name="w", kind="categorical", labels=("1", "a", "true"), shares=(0.3, 0.3, 0.3, 0.1), n=100)


def count(one: FeatureReference, *batches: list[Any]) -> list[FeatureCounts]:
    counts = Counts(Reference(features=(one,)))
    return [counts.add(Table(len(batch), {one.name: batch}, {}))[0][one.name] for batch in batches]


def learned(rows: list[dict[str, Any]], *, csv: bool = False) -> dict[str, FeatureReference]:
    learner = Learner(10_000)
    for begin in range(0, len(rows), 100):
        part = rows[begin : begin + 100]
        columns = {name: [row.get(name) for row in part] for name in dict.fromkeys(k for row in part for k in row)}
        learner.add(Table(len(part), columns, {}), csv=csv)
    made = learner.reference(learned=True)
    if made.features:
        assert references.decode(references.encode(made)) == made
    return {one.name: one for one in made.features}


def test_numbers_fall_into_bins() -> None:
    (seen,) = count(NUMBER, [0.5, 1.0, 1.9, 2.0, 99.0, -7.0, None, math.nan, math.inf, -math.inf, "2.5", "no", 10**400])
    assert (seen.counts, seen.missing) == ((3, 2, 5), 3)
    assert (seen.infinite, seen.outside) == (3, 2)


def test_words_fall_into_bins() -> None:
    (seen,) = count(WORD, ["a", True, 1, 1.0, False, "new", None, math.nan])
    assert (seen.counts, seen.missing) == ((2, 1, 1, 2), 2)


def test_a_column_that_is_not_there_is_missing_and_a_new_one_is_named() -> None:
    seen = Table(3, {"x": [1, 2, 3], "y": [1, None, 1], "nothing": [None] * 3}, {})
    found, unknown = Counts(Reference(features=(NUMBER, WORD))).add(seen)
    assert (found["w"].missing, sum(found["w"].counts), unknown) == (3, 0, ("y",))
    without = Reference(features=(NUMBER, WORD), without=("y*",))
    assert references.decode(references.encode(without)) == without and Counts(without).add(seen)[1] == ()


@pytest.mark.parametrize("one", [NUMBER, WORD], ids=["number", "word"])
def test_batches_make_no_difference(one: FeatureReference) -> None:
    rng = random.Random(3)
    values = [rng.choice([rng.gauss(1.5, 1.0), None, 1.0, 1.0, "a"]) for _ in range(500)]
    (whole,) = count(one, values)
    parts, at = [], 0
    while at < len(values):
        size = rng.randrange(1, 40)
        parts.append(values[at : at + size])
        at += size
    cut = count(one, *parts)
    assert tuple(map(sum, zip(*(part.counts for part in cut), strict=True))) == whole.counts
    assert tuple(run for part in cut for run in part.runs) == whole.runs
    assert len(whole.runs) == 500 // RUN and all(sum(run) == RUN for run in whole.runs)
    assert max(part.longest_run for part in cut) == whole.longest_run


def test_a_sensor_that_is_stuck() -> None:
    first, second, third = count(NUMBER, [1.0, 2.0, 2.0], [2.0, 2.0, 3.0], [None, None])
    assert (first.longest_run, second.longest_run, third.longest_run) == (2, 4, 0)


def test_a_reference_of_numbers() -> None:
    rng = random.Random(5)
    value, rows = 0.0, []
    for number in range(4000):
        value = 0.8 * value + rng.gauss(0.0, 0.6)
        rows.append({"x": None if number % 10 == 0 else value})
    one = learned(rows)["x"]
    assert (one.kind, len(one.edges), one.n) == ("numeric", BINS - 1, 3600)
    assert all(abs(share - 0.1) < 0.001 for share in one.shares)
    assert abs(one.missing - 0.1) < 1e-9 and abs(one.autocorrelation - 0.8) < 0.05 and abs(one.scale - 1.0) < 0.1
    (seen,) = count(one, [row["x"] for row in rows])
    assert [bin_ / 3600 for bin_ in seen.counts] == pytest.approx(one.shares) and seen.outside == 0


@pytest.mark.parametrize(
    "values", [[7.0], [0, 1], [0, 0, 0, 1], [1e308, -1e308, 0.0], [math.inf, 1.0, 2.0], [0.1, 0.2]]
)
def test_odd_numbers_give_a_sound_reference(values: list[float]) -> None:
    one = learned([{"x": value} for value in values * 100])["x"]
    assert one.kind == "numeric" and one.n == 100 * len(values)
    (seen,) = count(one, values * 100)
    assert [bin_ / one.n for bin_ in seen.counts] == pytest.approx(one.shares)


def test_a_constant_that_moves_is_seen() -> None:
    one = learned([{"x": 5.0}] * 200)["x"]
    assert one.scale == 0.0
    (seen,) = count(one, [4.9, 5.0, 5.1])
    assert (seen.counts, seen.outside) == ((1, 1, 1), 2)


def test_a_reference_of_words() -> None:
    rows = [{"w": f"rare{n}"} for n in range(50)] + [{"w": "a"}, {"w": "b"}, {"w": True}, {"w": None}] * 100
    one = learned(rows)["w"]
    assert one.kind == "categorical" and {"a", "b", "true"} <= set(one.labels) and len(one.labels) <= MOST_LABELS
    assert sum(one.shares) == pytest.approx(1.0) and one.missing == pytest.approx(100 / 450)


def test_columns_of_csv_are_told_apart_by_what_they_hold() -> None:
    found = learned([{"n": str(n / 7), "w": f"m{n % 3}", "e": None} for n in range(300)], csv=True)
    assert {name: one.kind for name, one in found.items()} == {"n": "numeric", "w": "categorical"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["N/A", *map(str, range(30))], "numeric"),  # however few there are
        (["ERR", *(str(n / 7) for n in range(100))], "numeric"),  # more than labels could tell
        (["ERR", *"0123"], "categorical"),
        (["-", *(str(n / 7) for n in range(30))], "numeric"),  # the same in few rows
        (["None"] * 20 + ["17"], "categorical"),
        (["NA", "NB"], "categorical"),
    ],
)
def test_a_few_odd_cells_make_no_words_of_numbers(values: list[str], kind: str) -> None:
    assert learned([{"x": value} for value in values], csv=True)["x"].kind == kind


def test_numbers_as_text_in_json() -> None:
    quoted = [{"x": str(n / 7), "code": str(400 + n % 3), "mixed": n if n % 9 else "N/A"} for n in range(100)]
    found = learned(quoted)
    assert {name: one.kind for name, one in found.items()} == {
        "x": "numeric",
        "code": "categorical",
        "mixed": "numeric",
    }
    assert found["mixed"].missing == pytest.approx(0.12)


def test_bounds() -> None:
    learner = Learner(1000)
    learner.add(Table(2, {f"f{n}": [1, 2] for n in range(2 * MOST_FEATURES)}, {}), csv=False)
    assert len(learner.reference(learned=True).features) == MOST_FEATURES and learner.left_out
    many = learned([{"w": f"label {n}"} for n in range(5000)])["w"]
    assert len(many.labels) == MOST_LABELS and many.shares[-1] > 0.9


def test_nothing_to_learn_from() -> None:
    assert learned([{"x": None}, {}] * 10) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"edges": [2.0, 1.0]}, "not in order"),
        ({"shares": [0.5, 0.5]}, "one share more"),
        ({"shares": [0.5, 0.5, 0.5]}, "add up"),
        ({"shares": [-0.5, 1.0, 0.5]}, "from 0 to 1"),
        ({"scale": -1.0}, "go together"),
        ({"low": 9.0}, "go together"),
        ({"labels": ["a"]}, "edges are for numbers"),
        ({"n": 0}, "no values"),
        ({"name": "a\nb"}, "name cannot be used"),
        ({"kind": "text"}, "cannot be read"),
        ({"edges": list(range(200)), "shares": [0.0] * 200 + [1.0]}, "more than"),
    ],
)
def test_a_reference_that_cannot_be(change: dict[str, Any], words: str) -> None:
    content = json.loads(references.encode(Reference(features=(NUMBER,), rows=100)))
    content["features"][0] |= change
    with pytest.raises(ValueError, match=words):
        references.decode(json.dumps(content).encode())


def test_no_reference_at_all() -> None:
    for data in (b"", b"{}", b"[" * 100_000, b'{"format":2,"features":[]}', b'{"features":[]}', b"x" * (3 * 2**20)):
        with pytest.raises(ValueError, match=r"cannot be read|no feature|bytes"):
            references.decode(data)


def test_lines_of_a_real_log_are_counted() -> None:
    seen = table([b'{"x": 1.5, "w": "a"}'] * 25, b"", Columns())
    found, _ = Counts(Reference(features=(NUMBER, WORD))).add(seen)
    assert (found["x"].counts, found["w"].counts) == ((0, 25, 0), (0, 25, 0, 0))
