"""The command line as an operator uses it: exit codes, JSON, and messages that say what to do next."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

Make = Callable[..., Edged]


def call(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edged", *args], capture_output=True, text=True, timeout=60)


@pytest.mark.engine
def test_status_alerts_and_commands(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": {"restart": {"stop_timeout": "1s"}}}}).start()
    daemon.wait_state("worker", "healthy")
    here = ("--socket", daemon.socket)
    status = call("status", *here)
    assert status.returncode == 0 and "worker" in status.stdout and "\x1b" not in status.stdout
    assert json.loads(call("status", "--json", *here).stdout)["apps"]["worker"]["state"] == "healthy"
    restarted = call("restart", "worker", *here)
    assert (restarted.returncode, restarted.stdout.splitlines()[-1]) == (0, "succeeded: worker is healthy")
    unknown = call("restart", "wroker", *here)
    assert unknown.returncode == 3 and "apps here: worker" in unknown.stdout
    assert call("maintenance", "worker", "on", *here).returncode == 2
    assert call("maintenance", "worker", "on", "--for", "1h", "--why", "test", *here).returncode == 0
    assert "maintenance by local:uid=0" in call("status", *here).stdout
    assert call("maintenance", "worker", "off", *here).returncode == 0
    assert call("maintenance", "worker", "off", *here).returncode == 3
    assert call("stop", "worker", *here).returncode == 0
    assert daemon.app("worker")["state"] == "stopped"
    assert call("stop", "worker", *here).returncode == 3
    assert call("start", "worker", *here).returncode == 0
    engine.rm("worker")
    daemon.wait_event("alert.raised", name="AppDown")
    assert call("status", *here).returncode == 1
    assert "AppDown" in call("alerts", *here).stdout
    past = json.loads(call("alerts", "--json", "--since", "1h", *here).stdout)
    assert [e["data"]["name"] for e in past["past"]] == ["AppDown"]


def test_without_a_daemon(tmp_path: Path) -> None:
    silent = call("status", "--socket", str(tmp_path / "no.sock"))
    assert silent.returncode == 4 and "does not answer" in silent.stderr


def test_check_shows_every_error_at_once(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    file.write_text("sampling: {every: soon}\nappz: {}\napps:\n  a: {memory: {warn: 99%}}\n")
    checked = call("check", "-c", str(file))
    assert checked.returncode == 2
    assert f"{file}:1: sampling.every" in checked.stderr
    assert f"{file}:2: appz" in checked.stderr and "did you mean" in checked.stderr
    assert f"{file}:4: apps.a.memory" in checked.stderr
    told = json.loads(call("check", "--json", "-c", str(file)).stdout)
    assert not told["ok"] and len(told["errors"]) == 3
    file.write_text("apps: {a: {}}\n")
    good = call("check", "-c", str(file))
    assert good.returncode == 0 and ", 1 app, sha256:" in good.stdout


def test_usage() -> None:
    assert call().returncode == 2
    assert call("--help").returncode == 0
    near = call("statsu")
    assert near.returncode == 2 and "did you mean status?" in near.stderr
    for verb in ("run", "check", "status", "alerts", "restart", "start", "stop", "maintenance", "demo"):
        helped = call(verb, "--help")
        assert helped.returncode == 0 and re.search("examples?:", helped.stdout), verb


def test_the_daemon_says_why_it_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    file.write_text("nonsense: 1\n")
    assert call("run", "-c", str(file)).returncode == 2
    file.write_text("state_dir: /proc/nowhere\n")
    refused = call("run", "-c", str(file))
    assert refused.returncode == 1 and "state folder" in refused.stderr
