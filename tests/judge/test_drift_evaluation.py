"""A small run of ``scripts/evaluate-drift``: the parts it is made of, on few rows."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from math import inf
from pathlib import Path

import numpy as np
import pytest

from edged.judge.drift.settings import Settings, rows_between_alarms
from tests.bench.drift import kept, lines_of
from tests.evaluation import others, ours, series
from tests.evaluation.compare import shift_of
from tests.evaluation.streams import MONTH_ROWS


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_false_alarms_are_as_rare_as_asked(rho: float) -> None:
    # Asked for forty a month, so that half a month tells something: 20 are expected, 2 x that is the bar.
    found = sum(ours.month(7, rho, 40.0, MONTH_ROWS // 2).values())
    assert 5 <= found <= 40


def test_a_shift_of_one_standard_deviation_is_found_fast() -> None:
    found = shift_of([ours.delay(seed, "mean", 0.0, 1.0) for seed in range(8)])
    assert found.found == 1.0
    assert found.median <= 150.0


def test_a_looser_river_raises_more_alarms() -> None:
    for name in ("ADWIN", "PageHinkley, tuned"):
        make, ladder, _ = others.RIVER[name]
        values = np.random.default_rng(3).standard_normal(20_000).tolist()
        assert others.alarms(make, ladder[0], values) > others.alarms(make, ladder[12], values)


def test_calibration_is_stricter_for_rarer_alarms() -> None:
    name = "PageHinkley, tuned"
    rare, often = (others.calibrated(name, 0.0, asked, 100_000, 1) for asked in (1.0, 100.0))
    assert often < rare < inf


def test_the_quick_test_of_kswin_is_scipys() -> None:
    rng = np.random.default_rng(4)
    from scipy import stats

    for _ in range(20):
        a, b = rng.standard_normal(30).tolist(), (rng.standard_normal(30) + 0.7).tolist()
        expected = stats.ks_2samp(a, b)
        distance, p = others._QuickTest.ks_2samp(a, b)
        assert distance == pytest.approx(expected.statistic)
        assert p == pytest.approx(expected.pvalue, rel=1e-6)


def test_what_needs_no_data_fires_always_or_never() -> None:
    assert shift_of([others.SIMPLE["never"](1, "mean", 0.0)]).found == 0.0
    assert 0.0 < (others.SIMPLE["always"](1, "mean", 0.0) or 0.0) <= 1000.0


def test_a_labelled_series_is_read_and_judged(tmp_path: Path) -> None:
    begin = datetime(2024, 1, 1)
    values = np.random.default_rng(5).standard_normal(6000)
    values[4000:4600] += 3.0
    rows = [f"{begin + timedelta(minutes=5 * at)},{value}" for at, value in enumerate(values)]
    path = tmp_path / "made.csv"
    path.write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    span = [str(begin + timedelta(minutes=5 * at)) for at in (3990, 4610)]
    (tmp_path / "windows.json").write_text(json.dumps({"made.csv": [span]}))
    result = series.run(path, 1.0)
    assert (result.labelled, result.found, result.false) == (1, 1, 0)
    assert result.months == pytest.approx(5100 * 300 / (30 * 86400), rel=0.01)


def test_more_charts_each_wait_longer() -> None:
    settings = Settings(false_alarms_per_month=1.0)
    assert rows_between_alarms(settings, 0.1, 200) == pytest.approx(2.0 * rows_between_alarms(settings, 0.1, 100))


@pytest.mark.parametrize("labels", [0, 5])
def test_a_feature_takes_four_kilobytes_at_most(labels: int) -> None:
    assert kept(lines_of(random.Random(1), 12_000, labels)) <= 4096.0
