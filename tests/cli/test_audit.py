"""``edged audit`` against a daemon's socket, a stopped daemon's database, and an export."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.http_server import HttpServer
from edged.adapters.store import SqliteStore
from edged.cli import FAILED, OK, UNREACHABLE, USAGE, run
from edged.report.audit import record
from edged.report.pages import Source, local_routes
from edged.vocabulary import events as ev
from tests.adapters.test_audit import batch, done, encode, forged

Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "edged.db", audited=record)
    started = ev.EdgedStarted(subject="edged", boot=1, version="9", previous_end="clean", host_rebooted=False)
    opened.commit(batch(started), encode)
    for number in range(1, 6):
        opened.commit(batch(done(number), forged()), encode)
    yield opened
    opened.close()


@pytest.fixture
def server(store: SqliteStore, tmp_path: Path) -> Iterator[HttpServer]:
    parts: dict[str, Any] = dict.fromkeys(Source.__struct_fields__) | {"audit": store}
    serving = HttpServer.unix(tmp_path / "edged.sock", local_routes(Source(**parts)))
    serving.start()
    yield serving
    serving.stop()


@pytest.fixture
def verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verb:
    def call(*args: str) -> tuple[int, str, str]:
        code = run(["audit", *args, "--socket", str(tmp_path / "edged.sock")])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_show(server: HttpServer, verb: Verb) -> None:
    code, text, complaint = verb("show")
    lines = text.splitlines()
    assert (code, complaint, len(lines)) == (OK, "", 12)
    assert "edged 9, run 1; the run before ended: clean" in lines[1]
    assert (
        lines[2].split()[:4] == ["2", "2027-01-15T08:00:00Z", "command", "key:ops"]
        and "succeeded: it is up" in lines[2]
    )
    assert "1 x bad_signature" in lines[3]
    assert len(verb("show", "--limit", "2")[1].splitlines()) == 3
    shown = json.loads(verb("show", "--json", "--limit", "1")[1])
    assert [(one["number"], one["what"], len(one["hash"])) for one in shown] == [(11, "refused", 64)]
    assert verb("show", "--since", "1d")[:2] == (OK, verb("show")[1]), "the records are from the future: all are shown"
    assert verb("show", "--since", "soon")[0] == verb("show", "--limit", "0")[0] == USAGE


def test_verify_export_and_verify_the_export(
    server: HttpServer, store: SqliteStore, verb: Verb, tmp_path: Path
) -> None:
    head = store.audit_head()
    code, text, _ = verb("verify")
    assert code == OK and f"the chain is whole: 11 records, head {head}" in text
    file = tmp_path / "audit.ndjson"
    assert verb("export", "-o", str(file))[0] == OK
    store.commit(batch(done(6)), encode)
    for noted in (str(head), head.short):
        assert verb("verify", "--head", noted)[0] == OK
        assert verb("verify", str(file), "--head", noted)[0] == OK
    later = str(store.audit_head())
    code, text, _ = verb("verify", str(file), "--head", later)
    assert code == FAILED and "BROKEN at record 12" in text and "the chain ends at 11 now" in text
    lines = file.read_bytes().splitlines(keepends=True)
    for number, broken in (
        (4, [*lines[:4], lines[4].replace(b"worker", b"victim"), *lines[5:]]),
        (5, [*lines[:5], *lines[6:]]),
        (5, [*lines[:5], lines[6], lines[5], *lines[7:]]),
        (11, lines[:-1]),
    ):
        file.write_bytes(b"".join(broken))
        code, text, _ = verb("verify", str(file), "--json")
        assert code == FAILED and number in [fault["record"] for fault in json.loads(text)["faults"]], number
    for rubbish in (b"", b"{}\n", lines[1], lines[0] + b"rubbish\n", lines[0] + lines[0]):
        file.write_bytes(rubbish)
        assert verb("verify", str(file))[0] == FAILED, rubbish
    assert verb("verify", str(tmp_path / "none"))[0] == verb("verify", "--head", "x")[0] == USAGE


def test_standard_output_is_the_same_export(
    server: HttpServer, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    file, here = tmp_path / "a.ndjson", ("--socket", str(tmp_path / "edged.sock"))
    assert run(["audit", "export", "-o", str(file), *here]) == OK
    capfdbinary.readouterr()
    assert run(["audit", "export", *here]) == OK
    assert capfdbinary.readouterr().out == file.read_bytes()


def test_many_pages_are_one_chain(server: HttpServer, store: SqliteStore, verb: Verb) -> None:
    for _ in range(5):
        store.commit(batch(*(done(number) for number in range(700))), encode)
    code, text, _ = verb("verify", "--json")
    assert code == OK and json.loads(text)["records"] == 3511


def test_a_stopped_daemons_database_is_read(store: SqliteStore, verb: Verb, tmp_path: Path) -> None:
    store.close()
    code, text, told = verb("verify")
    assert (code, "11 records" in text, "no daemon answers" in told) == (OK, True, True)
    with closing(sqlite3.connect(tmp_path / "edged.db", isolation_level=None)) as db:
        db.execute("UPDATE audit SET record=replace(record, 'worker', 'victim') WHERE number=4")
    code, text, _ = verb("verify")
    assert code == FAILED and "BROKEN at record 4: it does not fit its hash" in text
    assert verb("verify", "--from", "4")[0] == OK
    assert verb("verify", "--db", str(tmp_path / "edged.db"))[0] == FAILED
    assert verb("verify", "--db", str(tmp_path / "none.db"))[0] == UNREACHABLE


def test_a_record_that_cannot_be_read_is_shown_and_told(server: HttpServer, verb: Verb, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "edged.db", isolation_level=None)) as db:
        db.execute("UPDATE audit SET record=x'ff00' WHERE number=4")
    assert "UNREADABLE" in verb("show")[1] and "BROKEN at record 4: it cannot be read" in verb("verify")[1]


def test_without_daemon_and_database(verb: Verb) -> None:
    for action in ("show", "verify", "export"):
        code, _, told = verb(action)
        assert code == UNREACHABLE and "does not answer" in told and "--db" in told


@pytest.mark.parametrize("action", ["show", "verify", "export"])
def test_help_has_an_example(verb: Verb, action: str) -> None:
    code, text, _ = verb(action, "--help")
    assert code == OK and f"example: edged audit {action}" in text


def test_wrong_bounds_are_refused(server: HttpServer, tmp_path: Path) -> None:
    from edged.cli import Failure
    from edged.cli.client import request

    for query in ("after=-1&limit=1", "after=x", "after=0&limit=1001", f"after={2**63}"):
        with pytest.raises(Failure, match="after must be"):
            list(request(str(tmp_path / "edged.sock"), "GET", f"/v1/audit?{query}"))
    for after in ("-1", "x", f"{2**63}"):
        with pytest.raises(Failure, match="after must be a sequence number"):
            list(request(str(tmp_path / "edged.sock"), "GET", f"/v1/log?after={after}"))
