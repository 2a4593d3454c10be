"""What keeps the past never holds up the present, and is never the end of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edged.adapters import flight_recorder
from edged.adapters.flight_files import FOLDER, contents
from edged.adapters.flight_recorder import FlightRecorder
from edged.adapters.storage.history import RollupStore
from edged.app import past
from edged.app.past import Past
from edged.config import Config
from edged.flight.replay import Count, replay
from edged.flight.segment import Segment
from edged.ports.history import MINUTE
from edged.witness import Turn
from tests.fixtures.broker import until
from tests.flight.recording import Clock, one_run, recorder, walk


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERY", "NOTE_EVERY", "FLUSH_EVERY"):
        monkeypatch.setattr(past, name, 0.02)


def made(folder: Path, runtime: Path | None = None) -> Past:
    clock = Clock()
    bounds = Config().history.recording
    made = FlightRecorder(folder / FOLDER, runtime, clock, 1, lambda: bounds, lambda: "sha256:0")
    return Past(made, RollupStore(folder, runtime), clock, Config)


def feed(one: Past, heard: list[Any]) -> None:
    for now, fact, config, before, judged in heard:
        one.saw(Turn(now, fact, config, before, judged.state, judged.actions, judged.events))


def facts_of(folder: Path) -> Count:
    count = Count()
    list(replay(contents(folder / "flight", None), count))
    return count


def test_facts_and_figures_of_one_run(tmp_path: Path, quick: None) -> None:
    heard = one_run(walk())
    one = made(tmp_path)
    one.start()
    feed(one, heard)
    one.stop(5.0)
    count = facts_of(tmp_path)
    assert count.facts == len(heard) and not count.differing
    kept = {(s.subject, s.metric) for s in made(tmp_path).rollups.rollups(0.0, 4e9, step=MINUTE)}
    assert {("mid", "probe"), ("mid", "memory"), ("host", "memory.share")} <= kept


def test_facts_and_figures_go_to_the_disk_in_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "EVERY", 0.02)
    written: list[str] = []
    one = made(tmp_path)
    finish, flush = one._recorder.finish, one.rollups.flush
    monkeypatch.setattr(one._recorder, "finish", lambda: (finish(), written.append("facts")))
    monkeypatch.setattr(one.rollups, "flush", lambda *bounds: (flush(*bounds), written.append("figures")))
    feed(one, one_run(walk()))
    one.start()
    until(lambda: not one._recorder._seen)
    assert not written  # half an hour is not over
    one._flushed -= past.FLUSH_EVERY
    until(lambda: len(written) == 2)
    assert written == ["facts", "figures"]
    one.stop(5.0)


def test_a_disk_that_hangs_holds_up_nobody(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, released = threading.Event(), threading.Event()

    def hang(*_: Any) -> int:
        reached.set()
        released.wait(20.0)
        return 0

    monkeypatch.setattr("edged.adapters.flight_files.FlightFiles.next", hang)
    monkeypatch.setattr(flight_recorder, "BOUND", 50)
    heard = one_run(walk())
    one = made(tmp_path)
    one.start()
    feed(one, heard[:5])
    assert reached.wait(10.0)
    begun = time.monotonic()
    feed(one, heard[5:])
    one.stop(0.1)
    assert time.monotonic() - begun < 5.0
    assert len(one._recorder._seen) == 50
    released.set()


def test_facts_that_did_not_fit_are_a_gap_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight_recorder, "BOUND", 100)
    heard = one_run(walk())
    one = made(tmp_path)
    feed(one, heard[:150])  # nobody fetches them
    one._recorder.take()
    feed(one, heard[150:200])
    one._recorder.finish()
    segments = [Segment(data) for _, data in contents(tmp_path / "flight", None)]
    assert [segment.head.gap for segment in segments] == [True, True]  # before the first there is nothing at all
    count = facts_of(tmp_path)
    assert count.facts == 150 and not count.differing


def test_a_full_disk_costs_a_segment_and_is_told_once(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard = one_run(walk())
    one = made(tmp_path)
    with monkeypatch.context() as full:
        full.setattr("edged.adapters.flight_files._append", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
        feed(one, heard[:100])
        one._recorder.finish()
    assert [r.message for r in caplog.records if "flight recorder cannot write" in r.message]
    feed(one, heard[100:])
    one._recorder.finish()
    count = facts_of(tmp_path)
    assert count.facts == len(heard) - 100 and not count.differing


def test_a_mistake_in_the_figures_does_not_end_edged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edged.history.minutes.numbers", lambda *_: 1 / 0)
    one = made(tmp_path)
    feed(one, one_run(walk())[:20])
    assert len([r for r in caplog.records if "mistake" in r.message]) == 1


def test_a_mistake_in_the_recorder_costs_a_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard = one_run(walk())
    one = made(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr("edged.flight.packing.Packer.pack", lambda *_: 1 / 0)
        feed(one, heard[:5])
        one._recorder.take()
    one._recorder._seen.clear()
    feed(one, heard[5:])
    one._recorder.finish()
    assert any("mistake" in r.message for r in caplog.records)
    count = facts_of(tmp_path)
    assert count.facts == len(heard) - 5 and not count.differing


@pytest.mark.parametrize("bounds", [{"keep": 40.0}, {"max_size": 30_000}])
def test_it_keeps_to_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bounds: dict[str, float]) -> None:
    monkeypatch.setattr(flight_recorder, "LONGEST", 10.0)
    heard = one_run(walk())
    one = recorder(tmp_path, **bounds)
    one.begin()
    for now, fact, config, before, judged in heard:
        one.saw(Turn(now, fact, config, before, judged.state, judged.actions, judged.events))
    one.finish()
    files = contents(tmp_path, None)
    first, last = Segment(files[0][1]).head.now, heard[-1][0]
    assert len(files) > 1 and heard[0][0] < first
    if "keep" in bounds:
        assert 40.0 <= last - first <= 40.0 + 2 * 10.0 + 5.0
    else:
        assert 10_000 < sum(len(data) for _, data in files) <= 30_000
