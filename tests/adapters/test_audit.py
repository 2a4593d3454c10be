"""The chain of the audit on a real disk: whole after every crash, and whoever touches it is found out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.storage.audit import read_stopped
from edged.adapters.store import SqliteStore
from edged.audit import GENESIS, Entry, Head, Span, Verdict, content, link, parse_head, verify
from edged.ports import Batch, StorageError
from edged.report.audit import record
from edged.vocabulary.events import AppChanged, CommandAnswered, CommandsRefused, Event

from .test_store import crash, encode


def done(number: int) -> Event:
    return CommandAnswered(
        subject="worker", id=f"id-{number}", command="restart", origin="key:ops", status="succeeded", message="it is up"
    )


def forged(count: int = 1) -> Event:
    return CommandsRefused(subject="edged", code="bad_signature", count=count)


def batch(*events: Event, now: float = 0.0, **more: Any) -> Batch:
    return Batch(wall=1.8e9 + now, now=now, events=tuple(("event", event) for event in events), **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edged.db"


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


def test_records_are_chained_and_tell_of_their_event(open_audited: Callable[[], SqliteStore], path: Path) -> None:
    store = open_audited()
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


def test_it_goes_on_after_a_restart_and_after_a_crash(open_audited: Callable[[], SqliteStore], path: Path) -> None:
    store = open_audited()
    store.commit(batch(done(1)), encode)
    crash(store)
    store = open_audited()
    store.commit(batch(done(2)), encode)
    store.close()
    open_audited().commit(batch(done(3)), encode)
    verdict = check(path)
    assert verdict.ok and (verdict.first, verdict.last, verdict.count) == (1, 3, 3)
    assert [content(part)["boot"] for part in parts(path) if isinstance(part, Entry)] == [1, 2, 3]


def test_a_record_that_is_too_long_keeps_what_counts(open_audited: Callable[[], SqliteStore], path: Path) -> None:
    huge = {"args": {"why": "x" * 5000}, "key": "ops"}
    store = open_audited()
    rejected = CommandAnswered(
        subject="a", id="i", command="stop", origin="key:ops", status="rejected", reason="busy", request=huge
    )
    store.commit(batch(rejected), encode)
    ((_, kept),) = [parts(path)]
    assert isinstance(kept, Entry) and len(kept.record) < 500 and check(path).ok
    told = content(kept)
    assert (told["code"], told["count"], told["id"]) == ("busy", 1, "i") and told["cut"] > 5000


def test_a_turn_without_commands_costs_nothing(open_audited: Callable[[], SqliteStore], path: Path) -> None:
    store = open_audited()
    store.commit(batch(done(1)), encode)
    with closing(sqlite3.connect(path)) as db:
        before = db.execute("SELECT * FROM audit_mark").fetchall()
        store.commit(batch(AppChanged(subject="a", old="x", new="y", reason="z")), encode)
        assert db.execute("SELECT * FROM audit_mark").fetchall() == before
    assert store.audit_head().number == 1


def test_a_failed_commit_leaves_no_trace(open_audited: Callable[[], SqliteStore], path: Path) -> None:
    store = open_audited()
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
    open_audited: Callable[[], SqliteStore], path: Path, statements: list[str], where: list[int]
) -> None:
    fill(path, 10)
    assert check(path).ok
    tamper(path, *statements)
    assert faults(path) == where
    # Nor does it heal when edged goes on.
    open_audited().commit(batch(done(99)), encode)
    assert not check(path).ok


def test_nonsense_in_its_tables_does_not_keep_edged_from_starting(
    open_audited: Callable[[], SqliteStore], path: Path
) -> None:
    fill(path, 3)
    tamper(path, "UPDATE audit_mark SET number='x', hash='y'", "UPDATE audit SET size='x', hash=7, record=8.5")
    assert not check(path).ok
    assert open_audited().commit(batch(done(4)), encode) == 4
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
    open_audited: Callable[[], SqliteStore], path: Path
) -> None:
    head = fill(path, 10)
    short = parse_head(head.short)
    assert check(path, head, short).ok
    remake(path, 10, drop=4)
    assert check(path).ok, "the chain alone cannot tell"
    assert faults(path, head) == [10] and faults(path, short) == [10]
    store = open_audited()
    for number in range(5):
        store.commit(batch(done(number)), encode)
    assert faults(path, head) == [10] and "made anew" in check(path, head).faults[0].what


def test_a_tail_cut_off_together_with_its_mark_is_found_out_by_a_noted_head(path: Path) -> None:
    head = fill(path, 10)
    remake(path, 7)
    assert check(path).ok and faults(path, head) == [10]
    assert faults(path, Head(7, "0" * 64)) == [7]
