"""``edged doctor`` as an operator uses it: here, beside a daemon, as somebody else, and on a device with systemd."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.cli.doctor import lines
from edged.doctor import EXAMINATIONS
from edged.doctor.finding import fail
from tests.fixtures.broker import Mosquitto
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine
from tests.fixtures.machine import Machine
from tests.fixtures.unit import Unit


def call(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edged", "doctor", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def named(findings: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {f"{one['examination']} {one['subject']}".strip(): one for one in findings}


def test_this_machine_with_every_examination_in_time() -> None:
    began = time.monotonic()
    done = call("--json")
    assert time.monotonic() - began < 10.0
    told = json.loads(done.stdout)
    assert list(dict.fromkeys(one["examination"] for one in told["findings"])) == list(EXAMINATIONS)
    for one in told["findings"]:
        assert one.keys() == {"examination", "subject", "verdict", "text", "fix"}
        assert one["verdict"] in ("ok", "warn", "fail", "skip") and one["text"]
        assert one["verdict"] == "ok" or one["fix"], one
    assert told["ok"] == all(one["verdict"] != "fail" for one in told["findings"])
    assert done.returncode == (0 if told["ok"] else 1) and done.stderr == ""


def test_text_for_people(tmp_path: Path) -> None:
    file = tmp_path / "edged.yaml"
    file.write_text("appz: {}\n")
    done = call("-c", str(file), "--only", "config,state", "--only", "broker")
    shown = done.stdout.splitlines()
    assert done.returncode == 1 and "\x1b" not in done.stdout and done.stderr == ""
    assert shown[0].startswith(f"fail  config                      {file}:1: appz: unknown key")
    assert shown[1].startswith("      → edit ")
    assert shown[2].startswith("ok    state ") or shown[2].startswith("fail  state ")
    assert any(line.startswith("skip  broker ") for line in shown)
    assert " wrong, 1 not known in " in shown[-1]
    file.write_text("apps: {a: {}}\n")
    assert call("-c", str(file), "--only", "config").returncode == 0


def test_usage() -> None:
    unknown = call("--only", "brokr")
    assert unknown.returncode == 2 and "there are: config, engine" in unknown.stderr
    assert call("--nonsense").returncode == 2
    assert "example: sudo edged doctor" in call("--help").stdout


def test_what_others_write_does_not_steer_the_terminal() -> None:
    assert "\x1b" not in "".join(lines(fail("broker", "said \x1b[2J", "do\x1b[2J")))


@pytest.mark.engine
@pytest.mark.broker
def test_beside_a_daemon(edged: Callable[..., Edged], broker: Mosquitto, engine: Engine) -> None:
    engine.run("worker")
    daemon = edged({"mqtt": {"url": broker.url}, "apps": {"worker": {}}}).start()
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 15.0, "connected")
    done = call("--json", "-c", str(daemon.file))
    found = named(json.loads(done.stdout)["findings"])
    for name in ("config", "engine", "cgroups reading", "state", "state database", "broker mqtt",
                 "broker permissions", "daemon", "daemon broker"):  # fmt: skip
        assert found[name]["verdict"] == "ok", found[name]
    assert daemon.status()["broker"]["connected"] and daemon.alive()
    assert broker.log.count("as edged-test-device (") == 1, "it was not thrown out"

    broker.stop()
    daemon.wait(lambda: not daemon.status()["broker"]["connected"], 15.0, "disconnected")
    off = named(json.loads(call("--json", "-c", str(daemon.file)).stdout)["findings"])
    assert off["broker tcp"]["verdict"] == "fail" and off["daemon broker"]["verdict"] == "fail"


SECRET = {"url": "mqtts://127.0.0.1:1", "username": "u", "password_file": "${CREDENTIALS_DIRECTORY}/mqtt.password"}


def examine(device: Machine, *args: str, user: str = "root") -> dict[str, dict[str, str]]:
    done = device.run(" ".join(["edged doctor --json", *args]), user=user)
    assert done.returncode in (0, 1), done.stdout
    return named(json.loads(done.stdout)["findings"])


@pytest.mark.engine
def test_on_a_device(device: Machine, unit: Callable[..., Unit], engine: Engine) -> None:
    engine.run("worker")
    device.put("/etc/credstore/mqtt.password", "s", 0o600)
    config = {"apps": {"worker": {}}, "docker": {"restart": {"after": "60s"}}, "mqtt": SECRET}
    daemon = unit(config).start()
    device.sh("systemctl enable edged")
    found = examine(device)
    for name in ("config", "engine access", "engine", "state", "state database", "daemon", "systemd", "systemd unit",
                 "systemd watchdog", "systemd polkit"):  # fmt: skip
        assert found[name]["verdict"] == "ok", found
    assert "user edged may use" in found["engine access"]["text"] and found["systemd watchdog"]["text"] == "30s"
    assert "config mqtt.password_file" not in found and found["broker tcp"]["verdict"] == "fail"

    little = examine(device, user="nobody")
    assert {one["examination"] for one in little.values()} == EXAMINATIONS.keys()
    for name in ("config", "engine", "state", "daemon", "systemd polkit"):
        assert little[name]["verdict"] == "skip" and "sudo" in little[name]["fix"], little

    daemon.stop()
    device.sh("systemctl disable edged && rm /etc/polkit-1/rules.d/50-edged.rules")
    device.drop_in("[Service]\nWatchdogSec=0\nSupplementaryGroups=\n")
    found = examine(device)
    device.sh(f"cp {REPO}/systemd/polkit/*.rules /etc/polkit-1/rules.d/")
    assert found["config mqtt.password_file"]["text"].endswith("is handed to the service by systemd")
    verdicts = {name: found[name]["verdict"] for name in ("engine access", "systemd unit", "systemd watchdog")}
    assert verdicts == dict.fromkeys(verdicts, "fail") and found["systemd polkit"]["verdict"] == "warn", found
    assert "usermod -aG docker edged" in found["engine access"]["fix"]
