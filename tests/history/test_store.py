"""History on disk: what is read is what was measured, within bounds, over crashes and damage."""

from __future__ import annotations

import random
import sqlite3
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from edged.adapters.storage.history import NAME, NEWEST, RollupStore
from edged.history.blocks import merged, pack, unpack
from edged.history.minutes import Span
from edged.ports import StorageError
from edged.ports.history import HOUR, MINUTE, Point, Series

BEGIN = 1_790_000_000 // HOUR * HOUR
KEEP, SIZE = 35 * 86400.0, 64 * 2**20


def point(begin: int, value: float, count: int = 12) -> Point:
    return Point(begin, count, value / 2, value, value * 2, value)


def span(begin: int, value: float = 1.0, step: int = MINUTE, subject: str = "a", metric: str = "memory") -> Span:
    return step, begin, {(subject, metric): point(begin, value)}


def flushed(folder: Path, spans: list[Span], now: float = 0.0, size: int = SIZE) -> RollupStore:
    store = RollupStore(folder, None)
    store.add(spans, ())
    store.flush(now, KEEP, size)
    store.close()
    return store


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=4), st.sampled_from(["memory", "requests", "state.down"])),
        st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1e12)), min_size=1, max_size=9, unique_by=lambda x: x[0]),
        min_size=1,
        max_size=5,
    )
)
def test_blocks_keep_gauges_to_four_digits_and_amounts_to_seven(
    rows: dict[tuple[str, str], list[tuple[int, float]]],
) -> None:
    series = {
        key: [point(BEGIN + MINUTE * offset, value) for offset, value in sorted(values)] for key, values in rows.items()
    }
    found = unpack(MINUTE, pack(MINUTE, series))
    assert found.keys() == series.keys()
    for (_, metric), points in found.items():
        digits = 1e-4 if metric == "memory" else 1e-6
        for seen, real in zip(points, series[_, metric], strict=True):
            assert seen.begin == real.begin and seen.count == real.count
            assert astuple(seen)[2:] == pytest.approx(astuple(real)[2:], rel=digits, abs=1e-30)


@pytest.mark.parametrize(
    "data", [b"", b"x", zlib.compress(b"x"), zlib.compress(b"\x92\x00\x91\x94\xa1a\xa1b\x91\x00\xc4\x01x")]
)
def test_a_damaged_block_says_so(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack(MINUTE, data)


def test_parts_of_one_minute_are_added_up() -> None:
    assert merged([Point(0, 1, 5.0, 5.0, 5.0, 5.0), Point(60, 1, 1, 1, 1, 1), Point(0, 3, 1.0, 1.0, 1.0, 1.0)]) == (
        Point(0, 4, 1.0, 2.0, 5.0, 1.0),
        Point(60, 1, 1, 1, 1, 1),
    )


def test_it_is_read_by_time_subject_metric_and_step(tmp_path: Path) -> None:
    spans = [span(BEGIN + MINUTE * n, float(n + 1)) for n in range(40)]
    spans += [span(BEGIN, 7.0, HOUR), span(BEGIN, 3.0, subject="b"), span(BEGIN, 0.5, metric="disk.share:/")]
    store = flushed(tmp_path, spans)
    (series,) = list(store.rollups(BEGIN + 60, BEGIN + 180, subject="a", metric="memory", step=MINUTE))
    assert series.points == (point(BEGIN + 60, 2.0), point(BEGIN + 120, 3.0))
    assert [(s.subject, s.metric) for s in list(store.rollups(0, BEGIN + HOUR, step=MINUTE))] == [
        ("a", "disk.share:/"),
        ("a", "memory"),
        ("b", "memory"),
    ]
    assert list(store.rollups(0, BEGIN + 1)) == [Series("a", "memory", HOUR, (point(BEGIN, 7.0),))]
    assert [s.metric for s in list(store.rollups(0, BEGIN + 1, metric="disk.share", step=MINUTE))] == ["disk.share:/"]
    assert not list(store.rollups(0, BEGIN, step=MINUTE))


def test_what_is_not_written_yet_is_read_too(tmp_path: Path) -> None:
    store = flushed(tmp_path, [span(BEGIN)])
    store.add([span(BEGIN + 60, 2.0)], [span(BEGIN + 120, 3.0), span(BEGIN, 9.0, HOUR)])
    (series,) = list(store.rollups(BEGIN, BEGIN + HOUR, step=MINUTE))
    assert [p.mean for p in series.points] == [1.0, 2.0, 3.0]
    assert next(iter(store.rollups(BEGIN, BEGIN + HOUR))).points[0].mean == 9.0


def test_another_process_reads_while_it_is_written(tmp_path: Path) -> None:
    flushed(tmp_path, [span(BEGIN)])
    assert list(RollupStore(tmp_path, None).rollups(0, BEGIN + HOUR, step=MINUTE))
    assert list(RollupStore(tmp_path / "nothing", None).rollups(0, BEGIN + HOUR, step=MINUTE)) == []


def test_a_crash_loses_nothing_that_was_noted(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    store = RollupStore(tmp_path, runtime)
    store.recover(0.0)
    store.add([span(BEGIN), span(BEGIN + 60, 2.0)], [span(BEGIN + 120, 3.0)])
    store.note()

    again = RollupStore(tmp_path, runtime)
    again.recover(1.0)
    (series,) = list(again.rollups(0, BEGIN + HOUR, step=MINUTE))
    assert [p.mean for p in series.points] == [1.0, 2.0, 3.0]
    assert not (runtime / NEWEST).exists()
    store.close()
    again.close()


def test_what_was_written_is_not_taken_twice(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    store = RollupStore(tmp_path, runtime)
    store.recover(0.0)
    store.add([span(BEGIN)], ())
    store.note()
    store.flush(1.0, KEEP, SIZE)  # and edged ends before the note is renewed
    again = RollupStore(tmp_path, runtime)
    again.recover(1.0)
    (series,) = list(again.rollups(0, BEGIN + HOUR, step=MINUTE))
    assert series.points == (point(BEGIN, 1.0),)
    store.close()
    again.close()


def test_minutes_go_after_a_week_and_hours_after_their_time(tmp_path: Path) -> None:
    day = 86400.0
    for n in range(60):
        flushed(tmp_path, [span(BEGIN + n * 86400), span(BEGIN + n * 86400, 1.0, HOUR)], now=n * day)
    store = RollupStore(tmp_path, None)
    assert 8 <= len(next(iter(store.rollups(0, 4e9, step=MINUTE))).points) <= 9
    assert 35 <= len(next(iter(store.rollups(0, 4e9, step=HOUR))).points) <= 36


def test_beyond_its_size_minutes_go_first(tmp_path: Path) -> None:
    rng = random.Random(1)
    for n in range(200):
        spans = [
            (step, BEGIN + n * 900, {("a", f"m{m}"): point(BEGIN + n * 900, rng.random()) for m in range(100)})
            for step in (MINUTE, HOUR)
        ]
        flushed(tmp_path, spans, now=float(n), size=300_000)
    store = RollupStore(tmp_path, None)
    assert (tmp_path / NAME).stat().st_size < 450_000
    minutes = list(store.rollups(0, 4e9, step=MINUTE))
    assert len(next(iter(store.rollups(0, 4e9, step=HOUR))).points) > (len(minutes[0].points) if minutes else 0)


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    flushed(tmp_path, [span(BEGIN)])
    (tmp_path / NAME).write_bytes(b"no database at all, " * 1000)
    store = RollupStore(tmp_path, None)
    store.add([span(BEGIN + 60)], ())
    with pytest.raises(StorageError):
        store.flush(0.0, KEEP, SIZE)
    store.flush(0.0, KEEP, SIZE)
    assert next(iter(store.rollups(0, 4e9, step=MINUTE))).points == (point(BEGIN + 60, 1.0),)
    assert (tmp_path / "history.damaged").exists()
    store.close()


def test_a_full_disk_loses_nothing_that_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RollupStore(tmp_path, None)
    store.add([span(BEGIN)], ())
    with monkeypatch.context() as patch:
        patch.setattr(store, "_opened", lambda: (_ for _ in ()).throw(sqlite3.OperationalError("full")))
        with pytest.raises(StorageError):
            store.flush(0.0, KEEP, SIZE)
    store.flush(0.0, KEEP, SIZE)
    assert list(store.rollups(0, 4e9, step=MINUTE))
    store.close()
