"""Log line, commit, then actions: in that order, and a disk that fails delays no action and loses no order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from edged.adapters.store import SqliteStore
from edged.ports import Batch, StorageError
from edged.report import recorder as module
from edged.report.recorder import Output, Recorder, Sinks
from edged.vocabulary.actions import StartContainer
from edged.vocabulary.events import CommandAnswered, CommandPiece, EdgedStopping, Event
from edged.vocabulary.facts import Fact, StorageSeen

from ..fixtures.broker import until


class FixedClock:
    def now(self) -> float:
        return 1.0

    def wall(self) -> float:
        return 2.0


class Faulty:
    """A store that fails when told to; everything else is the real one's."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.fail, self.batches = store, False, [Batch(wall=0.0, now=0.0)][:0]
        self.stowed: tuple[Batch, int] | None = None

    def commit(self, batch: Batch, encode: Callable[[int, int, float, Event], bytes]) -> int:
        if self.fail:
            raise StorageError("no space left on device")
        self.batches.append(batch)
        return self.store.commit(batch, encode)

    def stow(self, batch: Batch, waiting: int) -> None:
        self.stowed = (batch, waiting)
        self.store.stow(batch, waiting)

    def settle(self) -> None:
        self.store.settle()


class Bench:
    def __init__(self, folder: Path, trouble: str = "") -> None:
        self.store = SqliteStore(folder / "edged.db")
        self.faulty = Faulty(self.store)
        self.log: list[str] = []
        self.posted: list[Fact] = []
        self.tidied = 0
        self.recorder = Recorder(cast(Any, self.faulty), FixedClock(), self.sinks(), trouble)
        self.recorder.start()

    def sinks(self) -> Sinks:
        return Sinks(
            encode=lambda sequence, boot, wall, event: f"{sequence}:{event.subject}".encode(),
            line=lambda event, wall: self.log.append(f"line {event.subject}"),
            act=lambda action: self.log.append(f"act {action.id} after {len(self.faulty.batches)} commits"),
            answer=lambda event: self.log.append(f"answer {event.id}"),
            count=lambda event: self.log.append("count"),
            kick=lambda: self.log.append("kick"),
            post=self.posted.append,
            acknowledge=lambda receipt: self.log.append(f"receipt {receipt}"),
            tidy=self.tidy,
        )

    def tidy(self) -> None:
        self.tidied += 1

    def send(self, *subjects: str, **more: Any) -> None:
        events = tuple(EdgedStopping(subject=s, reason="test") for s in subjects)
        self.recorder.submit(Output(wall=2.0, now=1.0, events=events, **more))
        assert self.recorder.flush(5.0)

    def stored(self) -> list[str]:
        return [row.payload.decode() for row in self.store.history(0.0, (), 10000)]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    one = Bench(tmp_path)
    yield one
    one.recorder.stop(2.0)
    one.store.close()


def test_what_the_run_before_gave_up_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_TIDY", 0.0)  # and not a minute
    one = Bench(tmp_path)
    one.send("first")
    until(lambda: one.tidied == 1, what="it looks")
    one.send("second")
    assert one.tidied == 1
    one.recorder.stop(2.0)
    one.store.close()


def test_that_trouble_of_the_start_is_over_is_told_with_the_first_commit(tmp_path: Path) -> None:
    one = Bench(tmp_path, trouble="it was damaged")
    one.send("first")
    assert [(f.ok, f.error) for f in one.posted if isinstance(f, StorageSeen)] == [(True, "")]
    one.recorder.stop(2.0)
    one.store.close()


ACTION = StartContainer(id="a1", subject="app", reason="r", timeout=1.0, container_id="c")


def test_the_order_is_line_commit_action_answer_kick(bench: Bench) -> None:
    answer = CommandAnswered(subject="app", id="cmd", command="start", origin="me", status="succeeded")
    bench.recorder.submit(
        Output(wall=2.0, now=1.0, events=(answer,), actions=(ACTION,), intents=(("a1", b"{}"),), state={"k": b"v"})
    )
    assert bench.recorder.flush(5.0)
    assert bench.log == ["line app", "count", "act a1 after 1 commits", "answer cmd", "kick"]
    assert bench.store.load_state() == {"k": b"v"} and bench.store.open_intents() == [("a1", b"{}")]


def test_a_full_disk_delays_no_action_and_is_reported_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.0)
    bench.faulty.fail = True
    bench.send("first", actions=(ACTION,))
    bench.send("second")
    assert "act a1 after 0 commits" in bench.log
    assert [(f.ok, f.error) for f in bench.posted if isinstance(f, StorageSeen)] == [(False, "no space left on device")]
    bench.faulty.fail = False
    bench.send("third")
    assert bench.stored() == ["1:first", "2:second", "3:third"]
    assert [f.ok for f in bench.posted if isinstance(f, StorageSeen)] == [False, True]


def test_what_was_committed_before_the_failure_is_not_committed_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.0)
    bench.faulty.fail = True
    for number in range(3):
        # Seconds apart, so that they stay separate batches.
        event = EdgedStopping(subject=str(number), reason="test")
        bench.recorder.submit(Output(wall=10.0 * number, now=1.0, events=(event,)))
        assert bench.recorder.flush(5.0)
    real, calls = bench.store.commit, []

    def fail_at_the_second(batch: Batch, encode: Any) -> int:
        calls.append(batch)
        if len(calls) == 2:
            raise StorageError("again")
        return real(batch, encode)

    bench.faulty.fail = False
    monkeypatch.setattr(bench.store, "commit", fail_at_the_second)
    bench.send("x")
    bench.send("y")
    assert bench.stored() == ["1:0", "2:1", "3:2", "4:x", "5:y"]


def test_memory_is_bounded_while_the_disk_is_full_and_state_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.0)
    monkeypatch.setattr(module, "KEEP_EVENTS", 4)
    bench.faulty.fail = True
    for number in range(10):
        bench.recorder.submit(
            Output(
                wall=10.0 * number,
                now=1.0,
                events=(EdgedStopping(subject=str(number), reason=""),),
                state={str(number): b"s"},
            )
        )
        assert bench.recorder.flush(5.0)
    bench.faulty.fail = False
    bench.send("last")
    # Their numbers are given up, and whoever reads the sequence is told which.
    assert bench.stored() == ["7:6", "8:7", "9:8", "10:9", "11:last"]
    assert bench.store.trim(1.0, 10**9, 1e9, 1e9, 10**9) == [(1, 6, 6, "disk")]
    assert bench.tidied > 0
    assert bench.store.load_state().keys() == {str(n) for n in range(10)}


def test_state_is_stowed_while_the_disk_is_full_and_outlives_a_kill(bench: Bench, tmp_path: Path) -> None:
    bench.send("before", state={"app/a": b"old", "app/b": b"b"})
    bench.faulty.fail = True
    bench.send("one", state={"app/a": b"new", "app/b": b""}, intents=(("a1", b"{}"),), retained={"alert/x": b"hot"})
    bench.send("two", outcomes=(("a1", b"done"),), intents=(("a2", b"{2}"),))
    assert bench.faulty.stowed is not None and bench.faulty.stowed[1] == 2
    bench.store._release()  # as SIGKILL would

    store = SqliteStore(tmp_path / "edged.db")
    try:
        assert store.load_state() == {"app/a": b"new"}
        assert store.open_intents() == [("a2", b"{2}")]
        assert {one.topic: one.payload for one in store.unsent_retained(9)} == {"alert/x": b"hot"}
        told = Batch(wall=2.0, now=1.0, events=(("event", EdgedStopping(subject="after", reason="")),))
        assert store.commit(told, bench.sinks().encode) == 4
        assert store.trim(1.0, 10**9, 1e9, 1e9, 10**9) == [(2, 3, 2, "disk")]
    finally:
        store.close()
    again = SqliteStore(tmp_path / "edged.db")
    assert again.load_state() == {"app/a": b"new"} and again.unsent(0, 9)[-1].payload == b"4:after"
    again.close()


def test_what_was_stowed_is_forgotten_once_it_is_stored(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.0)
    bench.faulty.fail = True
    bench.send("one", state={"k": b"stowed"})
    bench.faulty.fail = False
    bench.send("two")
    bench.send("three", state={"k": b"newer"})
    bench.store._release()
    store = SqliteStore(tmp_path / "edged.db")
    assert store.load_state() == {"k": b"newer"} and store.trim(1.0, 10**9, 1e9, 1e9, 10**9) == []
    store.close()


def test_turns_close_together_are_one_transaction(bench: Bench) -> None:
    bench.faulty.fail = True
    bench.send("a")
    bench.send("b", state={"k": b"1"})
    bench.send("c", state={"k": b"2"})
    bench.faulty.fail = False
    bench.recorder._retry_at = 0.0
    bench.send("d")
    assert len(bench.faulty.batches) == 1 and bench.store.load_state() == {"k": b"2"}
    assert bench.stored() == ["1:a", "2:b", "3:c", "4:d"]


def test_what_only_its_caller_gets_is_neither_stored_nor_logged(bench: Bench) -> None:
    def piece(origin: str) -> CommandPiece:
        return CommandPiece(subject="app", id="cmd", command="logs.get", origin=origin, status="running")

    bench.recorder.submit(Output(wall=2.0, now=1.0, events=(piece("local:uid=1(ann)"), piece("key:ops"))))
    assert bench.recorder.flush(5.0)
    assert bench.log == ["answer cmd", "answer cmd", "kick"]
    assert [row.topic for row in bench.store.history(0.0, (), 10)] == ["res/logs.get/cmd"]


def test_an_order_is_acknowledged_and_begun_only_when_it_outlives_a_restart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(batch: Batch, waiting: int) -> None:
        raise StorageError("no room set aside either")

    bench.send("first", actions=(ACTION,), receipts=(7,))
    assert bench.log.index("receipt 7") < bench.log.index("act a1 after 1 commits")
    bench.faulty.fail = True
    bench.send("second", actions=(replace(ACTION, id="a2"),), receipts=(8,))
    assert "receipt 8" in bench.log and "act a2 after 1 commits" in bench.log, "it was put aside, which is enough"
    monkeypatch.setattr(bench.faulty, "stow", full)
    bench.send("third", actions=(replace(ACTION, id="a3"),), receipts=(9,))
    bench.send("fourth", actions=(replace(ACTION, id="a4"),))
    assert "receipt 9" not in bench.log and not [line for line in bench.log if "act a3" in line]
    assert "act a4 after 1 commits" in bench.log, "edged's own actions go on"
