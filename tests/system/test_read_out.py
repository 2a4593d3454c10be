"""What people get to read through commands, on a real engine, over the local socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edged.cli.client import command
from edged.fleet.answers import Answer
from edged.fleet.parcels import Parcel
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine, eventually

pytestmark = pytest.mark.engine
Make = Callable[..., Edged]
TALKS = ("sh", "-c", "for i in $(seq 1 3000); do echo line $i; done; trap 'exit 0' TERM; sleep 100000 & wait")


def read(daemon: Edged, kind: str, **args: Any) -> tuple[bytes, dict[str, Any]]:
    """The content as a console puts it together, and the end."""
    parcel, answers = Parcel(), list(command(daemon.socket, kind, args))
    for told in answers:
        result = told["result"]
        phase = result.get("phase", "")
        answer = Answer(device="d", id="i", type=kind, state=told["status"], phase=phase, result=result)
        assert parcel.take(answer) == (phase == "data")
    assert [a["status"] for a in answers if a["status"] != "running"] == ["accepted", "succeeded"], answers[-1]
    content = parcel.open(answers[-1]["result"])
    assert content is not None
    return content, answers[-1]["result"]


def refused(daemon: Edged, kind: str, **args: Any) -> tuple[str, str]:
    *_, last = command(daemon.socket, kind, args)
    return last["status"], last["reason"]


def test_logs_evidence_status_and_report(engine: Engine, edged: Make) -> None:
    engine.run("worker", *TALKS)
    daemon = edged({"apps": {"worker": {}}}).start()
    daemon.wait_state("worker", "healthy")
    eventually(lambda: b"line 3000" in read(daemon, "logs.get", app="worker", lines=1)[0], 10.0)
    logs, _ = read(daemon, "logs.get", app="worker", lines=2000)
    lines = logs.decode().splitlines()
    assert len(lines) == 2000 and lines[0].endswith("Z line 1001") and lines[-1].endswith("line 3000")
    assert read(daemon, "logs.get", app="worker", since=3600)[1]["bytes"] > 1000
    assert refused(daemon, "evidence.get", app="worker") == ("failed", "not_available")

    assert daemon.command("restart", app="worker")["status"] == "succeeded"
    evidence, end = read(daemon, "evidence.get", app="worker")
    record = json.loads(evidence)
    assert record["app"] == "worker" and "line 3000" in record["logs"] and end["name"] == record["action"]
    (captured,) = [e for e in daemon.events("action.ended") if e["data"]["action"] == "CaptureEvidence"]
    assert read(daemon, "evidence.get", which=captured["data"]["result"]["path"])[0] == evidence
    assert refused(daemon, "evidence.get", which="../edged") == ("failed", "not_available")

    status = json.loads(read(daemon, "status.get")[0])
    assert status["device"] == "test-device" and status["apps"]["worker"]["state"] == "healthy"
    assert json.loads(read(daemon, "status.get", app="worker")[0])["app"] == "worker"

    report = json.loads(read(daemon, "report.get", since=600)[0])
    worker = report["apps"]["worker"]
    assert worker["counts"]["restarts"] == 1 and worker["seconds_in"]["healthy"] > 0.0 and report["complete"]
    assert report["edged"]["starts"] == 1 and report["commands"]["restart"] == {"succeeded": 1}


def test_what_was_read_is_in_no_log_of_edgeds(engine: Engine, edged: Make) -> None:
    engine.run("worker", "sh", "-c", "echo tell-nobody; trap 'exit 0' TERM; sleep 100000 & wait")
    daemon = edged({"apps": {"worker": {}}, "log": {"format": "json"}}).start()
    daemon.wait_state("worker", "healthy")
    eventually(lambda: b"tell-nobody" in read(daemon, "logs.get", app="worker")[0], 10.0)
    pieces = [
        a["result"]["data"] for a in command(daemon.socket, "logs.get", {"app": "worker"}) if "data" in a["result"]
    ]
    assert len(pieces) == 1 and pieces[0] not in daemon.text()
    told = daemon.events()
    assert "command.answered" in {e["type"].removeprefix("dev.edged.") for e in told}
    assert pieces[0] not in json.dumps(told) and "command.piece" not in json.dumps(told)
