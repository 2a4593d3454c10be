"""The weekly check of a real daemon: what happened is in it, and the exit code says whether to look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine

pytestmark = [pytest.mark.engine, pytest.mark.broker]
Make = Callable[..., Edged]
QUICK = {"restart": {"backoff": "100ms", "stop_timeout": "1s"}}


def report(daemon: Edged, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edged", "report", "--socket", str(daemon.socket), *arguments]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)


def content(daemon: Edged) -> dict[str, Any]:
    answer = report(daemon, "--format", "json", "--since", "1h")
    assert answer.returncode in (0, 1), answer.stderr
    made: dict[str, Any] = json.loads(answer.stdout)
    assert (made["verdict"] == "ok") == (answer.returncode == 0)
    return made


def test_a_recovery_and_an_outage_are_in_the_report(
    engine: Engine, edged: Make, broker: Mosquitto, read: Callable[..., Reader], tmp_path: Path
) -> None:
    engine.run("worker")
    console = read()
    daemon = edged({"apps": {"worker": QUICK}, "mqtt": {"url": broker.url}}).start()
    daemon.wait_state("worker", "healthy")
    engine.kill_main("worker")
    daemon.wait_event("recovery.succeeded")
    daemon.wait_state("worker", "healthy")
    made = content(daemon)
    app = made["apps"]["worker"]
    assert app["state"] == "healthy" and app["counts"]["recoveries"] == 1 and app["recovery_seconds"]["median"] > 0.0
    assert made["events"]["missing"] == [] and made["events"]["count"] == made["events"]["last"]
    assert made["audit"]["ok"] and made["audit"]["records"] >= 1
    assert made["incidents"]["counts"]["incidents"] >= 1

    engine.client.stop("worker", timeout=1)
    daemon.wait_state("worker", "stopped")
    daemon.command("start", app="worker")
    page = tmp_path / "review.html"
    answer = report(daemon, "--since", "1h", "--format", "html", "-o", str(page), "--publish")
    assert answer.returncode in (0, 1), answer.stderr
    assert page.read_text().startswith("<!doctype html>") and str(page) in answer.stdout
    daemon.wait(lambda: any(b"report.made" in p for p in console.payloads("edged/v1/test-device/event")), 10.0, "told")
    told = daemon.events("report.made")[0]["data"]
    assert told["verdict"] == ("ok" if answer.returncode == 0 else "attention")


def weekly(daemon: Edged, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(REPO / "scripts/weekly-health-check"), "--socket", str(daemon.socket), "--to", str(folder), "--keep", "2"],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"EDGED": f"{sys.executable} -m edged", "PYTHONPATH": str(REPO)},
    )  # fmt: skip


def test_the_weekly_check_prints_stores_and_tells(engine: Engine, edged: Make, tmp_path: Path) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": QUICK | {"restart": {"enabled": False}}}}).start()
    daemon.wait_state("worker", "healthy")
    engine.kill_main("worker")
    daemon.wait_state("worker", "down")
    folder = tmp_path / "reports"
    answer = weekly(daemon, folder)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "ATTENTION" in answer.stdout and "it is down" in answer.stdout
    assert sorted(one.suffix for one in folder.iterdir()) == [".html", ".json", ".txt"]
    # Where nothing can be kept it is printed and told all the same, and that is no success.
    answer = weekly(daemon, Path("/proc/none"))
    assert answer.returncode == 5, answer.stdout + answer.stderr
    assert "it is down" in answer.stdout and "could not be kept in /proc/none" in answer.stderr
    assert len(daemon.events("report.made")) == 2
    assert daemon.events("report.made")[0]["data"]["verdict"] == "attention"


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edged", "report", "--socket", str(tmp_path / "none.sock")]
    answer = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 4 and "does not answer" in answer.stderr
    assert subprocess.run([*command, "--since", "soon"], cwd=REPO, capture_output=True, check=False).returncode == 2
