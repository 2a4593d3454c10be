"""The audit over the years: bounded, flooded, damaged, killed, brought up to date."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edged.adapters.storage import audit as module
from edged.adapters.storage.audit import read_stopped
from edged.adapters.storage.schema import MIGRATIONS, open_database
from edged.adapters.store import SqliteStore
from edged.audit import Entry, Span, content, entry_line, parse_head, parse_line
from edged.ports import Batch, StorageError
from edged.report.audit import record
from edged.vocabulary.events import CommandAnswered, EventsDropped

from .test_audit import batch, check, done, faults, fill, forged, parts, tamper
from .test_store import NO_BOUND, crash, encode
from .test_store_damage import break_page


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edged.db"


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
    open_audited: Callable[[], SqliteStore], path: Path
) -> None:
    store = open_audited()
    store.commit(batch(done(1)), encode)
    for _ in range(300):
        store.commit(batch(forged(), forged(7)), encode)
    crash(store)
    store = open_audited()
    for second in range(300):
        store.commit(batch(forged(), now=float(second)), encode)
    store.commit(batch(done(2), now=4000.0), encode)
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    assert sum(one["count"] for one in told if one["what"] == "refused") == 300 * 8 + 300
    assert len(told) <= 210 and told[-1]["counts"]["bad_signature"] > 0 and check(path).ok
    store.commit(batch(done(3), now=8000.0), encode)
    assert store.audit_head().number == len(told) + 1, "it is told once"


def test_a_console_that_looks_all_the_time_pushes_nothing_out(
    open_audited: Callable[[], SqliteStore], path: Path
) -> None:
    store = open_audited()
    look = CommandAnswered(subject="edged", id="i", command="status.get", origin="key:eyes", status="accepted")
    for second in range(400):
        store.commit(batch(look, forged(), now=float(second)), encode)
    crash(store)
    store = open_audited()
    store.commit(batch(done(1), now=4000.0), encode)
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    assert sum(one["count"] for one in told if one["what"] == "read") == 400
    assert sum(one["count"] for one in told if one["what"] == "refused") == 400, "each is counted apart"
    assert len(told) <= 210 and check(path).ok


def test_events_that_a_full_disk_cost_leave_a_gap_that_is_told(
    open_audited: Callable[[], SqliteStore], path: Path
) -> None:
    store = open_audited()
    store.commit(batch(done(1)), encode)
    store.stow(Batch(wall=1.8e9, now=0.0), waiting=3)
    crash(store)
    store = open_audited()
    store.commit(batch(done(2), skipped=4), encode)
    for first, last, count, reason in store.trim(0.0, **NO_BOUND):
        store.commit(batch(EventsDropped(subject="edged", first=first, last=last, count=count, reason=reason)), encode)
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    gaps = [one for one in told if one["what"] == "gap"]
    assert sum(one["count"] for one in gaps) == 7 and {one["reason"] for one in gaps} == {"disk"}
    numbers = {one["sequence"] for one in told}
    lost = {n for one in gaps for n in range(one["first"], one["last"] + 1)}
    assert numbers | lost == set(range(1, max(numbers) + 1)) and check(path).ok


def test_a_damaged_database_says_how_many_records_it_cost(open_audited: Callable[[], SqliteStore], path: Path) -> None:
    head = fill(path, 400)
    store = open_audited()
    store.commit(batch(state={"k": b"a mark in the page of the state"}), encode)
    store.close()
    break_page(path, b'"id":"id-200"')
    break_page(path, b"a mark in the page of the state")  # this one is read at every start
    assert open_audited().recovered is not None
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    (loss,) = [one for one in told if one["what"] == "damaged"]
    verdict = check(path, head)
    assert (
        loss["number"] == 401 and loss["lost"] == 401 - len(told) > 0 and loss["kept"].startswith("edged.db.damaged-")
    )
    assert [fault.what for fault in verdict.faults] and all("missing" in fault.what for fault in verdict.faults)
    assert check(path, since=401).ok


def test_damage_that_is_seen_in_use_does_not_break_the_chain_that_memory_knows(
    open_audited: Callable[[], SqliteStore], path: Path
) -> None:
    fill(path, 400)
    store = open_audited()
    break_page(path, b'"id":"id-400"')
    assert store._db is not None
    store._db.execute("PRAGMA shrink_memory")  # it reads the file again
    with pytest.raises(StorageError, match="damaged"):
        store.commit(batch(done(401)), encode)
    store.commit(batch(done(401)), encode)
    told = [content(part) for part in parts(path) if isinstance(part, Entry)]
    assert [one["what"] for one in told[-2:]] == ["damaged", "command"] and told[-2]["number"] == 401
    assert told[-2]["lost"] == 402 - len(told) > 0 and check(path, since=401).ok


def test_a_schema_of_before_is_brought_up_to_date(open_audited: Callable[[], SqliteStore], path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in MIGRATIONS[0].split(";"):
            db.execute(statement)
        db.execute("INSERT INTO state VALUES ('k', x'76')")
        db.execute("PRAGMA user_version=1")
    with pytest.raises(StorageError, match="kept no audit"):
        read_stopped(path, 0, 1)
    store = open_audited()
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
    _, entries = read_stopped(path, 0, 10)
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
        with pytest.raises(ValueError, match="no line of an audit"):
            parse_line(wrong)
    with pytest.raises(ValueError, match="no head"):
        parse_head("12:xyz")
