"""Databases that are broken, gone or put back: the sequence goes on, and what is lost is told."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from edged.adapters.storage import reserve, salvage
from edged.adapters.storage.schema import open_database
from edged.adapters.store import SqliteStore
from edged.ports import StorageError

from .test_store import NO_BOUND, batch, encode, sequences

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edged.db"


def filled(path: Path, events: int = 2000, acknowledged: int = 500) -> None:
    store = SqliteStore(path)
    store.commit(batch(events, state={"k": b"v"}, retained={"status": b"on"}, intents=(("i", b"a"),)), encode)
    store.acknowledge(acknowledged)
    store.close()


def break_page(path: Path, content: bytes) -> None:
    """Overwrites the page with this content."""
    whole = bytearray(path.read_bytes())
    start = whole.index(content) // PAGE * PAGE
    assert start > 0
    whole[start : start + PAGE] = b"\xa5" * PAGE
    path.write_bytes(whole)


def test_a_file_that_is_no_database(path: Path) -> None:
    filled(path)
    path.write_bytes(b"rubbish" * 5000)
    store = SqliteStore(path)
    assert store.recovered is not None
    assert "edged.db.damaged-" in store.recovered
    assert [file.read_bytes()[:7] for file in path.parent.glob("edged.db.damaged-*")] == [b"rubbish"]
    assert store.boot == 2
    # What was committed in one go took the reserve to 2000. Nothing at or below that may be given out again.
    [(first, last, _count, reason)] = store.trim(0.0, **NO_BOUND)
    assert (first, last, reason) == (1, 2000, "damaged")
    assert store.commit(batch(1), encode) == 2001
    assert store.spool()[0] == 1
    store.close()
    with closing(SqliteStore(path)) as again:
        assert again.recovered is None


def test_one_broken_page_loses_only_what_was_on_it(path: Path) -> None:
    filled(path)
    break_page(path, encode(1500, 1, 0.0, batch(1).events[0][1]))
    store = SqliteStore(path)
    with pytest.raises(StorageError, match="was damaged"):
        sequences(store)  # found while reading; what can be read is in the new file by then
    left = sequences(store)
    [(first, last, count, reason)] = store.trim(0.0, **NO_BOUND)
    assert reason == "damaged"
    assert first <= 1500 <= last
    assert count == last - first + 1 < 30
    assert left == [*range(501, first), *range(last + 1, 2001)]
    assert store.load_state() == {"k": b"v"}
    assert store.open_intents() == [("i", b"a")]
    assert [one.topic for one in store.unsent_retained(9)] == ["status"]
    assert store.boot == 2
    assert store.commit(batch(1), encode) == 2001
    store.acknowledge(2001)
    assert store.spool() == (0, 0)
    store.close()
    store = SqliteStore(path)
    assert store.boot == 3
    store.close()


def test_damage_at_the_end_of_the_log(path: Path) -> None:
    filled(path, events=900, acknowledged=0)
    break_page(path, encode(900, 1, 0.0, batch(1).events[0][1]))
    store = SqliteStore(path)
    left = sequences(store)
    [(first, last, _, reason)] = store.trim(0.0, **NO_BOUND)
    assert left == list(range(1, first))
    assert first <= 900
    assert (last, reason) == (1000, "damaged")  # the reserve: how far it really went is not known
    assert store.commit(batch(1), encode) == 1001
    store.acknowledge(left[-1])
    assert sequences(store) == [1001]
    store.close()


@pytest.mark.parametrize("how", ["deleted", "put back"])
def test_an_older_database_does_not_give_numbers_out_again(path: Path, how: str) -> None:
    filled(path, events=10, acknowledged=10)
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    store = SqliteStore(path)
    for _ in range(30):
        store.commit(batch(100), encode)
    store.close()
    path.unlink()
    if how == "put back":
        backup.rename(path)
    store = SqliteStore(path)
    assert store.recovered is not None
    [(first, last, _, reason)] = store.trim(0.0, **NO_BOUND)
    assert reason == "lost"
    assert first == 11
    assert last >= 3010
    assert store.boot == 3
    assert store.spool() == (0, 0)
    assert store.commit(batch(1), encode) == last + 1
    assert store.spool()[0] == 1
    store.close()


def test_a_replacement_that_was_cut_off_is_completed(path: Path) -> None:
    filled(path)
    fresh = open_database(path.with_name("edged.db.new"))
    fresh.close()
    path.rename(path.with_name("edged.db.damaged-1"))  # … and here the power went
    Path(f"{path}-wal").write_bytes(b"of the old file")
    store = SqliteStore(path)
    assert store.commit(batch(1), encode) == 2001
    store.close()


def test_a_failed_replacement_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    path.write_bytes(b"rubbish" * 5000)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(salvage, "open_database", full)
        with pytest.raises(StorageError, match="disk is full"):
            SqliteStore(path)
    store = SqliteStore(path)
    assert store.commit(batch(1), encode) == 2001
    store.close()


def test_the_reserve_is_always_ahead_and_never_far(path: Path) -> None:
    file = path.with_name("edged.db.reserve")
    store = SqliteStore(path)
    head = 0
    for _ in range(40):
        known = reserve.read(file)
        assert head <= known.sequence <= head + reserve.STEP
        head = store.commit(batch(97), encode)
    store.close()


def test_a_crash_between_reserve_and_commit_is_not_a_loss(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path)
    store.commit(batch(990), encode)

    def no(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edged.adapters.store._write_state", no)
        with pytest.raises(KeyboardInterrupt):
            store.commit(batch(500), encode)
    store._release()
    store = SqliteStore(path)
    assert store.recovered is None
    assert store.commit(batch(1), encode) == 991
    store.close()


def test_a_damaged_reserve_does_not_stop_anything(path: Path) -> None:
    filled(path)
    path.with_name("edged.db.reserve").write_bytes(b"\x00\x00")
    store = SqliteStore(path)
    assert store.recovered is None
    assert store.commit(batch(1), encode) == 2001
    store.close()
