"""A container dies and nobody may start it: an incident opens, is seen everywhere, outlives edged, and closes."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from edged.cli.client import get
from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.broker]

Make = Callable[..., Edged]
Read = Callable[..., Reader]
BASE = "edged/v1/test-device"


def cli(daemon: Edged, *words: str, code: int = 0) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "edged", "incidents", *words, "--socket", daemon.socket],
        capture_output=True,
        text=True,
        timeout=30.0,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout


def open_ones(daemon: Edged) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.status()["incidents"]
    return found


def metric(daemon: Edged, severity: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=10.0) as page:
        lines = page.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f'edged_incidents_open{{severity="{severity}"}}')]
    assert len(found) == 1, "the metric is there for each severity"
    return float(found[0].split()[-1])


def test_an_incident_from_its_first_sign_to_its_end(engine: Engine, edged: Make, broker: Mosquitto, read: Read) -> None:
    engine.run("worker")
    config = {
        "apps": {"worker": {"restart": {"enabled": False}}},
        "mqtt": {"url": broker.url},
        "incidents": {"hold": "1s"},
    }
    daemon = edged(config).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 10.0, "connected")
    console = read()
    assert open_ones(daemon) == [] and metric(daemon, "P1") == 0.0

    engine.kill_main("worker")
    daemon.wait(lambda: open_ones(daemon), 10.0, "an incident is open")
    seen = open_ones(daemon)[0]
    name = seen["id"]
    topic = f"{BASE}/incident/{name}"
    assert seen["severity"] == "P1" and seen["cause"] == "worker" and seen["state"] == "open"
    assert [a["name"] for a in seen["alerts"]] == ["AppDown"] and seen["responded"] is None
    assert seen["detect_seconds"] < 5.0 and seen["impact"]["worker"]["worst"] == "down"
    daemon.wait(lambda: bool(console.payloads(topic)), 10.0, "it is retained")
    late = read(topic)
    daemon.wait(lambda: late.messages, 10.0, "who comes later is told at once")
    assert late.messages[0][2] and json.loads(late.messages[0][1])["id"] == name
    assert metric(daemon, "P1") == 1.0 and metric(daemon, "P0") == 0.0

    daemon.kill()
    daemon.start()
    assert [i["id"] for i in open_ones(daemon)] == [name], "it is the same one after a crash of edged"

    assert "acknowledged" in cli(daemon, "ack", name, "--note", "on my way")
    assert "noted" in cli(daemon, "note", name[-6:], "the plug was pulled")
    shown = json.loads(cli(daemon, name, "--json"))
    assert shown["acknowledged"]["note"] == "on my way" and shown["responded"]
    assert any("the plug was pulled" in line["text"] for line in shown["timeline"])
    assert name in cli(daemon) and "AppDown" in cli(daemon, name)
    assert f"## Update on {name} (P1, high): open" in cli(daemon, name, "--markdown", "update")
    cli(daemon, "INC-1999-01-01-001", code=1)
    assert (
        "EngineDown" in cli(daemon, "--rules") and json.loads(cli(daemon, "--rules", "--json"))["hold_seconds"] == 1.0
    )
    assert name in subprocess.run(
        [sys.executable, "-m", "edged", "status", "--socket", daemon.socket],
        capture_output=True, text=True, timeout=30.0, check=False,
    ).stdout  # fmt: skip

    engine.client.start("worker")
    daemon.wait_event("incident.closed", within=20.0)
    daemon.wait(lambda: console.payloads(topic)[-1] == b"", 10.0, "the retained topic is cleared")
    daemon.wait(lambda: not open_ones(daemon), 5.0, "no incident is open")
    assert metric(daemon, "P1") == 0.0
    record = daemon.events("incident.closed")[-1]["data"]["record"]
    assert record["id"] == name and record["state"] == "closed" and record["resolve_seconds"] > 0.0
    past = get(daemon.socket, "/v1/incidents?since=0")
    assert [i["id"] for i in past["past"]] == [name]
    assert past["counts"]["by_severity"] == {"P0": 0, "P1": 1, "P2": 0, "P3": 0}
    assert past["counts"]["mttr_seconds"] == pytest.approx(record["resolve_seconds"])
    assert "# Incident" in cli(daemon, name, "--markdown") and "MTTR" in cli(daemon, "--since", "1h")

    engine.kill_main("worker")
    again = daemon.wait_event("incident.reopened")["data"]
    assert again["incident"] == name and again["alert"] == "AppDown/worker"
    daemon.wait(lambda: console.payloads(topic)[-1] != b"", 10.0, "it is retained again")
    assert [i["id"] for i in open_ones(daemon)] == [name] and "reopened  once" in cli(daemon, name)
    assert daemon.stop() == 0
