"""Runbooks with a real daemon and a real engine: what the file says is what is done, and what is not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine
Make = Callable[..., Edged]

QUICK = {"backoff": "100ms", "max_backoff": "500ms", "stop_timeout": "1s", "policy_grace": "1s"}


def verb(daemon: Edged, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *words, "--socket", daemon.socket],
        capture_output=True, text=True, timeout=60.0,
    )  # fmt: skip


def test_a_runbook_without_a_restart_restarts_nothing_and_calls_a_person(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    engine.run("other")
    apps = {"worker": {"restart": QUICK}, "other": {"restart": QUICK}}
    books = {"AppDown/worker": ["capture", {"do": "escalate", "say": "the press is to be looked at first"}]}
    daemon = edged({"apps": apps, "runbooks": books}).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait_state("other", "healthy")

    foretold = json.loads(verb(daemon, "runbooks", "try", "AppDown", "worker", "--json").stdout)
    assert [(s["step"], s["verdict"]) for s in foretold["steps"]] == [("capture", "now"), ("escalate", "then")]
    assert [a["action"] for a in foretold["actions"]] == ["CaptureEvidence"]
    said = verb(daemon, "runbooks", "try", "AppDown", "other")
    assert said.returncode == 0 and "CaptureEvidence of other" in said.stdout and "no objection" in said.stdout
    unknown = verb(daemon, "runbooks", "try", "AppDown", "nobody")
    assert unknown.returncode == 1 and "other, worker" in unknown.stderr
    assert not daemon.events("action.started"), "trying does nothing"

    engine.kill_main("worker")
    engine.kill_main("other")
    told = daemon.wait_event("runbook.escalated", subject="worker")
    assert told["data"]["reason"] == "the press is to be looked at first"
    daemon.wait_event("recovery.succeeded", subject="other", by="edged")
    ended = daemon.wait_event("runbook.ended", subject="worker")["data"]
    assert [(s["step"], s["result"]) for s in ended["steps"]] == [("capture", "done"), ("escalate", "done")]
    time.sleep(3.0)
    assert daemon.app("worker")["state"] == "down"
    assert [e for e in daemon.events("action.started") if e["subject"] == "worker"] == []
    held = daemon.wait_event("recovery.held", subject="worker")["data"]["reason"]
    assert held == "its runbook AppDown/worker has no step start or restart"
    listed = verb(daemon, "runbooks").stdout
    assert "AppDown/worker" in listed and "replaced" in listed and "in force now" in listed

    # With the file as it was before, the built-in one begins at once.
    daemon.configure({"apps": apps})
    daemon.reload()
    daemon.wait_state("worker", "healthy")
    daemon.wait_event("runbook.step_ended", subject="worker", step="start", result="done")


def test_after_an_outage_the_essential_app_is_seen_well_before_the_rest(engine: Engine, edged: Make) -> None:
    # Healthy only after a while: what comes later must have waited for that.
    slow = {"test": ["CMD", "sh", "-c", "[ -e /tmp/ready ]"], "interval": 10**9, "timeout": 10**9, "retries": 30}
    body = "rm -f /tmp/ready; sleep 4; touch /tmp/ready; trap 'exit 0' TERM; sleep 100000 & wait"
    engine.run("base", "sh", "-c", body, healthcheck=slow)
    engine.run("rest")
    apps: dict[str, Any] = {"base": {"priority": 10}, "rest": {"priority": 90}}
    for app in apps.values():
        app["restart"] = QUICK
        app["health"] = {"start_period": "30s"}
    daemon = edged({"apps": apps}).start()
    daemon.wait_state("base", "healthy", 30.0)
    daemon.wait_state("rest", "healthy", 30.0)
    engine.stop()
    daemon.wait_event("alert.raised", name="EngineDown")
    engine.start()
    told = daemon.wait_event("runbook.step_ended", 90.0, alert="EngineDown", step="recover_all")
    assert told["data"]["result"] == "done" and "2 apps are healthy" in told["data"]["reason"]
    order = [
        (e["type"].removeprefix("dev.edged."), e["subject"])
        for e in daemon.events("action.started", "app.changed")
        if e["type"].endswith("action.started") or e["data"]["new"] == "healthy"
    ]
    after = order[order.index(("action.started", "base")) :]
    assert after == [
        ("action.started", "base"), ("app.changed", "base"), ("action.started", "rest"), ("app.changed", "rest"),
    ]  # fmt: skip


def test_a_full_disk_is_pruned(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    engine.run("leftover", "true")
    disk = {"paths": ["/"], "warn": "0.1%", "critical": "0.2%", "prune": {"min_age": "0s"}}
    host = {"disk": disk, "every": "1s", "cpu": {"for": "1h"}, "clock": {"for": "1h"}}
    daemon = edged({"apps": {"worker": {}}, "host": host}).start()
    daemon.wait_state("worker", "healthy")
    pruned = daemon.wait_event("action.ended", 90.0, action="PruneDisk")["data"]
    assert pruned["ok"] and pruned["result"]["removed"] == ["leftover"]
    assert daemon.app("worker")["state"] == "healthy"
    assert {c["Names"][0] for c in engine.client.containers(all=True)} == {"/worker"}
