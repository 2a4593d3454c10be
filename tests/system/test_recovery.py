"""The main job on a real engine: an app fails, edged recovers it within its budget, and says so."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine

QUICK = {"backoff": "100ms", "max_backoff": "500ms", "stop_timeout": "1s", "policy_grace": "1s"}
Make = Callable[..., Edged]


def app(**more: Any) -> dict[str, Any]:
    return {"restart": QUICK | more.pop("restart", {})} | more


class Health(http.server.BaseHTTPRequestHandler):
    """An app's health endpoint whose answer the test decides."""

    server: Any

    def do_GET(self) -> None:
        self.server.gate.wait(20.0)
        self.send_response(self.server.code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def endpoint() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    server.daemon_threads, server.code, server.gate = True, 200, threading.Event()
    server.gate.set()
    server.url = f"http://127.0.0.1:{server.server_address[1]}/health"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.gate.set()
    server.shutdown()
    server.server_close()


def test_a_killed_app_is_started_again_with_evidence_and_verified(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": app()}}).start()
    daemon.wait_state("worker", "healthy")
    engine.kill_main("worker")
    told = daemon.wait_event("recovery.succeeded", subject="worker")
    assert told["data"]["by"] == "edged" and told["data"]["attempts"] == 1
    assert engine.pid("worker") > 0
    kinds = [(e["type"].removeprefix("dev.edged."), e["data"]) for e in daemon.events() if e["subject"] == "worker"]
    order = [
        next(i for i, (kind, data) in enumerate(kinds) if kind == "alert.raised" and data["name"] == "AppDown"),
        next(i for i, (kind, _) in enumerate(kinds) if kind == "recovery.started"),
        next(
            i for i, (kind, data) in enumerate(kinds) if kind == "action.ended" and data["action"] == "CaptureEvidence"
        ),
        next(
            i for i, (kind, data) in enumerate(kinds) if kind == "action.started" and data["action"] == "StartContainer"
        ),
        next(
            i for i, (kind, data) in enumerate(kinds) if kind == "action.ended" and data["action"] == "StartContainer"
        ),
        next(i for i, (kind, _) in enumerate(kinds) if kind == "alert.cleared"),
    ]
    assert order == sorted(order)
    evidence = next(data["result"] for _, data in kinds if data.get("action") == "CaptureEvidence" and "result" in data)
    record = json.loads(gzip.decompress(Path(evidence["path"]).read_bytes()))
    assert record["inspect"]["State"]["ExitCode"] == 137 and record["context"]["ailment"] == "AppDown"


def test_what_a_person_stops_stays_stopped_and_is_said(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": app()}}).start()
    daemon.wait_state("worker", "healthy")
    engine.client.stop("worker", timeout=1)
    stopped = daemon.wait_state("worker", "stopped")
    assert "person" in stopped["reason"]
    assert not daemon.events("action.started") and not daemon.events("alert.raised")
    # It is remembered over a restart of edged, too.
    assert daemon.stop() == 0
    daemon.start()
    daemon.wait_state("worker", "stopped")
    engine.client.start("worker")
    daemon.wait_state("worker", "healthy")
    assert not daemon.events("action.started")


def test_docker_kill_is_a_failure_and_is_recovered(engine: Engine, edged: Make) -> None:
    engine.run("worker", restart_policy="always")
    daemon = edged({"apps": {"worker": app()}}).start()
    daemon.wait_state("worker", "healthy")
    engine.client.kill("worker")
    daemon.wait_event("recovery.succeeded", subject="worker", by="edged")


def test_docker_restarts_by_itself_and_edged_keeps_out(engine: Engine, edged: Make) -> None:
    engine.run("worker", restart_policy="always")
    daemon = edged({"apps": {"worker": app(restart={"policy_grace": "10s"})}}).start()
    daemon.wait_state("worker", "healthy")
    engine.kill_main("worker")
    told = daemon.wait_event("recovery.succeeded", subject="worker")
    assert told["data"]["by"] == "engine"
    assert not daemon.events("action.started")


def test_a_hanging_probe_restarts_the_app(engine: Engine, edged: Make, endpoint: Any) -> None:
    engine.run("worker")
    health = {"http": endpoint.url, "every": "200ms", "timeout": "200ms", "failures": 2, "start_period": "0s"}
    daemon = edged({"apps": {"worker": app(health=health)}}).start()
    daemon.wait_state("worker", "healthy")
    before = engine.inspect("worker")["State"]["StartedAt"]
    endpoint.gate.clear()
    daemon.wait_event("action.ended", action="RestartContainer", ok=True)
    endpoint.gate.set()
    told = daemon.wait_event("recovery.succeeded", subject="worker")
    assert told["data"]["ailment"] == "Unhealthy"
    assert engine.inspect("worker")["State"]["StartedAt"] > before
    raised = daemon.wait_event("alert.raised", name="Unhealthy")
    assert "no answer within" in raised["data"]["summary"]


def test_dockers_own_health_check_counts(engine: Engine, edged: Make, tmp_path: Path) -> None:
    (tmp_path / "ok").touch()
    check = {"test": ["CMD", "test", "-e", "/flag/ok"], "interval": 10**9, "timeout": 10**9, "retries": 1}
    engine.run("worker", mounts=[f"{tmp_path}:/flag"], healthcheck=check)
    daemon = edged({"apps": {"worker": app()}}).start()
    daemon.wait_state("worker", "healthy")
    (tmp_path / "ok").unlink()
    daemon.wait_event("action.ended", action="RestartContainer", ok=True)
    (tmp_path / "ok").touch()
    daemon.wait_event("recovery.succeeded", subject="worker", ailment="Unhealthy")


def test_a_crash_loop_spends_its_budget_then_is_tried_slowly(engine: Engine, edged: Make) -> None:
    engine.run("worker", "sh", "-c", "test -e /flag/good && sleep 1000; exit 3")
    rules = {"budget": 3, "per": "1m", "retry_after": "3s", "reset_after": "30s"}
    daemon = edged({"apps": {"worker": app(restart=rules)}}).start()
    gave_up = daemon.wait_event("recovery.gave_up", subject="worker")
    assert gave_up["data"]["attempts"] == 3
    starts = [e for e in daemon.events("action.started") if e["data"]["action"] == "StartContainer"]
    assert len(starts) == 3
    first, second, *_ = [e["data"]["next_in"] for e in daemon.events("recovery.failed")]
    assert first < second, "the waits grow"
    daemon.wait_event("alert.raised", name="CrashLoop")
    daemon.wait_event("alert.raised", name="RecoveryExhausted")
    assert daemon.app("worker")["recovery"]["circuit"] == "open"
    # Never abandoned: a slow retry comes all the same.
    daemon.wait(
        lambda: sum(e["data"]["action"] == "StartContainer" for e in daemon.events("action.started")) == 4,
        10.0,
        "a retry",
    )


def test_a_dependency_that_is_down_spends_no_budget(engine: Engine, edged: Make, endpoint: Any) -> None:
    engine.run("worker")
    endpoint.code = 503
    health = {"http": endpoint.url, "every": "200ms", "timeout": "200ms", "failures": 2, "start_period": "0s"}
    dependency = {"tcp": "127.0.0.1:1", "every": "200ms", "timeout": "200ms", "failures": 1}
    daemon = edged(
        {"apps": {"worker": app(health=health, needs=["store"])}, "dependencies": {"store": dependency}}
    ).start()
    daemon.wait_event("alert.raised", name="DependencyDown")
    held = daemon.wait_event("recovery.held", subject="worker")
    assert "store" in held["data"]["reason"]
    assert daemon.app("worker")["recovery"]["budget_used"] == 0
    assert not daemon.events("action.started")


def test_a_memory_limit_that_kills_is_reported(engine: Engine, edged: Make) -> None:
    hungry = "x=a; while :; do x=$x$x; done"
    engine.run("worker", "sh", "-c", f"sleep 1; {hungry}", mem_limit=16 * 2**20)
    daemon = edged({"apps": {"worker": app(restart={"budget": 1})}}).start()
    told = daemon.wait_event("alert.raised", name="OomKilled")
    assert "memory" in told["data"]["summary"]


def test_critical_memory_restarts_the_app(engine: Engine, edged: Make) -> None:
    # Memory in a tmpfs is charged to the container, and is gone after a restart.
    fill = "test -e /again && sleep 1000; touch /again; dd if=/dev/zero of=/dev/shm/x bs=1M count=28; sleep 1000"
    engine.run("worker", "sh", "-c", fill, mem_limit=32 * 2**20)
    config = {
        "sampling": {"every": "200ms"},
        "apps": {"worker": app(memory={"warn": "60%", "critical": "80%", "for": "500ms"})},
    }
    daemon = edged(config).start()
    daemon.wait_event("alert.raised", name="HighMemory", subject="worker")
    daemon.wait_event("recovery.succeeded", ailment="HighMemory", by="edged")
    daemon.wait_event("alert.cleared", name="HighMemory", subject="worker")


def test_a_recreated_container_is_the_same_app(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": app()}}).start()
    daemon.wait_state("worker", "healthy")
    engine.rm("worker")
    daemon.wait_state("worker", "missing")
    daemon.wait_event("alert.raised", name="AppDown")
    fresh = engine.run("worker")
    seen = daemon.wait_state("worker", "healthy")
    assert seen["container"]["id"] == fresh[:12]
    daemon.wait_event("alert.cleared", name="AppDown")
    engine.kill_main("worker")
    daemon.wait_event("recovery.succeeded", subject="worker", attempts=1)


def test_a_renamed_container_is_another_app(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": app()}}).start()
    daemon.wait_state("worker", "healthy")
    engine.client.rename("worker", "elsewhere")
    daemon.wait_state("worker", "missing")
    engine.client.rename("elsewhere", "worker")
    daemon.wait_state("worker", "healthy")


def test_maintenance_keeps_hands_off_and_manual_actions_work(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": app()}}).start()
    daemon.wait_state("worker", "healthy")
    answer = daemon.command("maintenance.set", app="worker", on=True, seconds=60, why="new camera")
    assert answer["status"] == "succeeded"
    engine.kill_main("worker")
    held = daemon.wait_event("recovery.held", subject="worker")
    assert "maintenance" in held["data"]["reason"]
    daemon.wait_event("alert.raised", name="AppDown")
    assert not daemon.events("action.started")
    assert daemon.command("start", app="worker")["status"] == "succeeded"
    engine.kill_main("worker")
    assert daemon.command("maintenance.set", app="worker", on=False)["status"] == "succeeded"
    daemon.wait(lambda: engine.pid("worker") > 0, 10.0, "edged acts again")


def test_labels_make_an_app(engine: Engine, edged: Make) -> None:
    labels = {"edged.enable": "true", "edged.restart.budget": "2", "edged.memory.critcal": "95%"}
    engine.run("labelled", labels=labels)
    engine.run("stranger")
    daemon = edged({"discover": "labels"}).start()
    seen = daemon.wait_state("labelled", "healthy")
    assert seen["recovery"]["budget"] == 2
    assert "stranger" not in daemon.status()["apps"]
    assert any("critical" in problem for problem in seen["problems"])
    engine.kill_main("labelled")
    daemon.wait_event("recovery.succeeded", subject="labelled", by="edged")


def test_what_is_only_observed_is_never_touched(engine: Engine, edged: Make) -> None:
    engine.run("stranger")
    daemon = edged({"discover": "all"}).start()
    daemon.wait_state("stranger", "healthy")
    engine.kill_main("stranger")
    daemon.wait_event("alert.raised", name="AppDown", subject="stranger")
    assert daemon.app("stranger")["observed_only"]
    assert not daemon.events("action.started")
