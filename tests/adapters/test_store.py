"""The store on a real disk: what is committed is there, whatever happens in between."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edged.adapters.storage import trimming
from edged.adapters.store import SqliteStore
from edged.ports import Batch, StorageError
from edged.vocabulary.events import AlertCleared, EdgedStopping, Event, EventsDropped

DAY = 86_400.0
NO_BOUND = {"spool_size": 2**40, "spool_age": 1e12, "keep": 1e12, "max_size": 2**40}


def encode(sequence: int, boot: int, _wall: float, event: Event) -> bytes:
    return f"{boot}-{sequence} {event.type} ".encode() + b"." * 300


def note(text: str = "x") -> tuple[str, Event]:
    return "event", EdgedStopping(subject="edged", reason=text)


def batch(events: int = 0, now: float = 0.0, wall: float = 1e9, **rest: object) -> Batch:
    return Batch(wall=wall, now=now, events=tuple(note() for _ in range(events)), **rest)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edged.db"


@pytest.fixture
def open_store(path: Path) -> Iterator[Callable[[], SqliteStore]]:
    opened: list[SqliteStore] = []

    def make() -> SqliteStore:
        opened.append(SqliteStore(path))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def crash(store: SqliteStore) -> None:
    """What a SIGKILL leaves: locks and descriptors gone, nothing written at the end."""
    store._release()


def sequences(store: SqliteStore, after: int = 0) -> list[int]:
    return [event.sequence for event in store.unsent(after, 10**6)]


def test_everything_committed_is_there_after_a_crash(open_store: Callable[[], SqliteStore]) -> None:
    store = open_store()
    assert store.boot == 1
    store.commit(
        batch(3, state={"a": b"1", "b": b"2"}, retained={"status": b"on"}, intents=(("i1", b"x"), ("i2", b"y"))), encode
    )
    assert store.commit(batch(1, state={"a": b""}, outcomes=(("i1", b"done"),)), encode) == 4
    crash(store)

    store = open_store()
    assert store.boot == 2
    assert store.load_state() == {"b": b"2"}
    assert store.open_intents() == [("i2", b"y")]
    assert sequences(store) == [1, 2, 3, 4]
    first = store.unsent(0, 1)[0]
    assert (first.boot, first.wall, first.topic) == (1, 1e9, "event")
    assert first.payload.startswith(b"1-1 edged.stopping ")
    assert [(one.topic, one.payload) for one in store.unsent_retained(9)] == [("status", b"on")]
    assert store.recovered is None


def test_nobody_else_can_read_it_and_only_one_can_write(open_store: Callable[[], SqliteStore], path: Path) -> None:
    store = open_store()
    store.commit(batch(1), encode)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    with pytest.raises(StorageError, match="another edged"):
        SqliteStore(path)


def test_what_does_not_change_is_not_written(open_store: Callable[[], SqliteStore], path: Path) -> None:
    store = open_store()
    same = batch(state={"a": b"1"}, retained={"status": b"on"})
    store.commit(same, encode)
    wal = Path(f"{path}-wal")
    before = wal.stat().st_size, wal.stat().st_mtime_ns
    for _ in range(50):
        store.commit(same, encode)
        store.commit(batch(), encode)
        store.acknowledge(0)
        store.trim(0.0, **NO_BOUND)
    assert (wal.stat().st_size, wal.stat().st_mtime_ns) == before


_WRITER = """
import sys
from pathlib import Path
from tests.adapters.test_store import SqliteStore, batch, encode
store = SqliteStore(Path(sys.argv[1]))
while True:
    head = store.commit(batch(3, state={"n": b"x" * 500}), encode)
    store.acknowledge(head - 5)
    print(head, flush=True)
"""


def test_killed_writers_leave_no_gap(open_store: Callable[[], SqliteStore], path: Path) -> None:
    chance = random.Random(7)
    told = 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randrange(1, 60))]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()  # it may have been in the middle of anything
        process.wait()
        process.stdout.close()
        told = int(next(line for line in reversed(lines) if line.endswith(b"\n")))
    store = open_store()
    assert store.boot == 7
    with closing(sqlite3.connect(path)) as db:
        there = [row[0] for row in db.execute("SELECT sequence FROM event ORDER BY sequence")]
    assert there == list(range(1, len(there) + 1))
    assert told <= len(there) <= told + 3
    assert store.commit(batch(1), encode) == len(there) + 1


def test_the_watermark_survives_in_batches(open_store: Callable[[], SqliteStore], path: Path) -> None:
    now = [0.0]
    store = SqliteStore(path, monotonic=lambda: now[0])
    store.commit(batch(1000), encode)
    now[0] = 1.0
    store.acknowledge(150)  # too few to be written at once
    assert sequences(store, after=0)[0] == 151
    assert store.spool()[0] == 850
    crash(store)

    store = SqliteStore(path, monotonic=lambda: now[0])
    assert sequences(store)[0] == 1
    now[0] = 2.0
    store.acknowledge(300)
    store.acknowledge(310)
    crash(store)

    store = SqliteStore(path, monotonic=lambda: now[0])
    assert sequences(store) == list(range(301, 1001))
    store.acknowledge(320)
    now[0] += 600.0
    store.acknowledge(320)  # waited long enough for company
    crash(store)

    store = SqliteStore(path, monotonic=lambda: now[0])
    assert sequences(store)[0] == 321
    store.acknowledge(330)
    store.commit(batch(1), encode)  # goes along with the next commit
    crash(store)
    assert sequences(open_store())[0] == 331


def test_spool_counts_what_a_sum_would(open_store: Callable[[], SqliteStore], path: Path) -> None:
    chance = random.Random(3)
    store = open_store()
    head = through = 0
    for step in range(200):
        head = store.commit(batch(chance.randrange(0, 5), now=float(step)), encode)
        through = min(head, through + chance.randrange(0, 6))
        store.acknowledge(through)
        if step % 40 == 39:
            crash(store)
            store = open_store()
            store.acknowledge(through)
        with closing(sqlite3.connect(path)) as db:
            count, size = db.execute(
                "SELECT count(*), coalesce(sum(length(topic) + length(payload) + 64), 0) FROM event WHERE sequence > ?",
                (through,),
            ).fetchone()
        assert store.spool() == (count, size)


def test_a_full_spool_drops_the_oldest_and_says_which(open_store: Callable[[], SqliteStore]) -> None:
    store = open_store()
    store.commit(batch(1000), encode)
    store.acknowledge(100)
    size = store.spool()[1]
    [(first, last, count, reason)] = store.trim(0.0, **{**NO_BOUND, "spool_size": size // 2})
    assert (first, reason, count) == (101, "size", last - 100)
    assert sequences(store)[0] == last + 1
    assert size * 0.46 < store.spool()[1] <= size * 0.5
    assert store.trim(0.0, **{**NO_BOUND, "spool_size": size // 2}) == []
    crash(store)

    store = open_store()
    assert sequences(store)[0] == last + 1
    # Nobody was told before the crash, so it is told again; and never again once it is in the event log.
    assert store.trim(0.0, **NO_BOUND) == [(first, last, count, reason)]
    told = EventsDropped(subject="edged", first=first, last=last, count=count, reason=reason)
    store.commit(Batch(wall=0.0, now=0.0, events=(("event", told),)), encode)
    crash(store)
    assert open_store().trim(0.0, **NO_BOUND) == []


def test_what_nobody_was_told_of_is_joined(open_store: Callable[[], SqliteStore]) -> None:
    store = open_store()
    for now in range(4):
        store.commit(batch(5, now=now * DAY), encode)
    bounds = {**NO_BOUND, "spool_age": DAY}
    assert [store.trim((now + 1.5) * DAY, **bounds)[0][:2] for now in range(3)] == [(1, 5), (6, 10), (11, 15)]
    store.give_up(16, "refused")
    crash(store)
    store = open_store()
    assert store.trim(0.0, **NO_BOUND) == [(1, 15, 15, "age"), (16, 16, 1, "refused")]


def test_age_is_measured_on_edgeds_own_clock(open_store: Callable[[], SqliteStore]) -> None:
    store = open_store()
    store.commit(batch(10, now=0.0, wall=0.0), encode)  # a wall clock that was not set yet drops nothing
    store.commit(batch(10, now=5 * DAY, wall=2e9), encode)
    bounds = {**NO_BOUND, "spool_age": 30 * DAY}
    assert store.trim(20 * DAY, **bounds) == []
    assert store.trim(30.5 * DAY, **bounds) == [(1, 10, 10, "age")]
    assert store.trim(90 * DAY, **bounds) == [(11, 20, 10, "age")]
    assert store.spool() == (0, 0)
    assert store.commit(batch(1), encode) == 21


def test_history_keeps_acknowledged_events_within_bounds(
    open_store: Callable[[], SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    store.commit(batch(3000, now=0.0), encode)
    store.commit(batch(3000, now=DAY, wall=2e9), encode)
    store.acknowledge(5000)
    bounds = {**NO_BOUND, "keep": 10 * DAY}
    store.trim(5 * DAY, **bounds)
    assert len(store.history(0.0, (), 10_000)) == 6000
    monkeypatch.setattr(trimming, "CHUNKS", 2)
    store.trim(10.5 * DAY, **bounds)
    assert store.history(0.0, (), 10_000)[0].sequence == 2001  # a bounded amount per call
    store.trim(10.5 * DAY, **bounds)
    assert store.history(0.0, (), 10_000)[0].sequence == 3001
    sent_and_unsent = 3000
    whole = trimming.cost("event", encode(4000, 1, 0.0, note()[1])) * 2000
    store.trim(10.5 * DAY, **{**NO_BOUND, "max_size": whole // 2})
    left = store.history(0.0, (), 10_000)
    assert 1900 < len(left) < sent_and_unsent - 1000 + 10
    assert sequences(store) == list(range(5001, 6001))  # what was not sent is the spool's, and stays
    store.acknowledge(6000)
    for _ in range(5):
        store.trim(100 * DAY, **{**NO_BOUND, "keep": 0.0, "max_size": 0})
    crash(store)
    assert open_store().commit(batch(1), encode) == 6001  # the sequence goes on although the log is as good as empty


def test_the_journal_forgets_only_what_ended(open_store: Callable[[], SqliteStore]) -> None:
    store = open_store()
    store.commit(batch(intents=(("open", b"a"),)), encode)
    many = tuple((f"id{n}", b"a") for n in range(1500))
    store.commit(batch(now=1.0, intents=many, outcomes=tuple((name, b"ok") for name, _ in many)), encode)
    store.trim(2.0, **NO_BOUND)
    assert store.open_intents() == [("open", b"a")]
    with store._guard() as db:
        assert db.execute("SELECT count(*) FROM journal").fetchone() == (1001,)


def test_history_by_type_and_time(open_store: Callable[[], SqliteStore]) -> None:
    store = open_store()
    cleared = AlertCleared(subject="a", name="n", severity="info", seconds=1.0, summary="")
    for wall in range(10):
        store.commit(Batch(wall=float(wall), now=0.0, events=(note(), ("event", cleared))), encode)
    found = store.history(5.0, ("alert.cleared",), 3)
    assert [event.wall for event in found] == [7.0, 8.0, 9.0]
    assert len(store.history(5.0, (), 100)) == 10


def test_retained_topics(open_store: Callable[[], SqliteStore]) -> None:
    def unsent() -> dict[str, bytes]:
        return {one.topic: one.payload for one in store.unsent_retained(99)}

    def acknowledge_all() -> None:
        for one in store.unsent_retained(99):
            store.acknowledge_retained(one.topic, one.version)

    store = open_store()
    store.commit(batch(retained={"status": b"on", "alert/a": b"hot", "never/set": b""}), encode)
    assert unsent() == {"status": b"on", "alert/a": b"hot"}
    [status] = [one for one in store.unsent_retained(99) if one.topic == "status"]
    store.commit(batch(retained={"status": b"newer"}), encode)
    store.acknowledge_retained("status", status.version)  # an acknowledgement of the content before
    assert unsent()["status"] == b"newer"
    acknowledge_all()
    store.commit(batch(retained={"status": b"newer"}), encode)
    assert unsent() == {}
    store.forget_retained_acks("status")
    assert unsent() == {"status": b"newer"}
    store.commit(batch(retained={"alert/a": b""}), encode)
    crash(store)

    store = open_store()  # it is not known what the broker has: all of it once more, the clearing too
    assert unsent() == {"status": b"newer", "alert/a": b""}
    acknowledge_all()
    store.forget_retained_acks()
    assert unsent() == {"status": b"newer"}
    store.commit(batch(1), encode)
    crash(store)
    store = open_store()
    assert unsent() == {"status": b"newer"}


def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    ballast = disk / "ballast"
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False
        ).returncode
    )
    store = SqliteStore(disk / "edged.db")
    try:
        if mounted:
            ballast.write_bytes(b"x" * 2**20)
        else:
            with store._guard() as db:
                db.execute("PRAGMA max_page_count=200")
        head = 0
        with pytest.raises(StorageError, match="disk is full"):
            for _ in range(5000):
                head = store.commit(batch(10, state={"n": os.urandom(2000)}), encode)
        assert head > 100
        with pytest.raises(StorageError, match="disk is full"):
            store.commit(batch(500), encode)
        # Meanwhile everything can be read, sent and acknowledged.
        assert sequences(store) == list(range(1, head + 1))
        store.acknowledge(50)
        if mounted:
            ballast.unlink()
        else:
            with store._guard() as db:
                db.execute("PRAGMA max_page_count=100000")
        assert store.commit(batch(10), encode) == head + 10
        assert sequences(store) == list(range(51, head + 11))
    finally:
        store.close()
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def test_a_database_of_the_future_is_refused(open_store: Callable[[], SqliteStore], path: Path) -> None:
    open_store().close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StorageError, match="newer edged"):
        SqliteStore(path)
