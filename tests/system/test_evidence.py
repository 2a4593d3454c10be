"""What is kept before a restart, of a real app: whole, found by its incident, and without a secret."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from edged.act import EXECUTORS, Tools
from edged.adapters.docker_engine import DockerEngine
from edged.adapters.evidence import EvidenceFolder
from edged.adapters.host import LocalHost
from edged.vocabulary.actions import PruneDisk
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine
Make = Callable[..., Edged]
SAYS = ("sh", "-c", "echo connecting with password=hunter2; echo last words; trap 'exit 0' TERM; sleep 100000 & wait")


def edged_cli(daemon: Edged, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edged", *words, "--socket", daemon.socket],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_evidence_of_an_incident(engine: Engine, edged: Make, tmp_path: Path) -> None:
    engine.run("worker", *SAYS, environment={"API_TOKEN": "hunter2"})
    restart = {"backoff": "100ms", "max_backoff": "500ms", "policy_grace": "1s"}
    config = {"apps": {"worker": {"restart": restart}}, "sampling": {"every": "200ms"}}
    daemon = edged(config).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait(lambda: daemon.status()["apps"]["worker"]["memory_bytes"], what="its memory is known")
    engine.kill_main("worker")
    opened = daemon.wait_event("incident.opened")["data"]["incident"]
    told = daemon.wait_event("action.ended", action="CaptureEvidence")["data"]["result"]
    daemon.wait_event("recovery.succeeded", subject="worker")
    kept = Path(told["path"])
    assert kept.parent == daemon.state / "evidence" / opened
    assert told["digest"] == f"sha256:{hashlib.sha256(kept.read_bytes()).hexdigest()}"
    assert told["bytes"] == kept.stat().st_size < 64 * 1024
    incident = json.loads(edged_cli(daemon, "incidents", opened, "--json"))
    assert told["digest"] in json.dumps(incident["evidence"])
    folder = tmp_path / "out"
    edged_cli(daemon, "incidents", opened, "--evidence", str(folder))
    (record,) = [path for path in folder.iterdir() if path.name == kept.name.removesuffix(".json.gz")]
    logs = (record / "logs.txt").read_text()
    assert "last words" in logs and "password=***" in logs
    inspected = json.loads((record / "inspect.json").read_text())
    assert inspected["State"]["ExitCode"] == 137 and "API_TOKEN=***" in inspected["Config"]["Env"]
    assert "hunter2" not in "".join(path.read_text() for path in record.iterdir())
    moment = json.loads((record / "moment.json").read_text())
    assert {"edged", "engine", "host", "apps", "dependencies", "alerts", "recent", "app"} <= moment.keys()
    recent = moment["recent"]
    assert recent["usage"][-1]["memory_bytes"] > 0 and recent["host"]
    assert {"edged.started", "app.changed", "alert.raised"} <= {event["type"] for event in recent["events"]}
    whole = json.loads(edged_cli(daemon, "incidents", opened, "--evidence", "-"))
    assert whole["incident"] == opened and record.name in whole["records"]


def test_the_answers_of_probes_are_a_part_of_it(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    health = {
        "http": "http://127.0.0.1:9/health",
        "every": "200ms",
        "timeout": "100ms",
        "failures": 3,
        "start_period": "0s",
    }
    daemon = edged({"apps": {"worker": {"health": health, "restart": {"stop_timeout": "1s"}}}}).start()
    told = daemon.wait_event("action.ended", action="CaptureEvidence")["data"]["result"]
    daemon.wait_event("action.started", action="RestartContainer")
    got = daemon.command("evidence.get", which=Path(told["path"]).parent.name)
    assert got["status"] == "succeeded", got
    name, _ = Path(told["path"]).name.split(".", 1)
    whole = json.loads(edged_cli(daemon, "incidents", Path(told["path"]).parent.name, "--evidence", "-"))
    probes = whole["records"][name]["moment"]["recent"]["probes"]
    assert len(probes) >= 3 and {one["verdict"] for one in probes} == {"failed"} and "refused" in probes[0]["detail"]


def test_left_over_containers_go_with_evidence_of_each(engine: Engine, tmp_path: Path) -> None:
    engine.run("done", "sh", "-c", "echo my last words; exit 4")
    engine.run("kept", "true")
    engine.run("labelled", "true", labels={"edged.enable": "true"})
    engine.run("running")
    for name in ("done", "kept", "labelled"):
        engine.client.wait(name)
    docker, none = DockerEngine(engine.url), cast(Any, None)

    class Known:
        def moment(self, subject: str) -> dict[str, Any]:
            return {"about": subject}

    tools = Tools(
        containers=docker, services=none, host=LocalHost(), evidence=EvidenceFolder(tmp_path / "evidence", 10**7),
        artifacts=none, prober=none, own_config=none, readings=cast(Any, Known()), data=none,
    )  # fmt: skip
    for number in range(3):
        (tmp_path / f"app.log.{number}.gz").write_bytes(bytes(100_000))
    (tmp_path / "app.log").write_bytes(bytes(100_000))
    action = PruneDisk(
        id="host-1", subject="host", reason="DiskFull", timeout=30.0, keep=("kept",), min_age=0.0,
        what=("containers", "images", "logs"), logs=(f"{tmp_path}/app.log.*.gz",),
    )  # fmt: skip
    result = EXECUTORS[PruneDisk](action, tools)
    assert result["removed"] == ["done"] and result["failed"] == [] and result["freed"] >= 300_000
    left = {one["Names"][0].removeprefix("/") for one in engine.client.containers(all=True)}
    assert left == {"kept", "labelled", "running"} and [p.name for p in tmp_path.glob("app.log*")] == ["app.log"]
    name, content = tools.evidence.read("", "host-1")
    removed = json.loads(content)["removed"]["done"]
    assert removed["inspect"]["State"]["ExitCode"] == 4 and "my last words" in removed["logs"] and name == "host-1"
    docker.close()
