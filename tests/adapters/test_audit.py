"""The chain of the audit on a real disk: whole after every crash, and whoever touches it is found out."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edged.adapters.storage import audit as module
from edged.adapters.storage.audit import read_stopped
from edged.adapters.storage.schema import MIGRATIONS, open_database
from edged.adapters.store import SqliteStore
from edged.audit import GENESIS, Entry, Head, Span, Verdict, content, entry_line, link, parse_head, parse_line, verify
from edged.ports import Batch, StorageError
from edged.report.audit import record
from edged.vocabulary.events import AppChanged, CommandAnswered, CommandsRefused, Event

from .test_store import NO_BOUND, crash, encode
from .test_store_damage import break_page


def done(number: int) -> Event:
    return CommandAnswered(
        subject="worker", id=f"id-{number}", command="restart", origin="key:ops", status="succeeded", message="it is up"
    )


def forged(count: int = 1) -> Event:
    return CommandsRefused(subject="edged", code="bad_signature", count=count)


def batch(*events: Event, now: float = 0.0, **more: object) -> Batch:
    return Batch(wall=1.8e9 + now, now=now, events=tuple(("event", event) for event in events), **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edged.db"


@pytest.fixture
def open_store(path: Path) -> Iterator[Callable[[], SqliteStore]]:
    opened: list[SqliteStore] = []

    def make() -> SqliteStore:
        opened.append(SqliteStore(path, audited=record))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def fill(path: Path, count: int) -> Head:
    store = SqliteStore(path, audited=record)
    for number in range(1, count + 1):
        store.commit(batch(done(number)), encode)
    store.close()
    return store.audit_head()


def parts(path: Path) -> list[Span | Entry]:
    span, entries = read_stopped(path, 0, 10**6)
    return [span, *entries]


def check(path: Path, *noted: Head, since: int = 0) -> Verdict:
    return verify(parts(path), noted, since)


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def faults(path: Path, *noted: Head) -> list[int]:
    return [fault.number for fault in check(path, *noted).faults]


def test_records_are_chained_and_tell_of_their_event(open_store: Callable[[], SqliteStore], path: Path) -> None:
    store = open_store()
    assert store.audit_head() == Head(0, GENESIS.hex())
    store.commit(batch(AppChanged(subject="a", old="x", new="y", reason="z"), done(1), done(2)), encode)
    span, entries = store.audit_page(0, 10)
    assert [entry.number for entry in entries] == [1, 2]
    assert entries[0].hash == link(GENESIS, entries[0].record) and entries[1].hash == link(
        entries[0].hash, entries[1].record
    )
    assert content(entries[1]) == {
        "number": 2,
        "time": "2027-01-15T08:00:00.000Z",
        "boot": 1,
        "sequence": 3,
        "what": "command",
        "status": "succeeded",
        "id": "id-2",
        "command": "restart",
        "subject": "worker",
        "origin": "key:ops",
        "message": "it is up",
    }
    assert span.head == store.audit_head() == Head(2, entries[1].hash.hex())
    assert store.audit_page(1, 10)[1] == entries[1:] and store.audit_page(0, 1)[1] == entries[:1]
    assert check(path).ok


def test_it_goes_on_after_a_restart_and_after_a_crash(open_store: Callable[[], SqliteStore], path: Path) -> None:
    store = open_store()
    store.commit(batch(done(1)), encode)
    crash(store)
    store = open_store()
    store.commit(batch(done(2)), encode)
    store.close()
    open_store().commit(batch(done(3)), encode)
    verdict = check(path)
    assert verdict.ok and (verdict.first, verdict.last, verdict.count) == (1, 3, 3)
    assert [content(part)["boot"] for part in parts(path) if isinstance(part, Entry)] == [1, 2, 3]


def test_a_record_that_is_too_long_keeps_what_counts(open_store: Callable[[], SqliteStore], path: Path) -> None:
    huge = {"args": {"why": "x" * 5000}, "key": "ops"}
    store = open_store()
    rejected = CommandAnswered(
        subject="a", id="i", command="stop", origin="key:ops", status="rejected", reason="busy", request=huge
    )
    store.commit(batch(rejected), encode)
    ((_, kept),) = [parts(path)]
    assert isinstance(kept, Entry) and len(kept.record) < 500 and check(path).ok
    told = content(kept)
    assert (told["code"], told["count"], told["id"]) == ("busy", 1, "i") and told["cut"] > 5000


def test_a_turn_without_commands_costs_nothing(open_store: Callable[[], SqliteStore], path: Path) -> None:
    store = open_store()
    store.commit(batch(done(1)), encode)
    with closing(sqlite3.connect(path)) as db:
        before = db.execute("SELECT * FROM audit_mark").fetchall()
        store.commit(batch(AppChanged(subject="a", old="x", new="y", reason="z")), encode)
        assert db.execute("SELECT * FROM audit_mark").fetchall() == before
    assert store.audit_head().number == 1


def test_a_failed_commit_leaves_no_trace(open_store: Callable[[], SqliteStore], path: Path) -> None:
    store = open_store()
    store.commit(batch(done(1)), encode)
    tamper(path, "CREATE TRIGGER full BEFORE UPDATE ON audit_mark BEGIN SELECT RAISE(ABORT, 'no room'); END")
    with pytest.raises(StorageError, match="no room"):
        store.commit(batch(done(2)), encode)
    assert store.audit_head().number == 1
    tamper(path, "DROP TRIGGER full")
    assert store.commit(batch(done(2)), encode) == 2
    assert check(path).ok and store.audit_head().number == 2


@pytest.mark.parametrize(
    ("statements", "where"),
    [
        (["UPDATE audit SET record=replace(record, 'worker', 'victim') WHERE number=4"], [4]),
        (["UPDATE audit SET hash=zeroblob(32) WHERE number=4"], [4, 5]),
        (["UPDATE audit SET record='' WHERE number=4"], [4]),
        (["UPDATE audit SET record=x'ff0a', hash='no' WHERE number=4"], [4, 5]),
        (["DELETE FROM audit WHERE number=4"], [4]),
        (["DELETE FROM audit WHERE number BETWEEN 3 AND 6"], [3]),
        (["DELETE FROM audit WHERE number<4"], [1]),
        (["DELETE FROM audit WHERE number>7"], [8]),
        (["DELETE FROM audit"], [1]),
        (["UPDATE audit SET number=-n FROM (SELECT number AS n FROM audit) WHERE number=n AND number IN (4, 5)",
          "UPDATE audit SET number=9+number WHERE number IN (-4, -5)"], [4, 5, 6]),
        (["UPDATE audit SET number=11 WHERE number=4"], [4, 11, 11]),
        (["INSERT INTO audit SELECT 11, size, hash, record FROM audit WHERE number=10"], [11, 11]),
        (["UPDATE audit SET size='x'", "DELETE FROM audit WHERE number=4"], [4]),
        (["DELETE FROM audit_mark"], [1]),
        (["UPDATE audit_mark SET hash=zeroblob(32)"], [10]),
    ],
)  # fmt: skip
def test_whoever_touches_it_is_found_out(
    open_store: Callable[[], SqliteStore], path: Path, statements: list[str], where: list[int]
) -> None:
    fill(path, 10)
    assert check(path).ok
    tamper(path, *statements)
    assert faults(path) == where
    # Nor does it heal when edged goes on.
    open_store().commit(batch(done(99)), encode)
    assert not check(path).ok


def test_nonsense_in_its_tables_does_not_keep_edged_from_starting(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    fill(path, 3)
    tamper(path, "UPDATE audit_mark SET number='x', hash='y'", "UPDATE audit SET size='x', hash=7, record=8.5")
    assert not check(path).ok
    assert open_store().commit(batch(done(4)), encode) == 4
    assert not check(path).ok


def remake(path: Path, upto: int, *, drop: int = 0) -> None:
    """Somebody who knows edged well makes the whole chain anew, up to some record, without another."""
    digest, number = GENESIS, 0
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        rows = db.execute("SELECT number, record FROM audit ORDER BY number").fetchall()
        db.execute("DELETE FROM audit")
        for old, text in rows[:upto]:
            if old == drop:
                continue
            number += 1
            text = text.replace(b'"number":%d,' % old, b'"number":%d,' % number)
            digest = link(digest, text)
            db.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", (number, 0, digest, text))
        db.execute("UPDATE audit_mark SET number=?, hash=? WHERE name='head'", (number, digest))


def test_a_chain_that_was_made_anew_is_found_out_by_a_noted_head(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    head = fill(path, 10)
    short = parse_head(head.short)
    assert check(path, head, short).ok
    remake(path, 10, drop=4)
    assert check(path).ok, "the chain alone cannot tell"
    assert faults(path, head) == [10] and faults(path, short) == [10]
    store = open_store()
    for number in range(5):
        store.commit(batch(done(number)), encode)
    assert faults(path, head) == [10] and "made anew" in check(path, head).faults[0].what


def test_a_tail_cut_off_together_with_its_mark_is_found_out_by_a_noted_head(path: Path) -> None:
    head = fill(path, 10)
    remake(path, 7)
    assert check(path).ok and faults(path, head) == [10]
    assert faults(path, Head(7, "0" * 64)) == [7]


@pytest.mark.parametrize("bound", ["MOST", "MOST_BYTES"])
def test_the_oldest_are_removed_and_the_chain_is_checked_from_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(module, "ROUND", 10)
    monkeypatch.setattr(module, bound, 50 if bound == "MOST" else 50 * 210)
    early = fill(path, 5)
    head = fill(path, 200)
    verdict = check(path, head)
    assert verdict.ok and verdict.last == 205
    assert 30 <= verdict.count <= 60 and verdict.removed == verdict.first - 1 > 140
    anchor = parts(path)[0]
    assert isinstance(anchor, Span) and check(path, anchor.anchor).ok
    assert "removed by age" in check(path, early).faults[0].what, "it cannot be proven any more"
    tamper(path, f"DELETE FROM audit WHERE number={verdict.first}")
    assert faults(path) == [verdict.first]


def test_a_flood_of_refusals_is_counted_exactly_and_pushes_nothing_out(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    store = open_store()
    store.commit(batch(done(1)), encode)
    for _ in range(300):
        store.commit(batch(forged(), forged(7)), encode)
    crash(store)
    store = open_store()
    for second in range(300):
        store.commit(batch(forged(), now=float(second)), encode)
    store.commit(batch(done(2), now=4000.0), encode)
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    assert sum(one["count"] for one in told if one["what"] == "refused") == 300 * 8 + 300
    assert len(told) <= 210 and told[-1]["counts"]["bad_signature"] > 0 and check(path).ok
    store.commit(batch(done(3), now=8000.0), encode)
    assert store.audit_head().number == len(told) + 1, "it is told once"


def test_events_that_a_full_disk_cost_leave_a_gap_that_is_told(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    from edged.vocabulary.events import EventsDropped

    store = open_store()
    store.commit(batch(done(1)), encode)
    store.stow(Batch(wall=1.8e9, now=0.0), waiting=3)
    crash(store)
    store = open_store()
    store.commit(batch(done(2), skipped=4), encode)
    for first, last, count, reason in store.trim(0.0, **NO_BOUND):
        store.commit(batch(EventsDropped(subject="edged", first=first, last=last, count=count, reason=reason)), encode)
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    gaps = [one for one in told if one["what"] == "gap"]
    assert sum(one["count"] for one in gaps) == 7 and {one["reason"] for one in gaps} == {"disk"}
    numbers = {one["sequence"] for one in told}
    lost = {n for one in gaps for n in range(one["first"], one["last"] + 1)}
    assert numbers | lost == set(range(1, max(numbers) + 1)) and check(path).ok


def test_a_damaged_database_says_how_many_records_it_cost(open_store: Callable[[], SqliteStore], path: Path) -> None:
    head = fill(path, 400)
    store = open_store()
    store.commit(batch(state={"k": b"a mark in the page of the state"}), encode)
    store.close()
    break_page(path, b'"id":"id-200"')
    break_page(path, b"a mark in the page of the state")  # this one is read at every start
    assert open_store().recovered is not None
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    (loss,) = [one for one in told if one["what"] == "damaged"]
    verdict = check(path, head)
    assert (
        loss["number"] == 401 and loss["lost"] == 401 - len(told) > 0 and loss["kept"].startswith("edged.db.damaged-")
    )
    assert [fault.what for fault in verdict.faults] and all("missing" in fault.what for fault in verdict.faults)
    assert check(path, since=401).ok


def test_damage_that_is_seen_in_use_does_not_break_the_chain_that_memory_knows(
    open_store: Callable[[], SqliteStore], path: Path
) -> None:
    fill(path, 400)
    store = open_store()
    break_page(path, b'"id":"id-400"')
    assert store._db is not None
    store._db.execute("PRAGMA shrink_memory")  # it reads the file again
    with pytest.raises(StorageError, match="damaged"):
        store.commit(batch(done(401)), encode)
    store.commit(batch(done(401)), encode)
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    assert [one["what"] for one in told[-2:]] == ["damaged", "command"] and told[-2]["number"] == 401
    assert told[-2]["lost"] == 402 - len(told) > 0 and check(path, since=401).ok


def test_a_schema_of_before_is_brought_up_to_date(open_store: Callable[[], SqliteStore], path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in MIGRATIONS[0].split(";"):
            db.execute(statement)
        db.execute("INSERT INTO state VALUES ('k', x'76')")
        db.execute("PRAGMA user_version=1")
    with pytest.raises(StorageError, match="kept no audit"):
        read_stopped(path, 0, 1)
    store = open_store()
    assert store.load_state() == {"k": b"v"}
    store.commit(batch(done(1)), encode)
    assert check(path).ok and store.audit_head().number == 1
    store.close()
    with closing(open_database(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


_WRITER = """
import sys
from pathlib import Path
from edged.adapters.store import SqliteStore
from edged.report.audit import record
from tests.adapters.test_audit import batch, done, encode
store = SqliteStore(Path(sys.argv[1]), audited=record)
number = 0
while True:
    number += 1
    store.commit(batch(done(number), done(number)), encode)
    print(store.audit_head(), flush=True)
"""


def test_killed_at_any_moment_it_agrees_with_the_event_log(path: Path) -> None:
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        seen = [writer.stdout.readline() for _ in range(10)]
        os.kill(writer.pid, signal.SIGKILL)
        seen += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait(10.0)
        noted = [parse_head(line) for line in seen if line.endswith("\n")]
        assert len(noted) >= 10 and check(path, *noted).ok
    with closing(sqlite3.connect(path)) as db:
        events = [row[0] for row in db.execute("SELECT sequence FROM event ORDER BY sequence")]
    assert [content(part)["sequence"] for part in parts(path) if isinstance(part, Entry)] == events


def test_twenty_thousand_records_are_checked_quickly(path: Path) -> None:
    store = SqliteStore(path, audited=record)
    for first in range(1, 20_001, 1000):
        store.commit(batch(*(done(number) for number in range(first, first + 1000))), encode)
    store.close()
    began = time.monotonic()
    verdict = check(path)
    seconds = time.monotonic() - began
    assert verdict.ok and verdict.count > 19_000 and seconds < 10.0, f"{seconds:.2f} s"


def test_lines_of_an_export_give_back_what_went_in(path: Path) -> None:
    fill(path, 3)
    span, entries = read_stopped(path, 0, 10)
    assert [parse_line(entry_line(entry)) for entry in entries] == entries
    odd = [Entry(1, b"\0" * 32, b"\xff\n{"), Entry(2, b"\1" * 32, b'{"number": 2}\n'), Entry(3, b"", b"[]")]
    assert [parse_line(entry_line(entry)) for entry in odd] == odd
    assert all(b"\n" not in entry_line(entry) and json.loads(entry_line(entry)) for entry in [*entries, *odd])
    for wrong in (
        b"",
        b"{",
        b'{"edged_audit": 1}',
        b'{"edged_audit":1,"anchor":"0:00","head":"0:00"}',
        b'{"hash":"x"}',
    ):
        with pytest.raises(ValueError, match="."):
            parse_line(wrong)
    with pytest.raises(ValueError, match="no head"):
        parse_head("12:xyz")
