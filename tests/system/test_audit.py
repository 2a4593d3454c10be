"""The audit of a real daemon: a local command is in it, and whoever edits the database is found out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

from .test_cli import call

Make = Callable[..., Edged]


@pytest.mark.engine
def test_a_local_restart_is_audited_and_an_edited_record_is_found(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": {"restart": {"stop_timeout": "1s"}}}}).start()
    daemon.wait_state("worker", "healthy", 60.0)
    here = ("--socket", daemon.socket)
    assert call("restart", "worker", *here).returncode == 0
    assert call("restart", "wroker", *here).returncode == 3
    records = json.loads(call("audit", "show", "--json", *here).stdout)
    told = [(one["what"], one.get("status"), one.get("code"), one.get("request")) for one in records]
    assert told[0][0] == "started"
    assert ("command", "accepted", None, {"args": {"app": "worker"}}) in told
    assert ("command", "succeeded", None, None) in told
    assert told[-1] == ("refused", "rejected", "unknown_app", {"args": {"app": "wroker"}})
    assert all(one["origin"].startswith("local:uid=0") for one in records if one["what"] == "command")
    by_sequence = {event["sequence"]: event for event in daemon.events()}
    for one in records:
        assert by_sequence[one["sequence"]]["data"].get("id") == one.get("id")

    head = daemon.status()["audit"]["head"]
    assert f"audit   record {head}" in call("status", *here).stdout
    assert call("audit", "verify", "--head", head, *here).returncode == 0
    daemon.stop()
    whole = call("audit", "verify", "--head", head, *here)
    assert whole.returncode == 0 and "the chain is whole" in whole.stdout
    with closing(sqlite3.connect(daemon.state / "edged.db", isolation_level=None)) as db:
        changed = db.execute("UPDATE audit SET record=replace(record, 'uid=0', 'uid=7') WHERE number=3").rowcount
    assert changed == 1
    edited = call("audit", "verify", *here)
    assert edited.returncode == 1 and "BROKEN at record 3" in edited.stdout
    daemon.start()
    assert call("audit", "verify", *here).returncode == 1, "it goes on, and does not heal"
    assert daemon.status()["audit"]["records"] > len(records)
