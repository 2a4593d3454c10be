"""Runbooks with a real daemon and a real engine: what the file says is what is done, and what is not."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes file systems with these mount options."""
    made: list[Path] = []

    def make(options: str) -> Path:
        folder = tmp_path / f"disk-{len(made)}"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_pruned(engine: Engine, edged: Make, disk: Callable[[str], Path], tmp_path: Path) -> None:
    volume = f"data-{secrets.token_hex(4)}"
    engine.client.create_volume(volume)
    engine.run("worker", mounts=[f"{volume}:/data"])
    engine.run("leftover", "true")
    engine.client.import_image_from_data(b"".join(engine.client.export("leftover")))
    assert engine.client.images(filters={"dangling": True})
    few_inodes, read_only = disk("size=4m,nr_inodes=20"), disk("ro")
    for number in range(19):
        (few_inodes / str(number)).touch()
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ("app.log", "app.log.1"):
        (logs / name).write_text("x" * 8192)
    watched = {"paths": ["/", str(few_inodes), str(read_only)], "warn": "0.1%", "critical": "0.2%"}
    prune = {"min_age": "0s", "logs": [f"{logs}/*.log.?"]}
    host = {"disk": watched | {"prune": prune}, "every": "1s", "cpu": {"for": "1h"}, "clock": {"for": "1h"}}
    daemon = edged({"apps": {"worker": {"data": {"volume": volume, "every": "0s"}}}, "host": host}).start()
    daemon.wait_state("worker", "healthy")
    data = Path(engine.client.inspect_volume(volume)["Mountpoint"])
    for content in ("one", "two"):
        (data / "file").write_text(content)
        assert verb(daemon, "data", "worker", "backup").returncode == 0
    kept = daemon.state / "backups" / "worker"
    *old, newest = sorted(kept.glob("*.tar.gz"))
    assert len(old) == 1
    daemon.wait_event("alert.raised", name="ReadOnlyFs", subject=str(read_only), severity="critical")
    pruned = daemon.wait_event("action.ended", 90.0, action="PruneDisk")["data"]
    assert pruned["ok"] and pruned["result"]["removed"] == ["leftover"] and pruned["result"]["freed"] >= 8192
    assert daemon.app("worker")["state"] == "healthy"
    assert {c["Names"][0] for c in engine.client.containers(all=True)} == {"/worker"}
    assert [one.name for one in logs.iterdir()] == ["app.log"] and [*kept.glob("*.tar.gz")] == [newest]
    assert not engine.client.images(filters={"dangling": True})
    told = daemon.wait_event("alert.raised", name="DiskFull", subject=str(few_inodes))["data"]
    assert "100% full; 0 inodes are left" in told["summary"]
