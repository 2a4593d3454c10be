"""What ``edged status`` says of an app, and how verbs are found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.cli import FAILED, OK, run
from edged.cli.status import page
from edged.config import App, Config
from edged.report.snapshot import Snapshot
from edged.report.status import status
from edged.vocabulary.state import AppState, Kept, Maintenance, Recovery, State

SAMPLE = Path(__file__).resolve().parents[2] / "config" / "edged.yaml"
MAINTENANCE = Maintenance(owner="local:uid=0(root)", why="new camera", since=0.0, until=3600.0)


def told(**kept: Any) -> str:
    app = AppState(name="a", config=App(), condition="down", reason="exited with code 1", kept=Kept(**kept))
    shot = Snapshot(State(apps={"a": app}), Config(), now=10.0, wall=1.8e9)
    return "\n".join(page(status(shot, {"spool_messages": 0, "spool_bytes": 0})))


def test_who_wonders_why_nothing_happens_is_told() -> None:
    held = Recovery(ailment="AppDown", held="in maintenance by local:uid=0(root)")
    said = told(maintenance=MAINTENANCE, recovery=held)
    assert said.count("in maintenance by local:uid=0(root)") == 1
    assert "until 2027-01-15T08:59:50Z: new camera" in said
    assert "plant-broker fails" in told(recovery=Recovery(ailment="AppDown", held="plant-broker fails"))


def test_an_open_circuit_says_when_the_next_attempt_is_made() -> None:
    said = told(recovery=Recovery(ailment="AppDown", open=True, next_at=1810.0))
    assert "circuit open" in said and "next attempt in 30 min" in said
    assert "next attempt" not in told(recovery=Recovery(open=True, next_at=1810.0)), "it is well since the last one"


def test_without_a_file_labelled_containers_are_recovered_and_that_is_said() -> None:
    assert "only those labelled edged.enable=true are recovered" in told()


def test_terminals_without_arrows_and_full_disks_get_no_traceback() -> None:
    command = [sys.executable, "-m", "edged", "runbooks", "-c", str(SAMPLE)]
    plain = subprocess.run(command, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, timeout=60)
    assert (plain.returncode, plain.stderr) == (OK, b"") and b"capture ? start" in plain.stdout
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (
        FAILED, "edged: the output could not be written: No space left on device\n",
    )  # fmt: skip


def test_help_of_a_verb_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--help"]) == OK
    said = capsys.readouterr().out
    assert run(["help", "status"]) == OK and capsys.readouterr().out == said
    assert run(["help"]) == OK and "usage: edged VERB" in capsys.readouterr().out
