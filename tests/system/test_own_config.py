"""edged's own configuration by command, on a real daemon and a real broker: kept, taken back, interrupted."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.broker import Mosquitto, Reader, free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]


def text(daemon: Edged, **more: Any) -> str:
    """The daemon's configuration with something else in it."""
    return yaml.safe_dump(daemon.config | more)


def apply(daemon: Edged, hold: float, **more: Any) -> dict[str, Any]:
    return daemon.command("edged.config.deploy", config=text(daemon, **more), hold=hold)


def trial(daemon: Edged) -> list[str]:
    return [event["data"]["state"] for event in daemon.events("config.trial")]


def final(daemon: Edged, kind: str = "edged.config.deploy") -> list[tuple[str, str]]:
    """Final answers in the event log, which restarts outlive."""
    found = [e["data"] for e in daemon.events("command.answered") if e["data"]["command"] == kind]
    return [(d["status"], d["reason"]) for d in found if d["status"] not in ("accepted", "running")]


@pytest.mark.broker
def test_a_good_one_stays_over_restarts_until_the_file_changes(
    engine: Engine, edged: Make, broker: Mosquitto, read: Callable[..., Reader]
) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": {}}, "mqtt": {"url": broker.url}}).start()
    daemon.wait(lambda: daemon.status()["broker"]["connected"])
    console = read("edged/v1/#")
    answer = apply(daemon, 1.0, apps={"worker": {"priority": 4}}, log={"format": "json"})
    assert answer["status"] == "succeeded", answer
    assert trial(daemon) == ["begun", "kept"] and final(daemon) == [("succeeded", "")]
    applied = daemon.state / "applied.yaml"
    assert applied.stat().st_mode & 0o077 == 0
    status = daemon.status()["config"]
    assert (status["path"], status["instead_of"]) == (str(applied), str(daemon.file)) and status["trial"] is None
    shown = subprocess.run(
        [sys.executable, "-m", "edged", "status", "--socket", daemon.socket],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"in force instead of {daemon.file} until that file changes" in shown.stdout
    examined = subprocess.run(
        [sys.executable, "-m", "edged", "doctor", "-c", str(daemon.file), "--only", "config"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "applied by a command" in examined.stdout, examined.stdout + examined.stderr
    daemon.wait(lambda: any('"kept"' in p.decode() for p in console.payloads("edged/v1/test-device/event")))
    digest = status["digest"]
    # The file as it was: what was applied is in force after SIGHUP and after a crash.
    daemon.reload()
    daemon.wait(lambda: len(daemon.events("config.reloaded")) == 2)
    daemon.kill()
    daemon.start()
    assert daemon.status()["config"]["digest"] == digest and final(daemon) == [("succeeded", "")]
    # Somebody edits the file: that is what counts from now on, even when it is as before again.
    before = daemon.file.read_text()
    daemon.file.write_text(before + "\n# by hand\n")
    daemon.reload()
    daemon.wait(lambda: daemon.status()["config"]["path"] == str(daemon.file))
    daemon.wait(lambda: not applied.exists())
    daemon.file.write_text(before)
    daemon.stop()
    daemon.start()
    assert daemon.status()["config"]["path"] == str(daemon.file) and daemon.status()["config"]["instead_of"] == ""


@pytest.mark.broker
def test_one_with_a_wrong_port_of_the_broker_comes_back_by_itself(
    engine: Engine, edged: Make, broker: Mosquitto
) -> None:
    daemon = edged({"mqtt": {"url": broker.url, "password": "hunter2", "username": "u"}}).start()
    daemon.wait(lambda: daemon.status()["broker"]["connected"])
    digest = daemon.status()["config"]["digest"]
    wrong = {"url": f"mqtt://127.0.0.1:{free_port()}", "password": "hunter3", "username": "u"}
    answer = apply(daemon, 3.0, mqtt=wrong, http={"listen": f"127.0.0.1:{free_port()}"})
    assert (answer["status"], answer["reason"]) == ("failed", "broker"), answer
    assert "nobody listens" in answer["message"] and trial(daemon) == ["begun", "undone"]
    status = daemon.status()["config"]
    assert (status["digest"], status["path"], status["trial"]) == (digest, str(daemon.file), None)
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 15.0, "connected as before")
    assert not (daemon.state / "applied.yaml").exists()
    last_good = daemon.state / "last-good.yaml"
    assert last_good.read_bytes() == daemon.file.read_bytes()
    for path in daemon.state.iterdir():
        assert not path.is_file() or b"hunter3" not in path.read_bytes(), path
    assert "hunter3" not in daemon.text()


@pytest.mark.broker
def test_it_comes_back_even_when_its_old_address_is_taken_meanwhile(
    engine: Engine, edged: Make, broker: Mosquitto
) -> None:
    daemon = edged({"mqtt": {"url": broker.url}}).start()
    daemon.wait(lambda: daemon.status()["broker"]["connected"])
    digest, page = daemon.status()["config"]["digest"], free_port()
    new = daemon.folder / "new.yaml"
    new.write_text(text(daemon, mqtt={"url": f"mqtt://127.0.0.1:{free_port()}"}, http={"listen": f"127.0.0.1:{page}"}))
    asking = subprocess.Popen(
        [sys.executable, "-m", "edged", "apply", str(new), "--hold", "4s", "--socket", daemon.socket],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    daemon.wait(lambda: (daemon.status()["config"]["trial"] or {}).get("phase") == "watching")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        daemon.wait(lambda: squatter.connect_ex(("127.0.0.1", daemon.port)) != 0, what="the old address is free")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", daemon.port))
        squatter.listen()
        said, _ = asking.communicate(timeout=30.0)
    assert asking.returncode == 1 and "failed [broker]" in said
    assert daemon.status()["config"]["digest"] == digest and "is served until edged is restarted" in daemon.text()
    assert urllib.request.urlopen(f"http://127.0.0.1:{page}/healthz", timeout=5).status == 200


@pytest.mark.broker
def test_a_trial_does_not_outlive_sigkill(engine: Engine, edged: Make, broker: Mosquitto) -> None:
    daemon = edged({"mqtt": {"url": broker.url}}).start()
    daemon.wait(lambda: daemon.status()["broker"]["connected"])
    digest = daemon.status()["config"]["digest"]
    new = daemon.folder / "new.yaml"
    new.write_text(text(daemon, mqtt={"url": f"mqtt://127.0.0.1:{free_port()}"}))
    asking = subprocess.Popen(
        [sys.executable, "-m", "edged", "apply", str(new), "--socket", daemon.socket],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    daemon.wait(lambda: (daemon.status()["config"]["trial"] or {}).get("phase") == "watching")
    assert daemon.status()["config"]["digest"] != digest
    # Nobody changes the ground under it meanwhile.
    assert daemon.command("edged.reload")["reason"] == "busy"
    daemon.reload()
    told = daemon.wait_event("config.refused")
    assert "on trial" in told["data"]["errors"][0]
    daemon.kill()
    _, said = asking.communicate(timeout=10.0)
    assert asking.returncode == 4 and "edged audit show" in said
    daemon.start()
    assert daemon.status()["config"]["digest"] == digest and daemon.status()["config"]["path"] == str(daemon.file)
    daemon.wait(lambda: final(daemon) == [("failed", "interrupted")])
    assert trial(daemon) == ["begun", "undone"]
    daemon.wait(lambda: daemon.status()["broker"]["connected"])
    daemon.stop()
    daemon.start()
    assert final(daemon) == [("failed", "interrupted")], "once and for all"


def test_bad_ones_change_nothing(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    digest = daemon.status()["config"]["digest"]
    refusals = [
        (text(daemon) + "\nappz: {}\n", "did you mean"),
        (text(daemon, device={"id": "another"}), "device.id"),
        (text(daemon, state_dir=str(daemon.folder)), "state_dir"),
        (text(daemon, mqtt={"url": "mqtt://127.0.0.1:1", "password_file": "nowhere"}), "No such file"),
    ]
    for config, why in refusals:
        answer = daemon.command("edged.config.deploy", config=config, hold=1.0)
        assert (answer["status"], answer["reason"]) == ("failed", "refused") and why in answer["message"], answer
    # An address that cannot be had shows only when it is taken: that is taken back.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = apply(daemon, 1.0, http={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
    assert (answer["status"], answer["reason"]) == ("failed", "not_taken") and "cannot listen" in answer["message"]
    assert daemon.status()["config"]["digest"] == digest and not (daemon.state / "applied.yaml").exists()
    assert daemon.status()["config"]["errors"] == [] and len(daemon.events("config.refused")) == len(refusals)


def test_a_large_one_gets_through(engine: Engine, edged: Make) -> None:
    daemon = edged().start()
    filling = "# ä\n" * 50_000
    answer = daemon.command("edged.config.deploy", config=filling + text(daemon), hold=1.0)
    assert answer["status"] == "succeeded", answer
    assert (daemon.state / "applied.yaml").stat().st_size > 200_000
    answer = daemon.command("edged.config.deploy", config=filling * 2, hold=1.0)
    assert (answer["status"], answer["reason"]) == ("rejected", "too_large")


def test_the_verbs(engine: Engine, edged: Make, tmp_path: Path) -> None:
    daemon = edged().start()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edged", *words, "--socket", daemon.socket]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    new = tmp_path / "new.yaml"
    new.write_text(text(daemon, log={"format": "json"}))
    done = run("apply", str(new), "--hold", "1s", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    statuses = [json.loads(line)["status"] for line in done.stdout.splitlines()]
    assert statuses == ["accepted", "running", "running", "succeeded"]
    new.write_text("appz: {}\n")
    done = run("apply", str(new))
    assert done.returncode == 1 and "did you mean" in done.stdout
    assert run("apply", str(new), "--hold", "1h").returncode == 3
    assert run("apply", str(new), "--hold", "soon").returncode == 2
    assert run("apply", str(tmp_path / "nowhere.yaml")).returncode == 2
    assert run("reload").returncode == 0
    daemon.file.write_text("appz: {}\n")
    done = run("reload")
    assert done.returncode == 1 and "did you mean" in done.stdout, done.stdout + done.stderr
    assert daemon.status()["config"]["errors"]
