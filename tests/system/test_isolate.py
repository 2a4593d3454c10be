"""``edged isolate`` on a real engine, with real networks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.fixtures.bridge import bridges, connected
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = pytest.mark.engine
Make = Callable[..., Edged]


@pytest.fixture
def networks(engine: Engine) -> Iterator[None]:
    with bridges(engine, plant="172.31.241.0/28", other="172.31.241.16/28"):
        yield


def verb(daemon: Edged, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *words, "--socket", daemon.socket],
        capture_output=True, text=True, timeout=60.0,
    )  # fmt: skip


def test_cut_off_kept_so_over_restarts_and_connected_again(engine: Engine, edged: Make, networks: None) -> None:
    identity = engine.run("worker", network_mode="plant")
    engine.client.disconnect_container_from_network(identity, "plant")
    engine.client.connect_container_to_network(identity, "plant", ipv4_address="172.31.241.9", aliases=["detector"])
    engine.client.connect_container_to_network(identity, "other")
    daemon = edged({"apps": {"worker": {}}}).start()
    daemon.wait_state("worker", "healthy")
    pid = engine.pid("worker")

    said = verb(daemon, "isolate", "worker")
    assert said.returncode == 0 and "cut off from" in said.stdout, said
    assert not connected(engine, "worker") and engine.pid("worker") == pid, "it runs on"
    (captured,) = [e for e in daemon.events("action.ended") if e["data"]["action"] == "CaptureEvidence"]
    assert captured["data"]["ok"]
    status = daemon.status()
    assert "isolated by local:" in status["apps"]["worker"]["reason"]
    assert [a["name"] for a in status["alerts"] if a["subject"] == "worker"] == ["AppIsolated"]
    assert sorted(status["apps"]["worker"]["isolated"]["networks"]) == ["other", "plant"]

    said = verb(daemon, "alerts", "ack", "AppIsolated", "worker", "--note", "the vendor looks into it")
    assert said.returncode == 0 and "is acknowledged" in said.stdout, said
    shown = verb(daemon, "alerts").stdout
    assert "acknowledged by local:" in shown and "the vendor looks into it" in shown
    assert verb(daemon, "alerts", "ack", "AppDown", "worker").returncode == 3
    assert verb(daemon, "alerts", "ack", "AppDown").returncode == 2

    daemon.kill()
    engine.client.connect_container_to_network(identity, "plant")
    daemon.start()
    daemon.wait(lambda: not connected(engine, "worker"), 20.0, "cut off again when edged is back")
    engine.client.stop("worker", timeout=1)
    engine.client.connect_container_to_network(identity, "plant")
    engine.client.start("worker")
    daemon.wait(lambda: not connected(engine, "worker"), 20.0, "cut off again after a restart of the container")
    daemon.wait_state("worker", "healthy")

    daemon.wait(lambda: verb(daemon, "isolate", "worker", "--undo").returncode == 0, 20.0, "undone")
    there = connected(engine, "worker")
    assert there.keys() == {"plant", "other"} and there["plant"]["IPAMConfig"]["IPv4Address"] == "172.31.241.9"
    assert "detector" in there["plant"]["Aliases"]
    daemon.wait(lambda: not [a for a in daemon.status()["alerts"] if a["name"] == "AppIsolated"], 10.0, "no alert")
    assert verb(daemon, "isolate", "worker", "--undo").returncode == 3, "it is not isolated"


def test_the_hosts_network_cannot_be_taken_away(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    engine.run("hermit", network_mode="none")
    daemon = edged({"apps": {"worker": {}, "hermit": {}}}).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait_state("hermit", "healthy")
    told = [json.loads(line) for line in verb(daemon, "isolate", "worker", "--json").stdout.splitlines()]
    assert told[-1]["reason"] == "host_network" and "edged stop worker" in told[-1]["message"]
    said = verb(daemon, "isolate", "hermit")
    assert said.returncode == 0 and "nothing to cut it off from" in said.stdout
    assert daemon.app("worker")["isolated"] is None and daemon.app("hermit")["isolated"] is None
