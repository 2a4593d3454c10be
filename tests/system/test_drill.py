"""Drills on a real engine: what is done to a container, what edged measures, and that nothing of it is left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, free_port
from tests.fixtures.console import Console, trust_file
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine
from tests.fixtures.models import bundle
from tests.fixtures.orders import Sender

pytestmark = [pytest.mark.engine, pytest.mark.broker]
Make = Callable[..., Edged]
OPS, DEPLOYER = Sender(), Sender("deployer", "deployer", number=2)
APP = REPO / "edged" / "demo" / "inference_app.py"
QUICK = {"backoff": "100ms", "max_backoff": "500ms", "stop_timeout": "1s", "policy_grace": "1s", "budget": 1}
LIMIT = 512 * 2**20
EARLY = "aazqenc"
HUNGRY = """
import http.server, sys
kept = []
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kept.append(bytearray(64 * 1024)); del kept[400:]
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
"""


def verb(daemon: Edged, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *words, "--socket", daemon.socket],
        capture_output=True, text=True, timeout=100.0, check=False,
    )  # fmt: skip


@pytest.fixture
def daemon(engine: Engine, edged: Make, broker: Mosquitto) -> Edged:
    """Watches an app that answers its health check and asks for some memory each time; takes commands."""
    port = free_port()
    engine.run_python("worker", HUNGRY, str(port), mem_limit=LIMIT)
    health = {"http": f"http://127.0.0.1:{port}/", "every": "200ms", "timeout": "200ms", "failures": 2,
              "start_period": "5s"}  # fmt: skip
    made = edged()
    made.configure(
        {
            "apps": {"worker": {"health": health, "restart": QUICK}},
            "sampling": {"every": "500ms"},
            "mqtt": {"url": broker.url},
            "commands": {"trust": trust_file(made.folder, OPS.key, DEPLOYER.key)},
        }
    )
    made.start()
    made.wait_state("worker", "healthy")
    return made


def drilled(daemon: Edged, kind: str) -> dict[str, Any]:
    """Exit code 0, phases in order, one final answer with both figures, and the event that tells the same."""
    said = verb(daemon, "drill", "worker", kind, "--json")
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == 0, (said, daemon.text()[-3000:])
    assert [a["status"] for a in answers].count("succeeded") == 1 and answers[-1]["status"] == "succeeded"
    progress = [a["result"]["progress"] for a in answers if a["status"] == "running"]
    assert progress == sorted(progress) and len(progress) >= 2
    return measured(daemon, kind, answers[-1])


def measured(daemon: Edged, kind: str, final: dict[str, Any]) -> dict[str, Any]:
    """The event tells what the final answer says, and the app is as before."""
    told: dict[str, Any] = daemon.events("drill.ended")[-1]["data"]
    figures = [(of["detection_seconds"], of["recovery_seconds"]) for of in (told, final["result"])]
    assert told["ok"] and told["kind"] == final["result"]["kind"] == kind
    assert 0.0 <= told["detection_seconds"] <= told["recovery_seconds"] and figures[0] == figures[1]
    last = daemon.app("worker")["drills"][kind]
    assert last["ok"] and last["recovery_seconds"] == pytest.approx(told["recovery_seconds"], abs=0.001)
    recovery = daemon.app("worker")["recovery"]
    assert daemon.app("worker")["state"] == "healthy" and recovery["budget_used"] == 0, recovery
    assert daemon.app("worker")["drill"] is None
    return told


def ordered(engine: Engine, daemon: Edged, console: Console) -> dict[str, Any]:
    """The same by a signed order through the broker, which an operator's key may not give."""
    before, more = engine.pid("worker"), {"args": {"app": "worker", "kind": "kill"}}
    assert console.final(console.send(OPS, "drill.run", **more))["reason"] == "role"
    assert engine.pid("worker") == before
    identity = console.send(DEPLOYER, "drill.run", **more)
    final = console.final(identity, 60.0)
    answers = console.answers(identity)
    assert [a["status"] for a in answers] == ["accepted", *["running"] * (len(answers) - 2), "succeeded"], answers
    phases = [(a["result"]["phase"], a["result"]["progress"]) for a in answers[1:-1]]
    assert phases == [("injecting", 0.2), ("detecting", 0.4), ("recovering", 0.7)], phases
    assert engine.pid("worker") != before and final["origin"] == "key:deployer"
    return measured(daemon, "kill", final)


def test_kill_hang_unhealthy_and_oom(engine: Engine, daemon: Edged, console: Console) -> None:
    assert ordered(engine, daemon, console)["detection_seconds"] < 1.0
    assert drilled(daemon, "hang")["detection_seconds"] > 0.2
    assert drilled(daemon, "unhealthy")["detection_seconds"] > 0.1
    daemon.wait(lambda: daemon.app("worker")["memory_bytes"], 10.0, "its memory is measured")
    drilled(daemon, "oom")
    assert engine.inspect("worker")["HostConfig"]["Memory"] == LIMIT
    captured = [e for e in daemon.events("action.ended") if e["data"]["action"] == "CaptureEvidence"]
    assert len(captured) == 4 and len(daemon.events("drill.started")) == 4
    listed = verb(daemon, "drill")
    assert listed.returncode == 0 and listed.stdout.count("noticed after") == 4, listed
    assert verb(daemon, "drill", "worker", "bad-model").returncode == 3
    monthly(engine, daemon)


def monthly(engine: Engine, daemon: Edged) -> None:
    """By themselves: a new app, whose name puts the first one 0.1 s into the month."""
    engine.run(EARLY)
    hour = time.gmtime().tm_hour
    drills = {"every": "30d", "window": f"{(hour - 8) % 24:02}:00-{(hour + 8) % 24:02}:00"}
    worker = daemon.config["apps"]["worker"] | {"drills": False}
    daemon.configure(daemon.config | {"drills": drills, "apps": {"worker": worker, EARLY: {"restart": QUICK}}})
    daemon.reload()
    told = daemon.wait_event("drill.ended", 30.0, subject=EARLY)["data"]
    assert told["ok"] and told["kind"] == "kill" and told["origin"] == "schedule"
    assert daemon.app(EARLY)["drills"]["kill"]["ok"]


def test_edged_is_killed_in_the_middle_and_the_frozen_process_goes_on(engine: Engine, daemon: Edged) -> None:
    daemon.command("maintenance.set", app="worker", on=True, seconds=60.0, why="test")
    assert verb(daemon, "drill", "worker", "hang").returncode == 3
    daemon.command("maintenance.set", app="worker", on=False)
    pid = engine.pid("worker")
    running = subprocess.Popen(
        [sys.executable, "-m", "edged", "drill", "worker", "hang", "--socket", daemon.socket],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    daemon.wait(lambda: _state(pid) == "T", 10.0, "it is frozen")
    assert daemon.app("worker")["drill"]["kind"] == "hang"
    daemon.kill()
    daemon.start()
    assert running.wait(30.0) == 1, "whoever follows it hears the end from the next run"
    told = daemon.wait_event("drill.ended")["data"]
    assert told["code"] == "interrupted" and not told["ok"]
    daemon.wait_state("worker", "healthy")
    assert _state(engine.pid("worker")) != "T"
    answers = [e for e in daemon.events("command.answered") if e["data"]["command"] == "drill.run"]
    assert [a["data"]["status"] for a in answers].count("failed") == 1


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_a_spoiled_model_is_refused_and_the_one_in_place_stays(engine: Engine, edged: Make, tmp_path: Path) -> None:
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    model = {"path": "/models", "gate": {"window": "1s", "min_samples": 1}, "reload": "restart"}
    health = {"http": f"{page}/health", "every": "200ms", "timeout": "200ms", "start_period": "10s"}
    daemon = edged({"apps": {"worker": {"health": health, "model": model, "restart": QUICK}}})
    folder = daemon.state / "models" / "worker"
    folder.mkdir(parents=True)
    daemon.state.chmod(0o755)
    engine.run_python(
        "worker", APP, "--port", str(port), "--model", "/models/current", mounts=[f"{folder}:/models:ro"]
    )  # fmt: skip
    daemon.start()
    said = verb(daemon, "deploy", "worker", str(bundle(tmp_path, 1)))
    assert said.returncode == 0, (said, daemon.text()[-2000:])
    daemon.wait_state("worker", "healthy", 30.0)
    daemon.wait(lambda: verb(daemon, "drill", "worker", "kill").returncode == 0, 40.0, "the deployment is over")
    before, pid = (folder / "current").resolve(), engine.pid("worker")
    told = drilled(daemon, "bad-model")
    assert (folder / "current").resolve() == before and engine.pid("worker") == pid
    assert sorted(p.name for p in (folder / "slots").iterdir()) == [before.name]
    (refused,) = [e for e in daemon.events("deployment.changed") if e["data"]["new"] == "refused"]
    assert refused["data"]["version"].endswith("-drill") and "golden" in refused["data"]["code"], (refused, told)
