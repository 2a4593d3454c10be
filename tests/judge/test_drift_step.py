"""Detectors over whole batches, without any clock but the one given."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from edged.judge.drift.settings import Settings
from edged.judge.drift.step import step
from edged.judge.drift.verdict import Verdict, Verdicts
from edged.vocabulary.drift import Batch, FeatureCounts, FeatureReference, Reference
from edged.vocabulary.drift_state import DriftState, packed, unpacked
from tests.evaluation.streams import MOVED, Device, noise, shifted

SETTINGS = Settings(false_alarms_per_month=1.0)


class Rig:
    def __init__(self, rho: float = 0.0, seed: int = 1) -> None:
        self.device = Device(np.random.default_rng(seed), rho)
        self.state = DriftState()
        self.now = 0.0
        self.verdicts: Verdicts

    def feed(self, values: Any, gaps: Any, each: int = 100, **changed: Any) -> None:
        for begin in range(0, len(values), each):
            batch = self.device.batch(values[begin : begin + each], gaps[begin : begin + each])
            self.batch(replace(batch, **changed))

    def batch(self, batch: Batch) -> None:
        self.now += batch.seconds
        self.state, self.verdicts = step(self.state, self.device.reference, batch, SETTINGS, self.now)

    def calm(self, rows: int, each: int = 100) -> None:
        self.feed(noise(self.device.rng, rows, self.device.rho), self.device.gaps(rows), each)

    def spoilt(self, rows: int, **fields: Any) -> None:
        """Rows of which the counts of one feature are changed by hand."""
        for _ in range(rows // 100):
            batch = self.device.batch(noise(self.device.rng, 100, 0.0), self.device.gaps(100))
            name = f"x{MOVED}"
            self.batch(replace(batch, features=batch.features | {name: replace(batch.features[name], **fields)}))

    def of(self, at: int) -> Verdict:
        return self.verdicts.features[at]


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_nothing_is_said_of_rows_like_the_reference(rho: float) -> None:
    rig = Rig(rho)
    rig.calm(8000)
    assert rig.verdicts.windows == 8
    assert not rig.verdicts.drifted
    assert not any(one.problems for one in rig.verdicts.features)
    assert rig.state.rate == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("kind", "direction", "within"),
    [("mean", "up", 200), ("variance", "wider", 400), ("category", "more c", 800), ("ramp", "up", 2500)],
)
def test_a_change_is_seen_where_it_is_and_called_what_it_is(kind: Any, direction: str, within: int) -> None:
    rig = Rig()
    values, gaps, at = shifted(rig.device, kind, 3000, within)
    rig.feed(values[:3000], gaps[:3000])
    assert not rig.verdicts.drifted
    rig.feed(values[3000:], gaps[3000:])
    assert rig.verdicts.top == (f"x{at}",)
    assert rig.of(at).direction == direction
    assert rig.of(at).since is not None
    assert 30_000.0 < (rig.of(at).since or 0.0) <= rig.now


@pytest.mark.parametrize("seed", range(6))
def test_no_later_chart_takes_the_direction_away(seed: int) -> None:
    """Of a shift up all of the other charts fire sooner or later, and none of them knows better."""
    rig = Rig(seed=seed)
    rig.calm(3000)
    values = noise(rig.device.rng, 3000, 0.0)
    values[:, MOVED] += 1.5
    gaps = np.zeros_like(values, dtype=np.bool_)
    said = set()
    for begin in range(0, 3000, 10):
        rig.feed(values[begin : begin + 10], gaps[begin : begin + 10], each=10)
        said.add((rig.of(MOVED).drifted, rig.of(MOVED).direction))
    assert said == {(False, ""), (True, "up")}
    assert rig.of(MOVED).why.startswith("up within ")


@pytest.mark.parametrize("seed", [2, 4, 5])  # with these, the fourth window as a whole is a wider one
def test_a_window_that_the_change_came_late_in_does_not_know_better(seed: int) -> None:
    rig = Rig(seed=seed)
    rig.calm(3860, each=10)
    values = noise(rig.device.rng, 140, 0.0)
    values[:, MOVED] += 3.0
    rig.feed(values, np.zeros_like(values, dtype=np.bool_), each=10)
    assert rig.verdicts.windows == 4
    assert (rig.of(MOVED).drifted, rig.of(MOVED).direction) == (True, "up")


def test_the_direction_is_that_of_now() -> None:
    rig = Rig()
    rig.calm(3000)
    for shift, direction in ((1.5, "up"), (-1.5, "down")):
        values = noise(rig.device.rng, 2000, 0.0)
        values[:, MOVED] += shift
        rig.feed(values, np.zeros_like(values, dtype=np.bool_))
        assert (rig.of(MOVED).drifted, rig.of(MOVED).direction) == (True, direction)


@pytest.mark.parametrize("each", [30, 1000])
def test_the_strongest_evidence_names_the_change_whatever_fires_first(each: int) -> None:
    named = []
    for seed in range(12):
        rig = Rig(seed=seed)
        values, gaps, at = shifted(rig.device, "variance", 3000, 990)
        rig.feed(values[:3000], gaps[:3000])
        for begin in range(3000, 3990, each):
            rig.feed(values[begin : begin + each], gaps[begin : begin + each], each=each)
            if rig.of(at).drifted:
                named.append(rig.of(at).direction)
                break
    assert len(named) == 12 and named.count("wider") >= 11


def test_drift_is_over_when_windows_are_as_before() -> None:
    rig = Rig()
    values, gaps, at = shifted(rig.device, "mean", 3000, 3000)
    rig.feed(values, gaps)
    moved = rig.of(at)
    assert moved.drifted
    assert moved.psi == pytest.approx(1.0, abs=0.35)
    assert moved.wasserstein == pytest.approx(1.0, abs=0.2)
    assert moved.kolmogorov_smirnov == pytest.approx(0.38, abs=0.08)
    assert moved.p < 1e-20
    assert sum(moved.after) == pytest.approx(1.0)
    assert moved.after[-1] > 2.0 * moved.before[-1]
    rig.calm(5000)
    assert not rig.verdicts.drifted
    assert rig.of(at).why == ""


def test_windows_find_what_no_chart_looks_out_for() -> None:
    rig = Rig()
    values, gaps = noise(rig.device.rng, 7000, 0.0), rig.device.gaps(7000)
    column = values[3000:, MOVED]
    column[np.abs(column) < 0.25] = 0.7  # a hole in the middle; mean and width stay about the same
    rig.feed(values, gaps)
    assert rig.of(MOVED).drifted
    assert "distribution in 2 of the last 3 windows" in rig.of(MOVED).why or "within" in rig.of(MOVED).why


def test_a_shuffled_reference_does_not_hide_autocorrelation() -> None:
    rig = Rig(0.9)
    features = tuple(replace(one, autocorrelation=0.0) for one in rig.device.reference.features)
    rig.device.reference = replace(rig.device.reference, features=features)
    rig.calm(20_000)
    assert not rig.verdicts.drifted


def test_how_rows_are_cut_into_batches_changes_nothing() -> None:
    whole, parts = Rig(), Rig()
    whole.calm(5000, each=1000)
    parts.calm(5000, each=50)
    assert whole.verdicts == parts.verdicts
    for name, one in whole.state.features.items():
        for a, b in zip(unpacked(one.sums), unpacked(parts.state.features[name].sums), strict=True):
            assert (a.sum, a.limit, a.inflation) == pytest.approx((b.sum, b.limit, b.inflation))


def test_the_state_goes_through_bytes_and_is_small() -> None:
    rig, other = Rig(), Rig()
    rig.calm(2500)
    kept = msgspec.json.encode(rig.state)
    assert len(kept) <= 4096 * len(rig.state.features)
    other.state = msgspec.json.decode(kept, type=DriftState)
    assert other.state == rig.state
    other.now = rig.now
    values = noise(rig.device.rng, 1000, 0.0)
    for one in (rig, other):
        one.feed(values, np.zeros_like(values, dtype=np.bool_))
    assert other.verdicts == rig.verdicts


def test_charts_of_another_version_begin_anew() -> None:
    rig = Rig()
    rig.calm(1500)
    fewer = {name: replace(one, sums=packed(unpacked(one.sums)[:2])) for name, one in rig.state.features.items()}
    fewer["x0"] = replace(fewer["x0"], sums=fewer["x0"].sums + b"?")
    rig.state = replace(rig.state, features=fewer)
    rig.calm(2500)
    assert all(len(unpacked(one.sums)) >= 5 for one in rig.state.features.values())
    assert not rig.verdicts.drifted


def test_more_missing_values_are_a_problem_of_the_data_not_drift() -> None:
    rig = Rig()
    values, gaps, at = shifted(rig.device, "missing", 3000, 2000)
    rig.feed(values, gaps)
    assert rig.of(at).problems == ("missing",)
    assert rig.of(at).missing_ratio == pytest.approx(0.2, abs=0.05)
    assert not rig.of(at).drifted
    rig.calm(2000)
    assert rig.of(at).problems == ()


@pytest.mark.parametrize(
    ("fields", "problem"), [({"infinite": 1}, "infinite"), ({"outside": 5}, "outside"), ({"longest_run": 90}, "stuck")]
)
def test_problems_of_the_data_have_names_and_an_end(fields: dict[str, int], problem: str) -> None:
    rig = Rig()
    rig.calm(2000)
    rig.spoilt(1000, **fields)
    assert rig.of(MOVED).problems == (problem,)
    assert sum(len(one.problems) for one in rig.verdicts.features) == 1
    rig.calm(1000)
    assert rig.of(MOVED).problems == ()


def test_another_rate_of_rows_and_new_columns_are_told() -> None:
    rig = Rig()
    rig.calm(3000)
    values = noise(rig.device.rng, 1000, 0.0)
    gaps = np.zeros_like(values, dtype=np.bool_)
    rig.feed(values, gaps, seconds=4000.0, unknown=("humidity",))
    assert rig.verdicts.problems == ("fewer rows", "unknown column humidity")
    rig.calm(4000)
    assert "unknown column humidity" not in rig.verdicts.problems


def test_a_burst_of_rows_is_not_what_is_usual_from_then_on() -> None:
    rig = Rig()
    rig.calm(20_000, each=1000)
    values = noise(rig.device.rng, 1000, 0.0)
    rig.feed(values, np.zeros_like(values, dtype=np.bool_), each=1000, seconds=1.0)
    assert rig.verdicts.problems == ("more rows",)
    assert 0.1 < rig.state.rate < 0.11
    rig.calm(1000)
    assert rig.verdicts.problems == ()


def test_rows_of_which_nobody_knows_how_long_they_took_say_nothing_of_the_rate() -> None:
    rig = Rig()
    values = noise(rig.device.rng, 900, 0.0)
    rig.feed(values, np.zeros_like(values, dtype=np.bool_), seconds=0.0)
    rig.calm(2100)
    assert rig.state.rate == pytest.approx(0.1) and rig.verdicts.problems == ()


def test_another_rate_becomes_usual_in_time() -> None:
    rig = Rig()
    rig.calm(20_000, each=1000)
    for _ in range(40):
        values = noise(rig.device.rng, 1000, 0.0)
        rig.feed(values, np.zeros_like(values, dtype=np.bool_), each=1000, seconds=2000.0)
    assert rig.verdicts.problems == () and 0.4 < rig.state.rate <= 0.5


@pytest.mark.parametrize("n", [500, 20_000])
def test_a_constant_does_not_become_narrower_and_is_seen_when_it_moves(n: int) -> None:
    one = FeatureReference(name="x", kind="numeric", edges=(1.0, 1.1), shares=(0.0, 1.0, 0.0), low=1.0, high=1.0, n=n)
    reference, state = Reference(features=(one,), rows=n), DriftState()
    for counts in ((0, 10, 0),) * 300 + ((0, 8, 2),):
        counted = FeatureCounts(counts=tuple(100 * number for number in counts), runs=((*counts, 0),) * 100)
        state, verdicts = step(state, reference, Batch(rows=1000, seconds=1e4, features={"x": counted}), SETTINGS, 0.0)
        assert verdicts.drifted == (counts[2] > 0)
    assert verdicts.features[0].direction in ("up", "wider")


def test_a_feature_that_is_not_there_is_absent() -> None:
    rig = Rig()
    rig.calm(1000)
    values = noise(rig.device.rng, 1000, 0.0)
    gaps = np.zeros_like(values, dtype=np.bool_)
    gaps[:, MOVED] = True
    rig.feed(values, gaps)
    assert "absent" in rig.of(MOVED).problems
    assert not rig.of(MOVED).drifted
