"""Lines of the handbook that want a host in trouble, or a month: one real daemon, one real engine, an invented host."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.storage.history import RollupStore
from edged.history.minutes import Span
from edged.ports.history import HOUR, Point
from tests.fixtures.edged import Edged
from tests.fixtures.engine import BUSYBOX, Engine
from tests.fixtures.invented import InventedHost

pytestmark = pytest.mark.engine

Make = Callable[..., Edged]
QUICK = {"backoff": "100ms", "stop_timeout": "1s", "policy_grace": "1s"}
# Memory in a tmpfs is charged to the container.
LEAK = (
    "until [ -e /wish/leak ]; do usleep 50000; done; i=0; "
    "while [ $i -lt 90 ]; do dd if=/dev/zero of=/dev/shm/$i bs=512K count=1; i=$((i+1)); usleep 200000; done; "
    "sleep 1000"
)
SPIKES = (
    "while :; do if [ ! -e /wish/high ]; then rm -f /dev/shm/x; elif [ ! -e /dev/shm/x ]; then "
    "dd if=/dev/zero of=/dev/shm/x bs=1M count=20; fi; usleep 50000; done"
)
DAYS, TIMES = 30, 3
OTHER = "edged-test/other:2"


def verb(daemon: Edged, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edged", *words, "--socket", daemon.socket],
        capture_output=True, text=True, timeout=60.0, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1) and done.stdout, done.stdout + done.stderr
    return done.stdout


def done(daemon: Edged, action: str) -> list[str]:
    """Upon whom, in order. One that fails (runc cannot always freeze what its quota holds back) is tried again."""
    return [e["subject"] for e in daemon.events("action.ended") if e["data"]["action"] == action and e["data"]["ok"]]


def firing(daemon: Edged) -> set[str]:
    return {alert["name"] for alert in daemon.status()["alerts"]}


def month() -> list[Span]:
    """Hour by hour up to now: a disk that fills up, a model that answers worse."""
    first = int(time.time()) // HOUR * HOUR - DAYS * 24 * HOUR
    spans: list[Span] = []
    for h in range(DAYS * 24):
        values = {("host", "disk.share:/data"): 0.4 + 0.01 * h / 24, ("spiky", "quality"): 0.98 - 0.002 * h / 24}
        points = {key: Point(first + h * HOUR, 60, value, value, value, value) for key, value in values.items()}
        spans.append((HOUR, first + h * HOUR, points))
    return spans


def test_heat_a_wrong_clock_a_leak_a_quota_and_no_memory_left(engine: Engine, edged: Make, tmp_path: Path) -> None:
    invented, wish = InventedHost(tmp_path / "host"), tmp_path / "wish"
    wish.mkdir()
    engine.run("vital")
    engine.run("leaky", "sh", "-c", LEAK, mem_limit=64 * 2**20, mounts=[f"{wish}:/wish"])
    # So little that it is to be had on a busy machine, too; and nobody who pauses things for room wants to freeze it.
    engine.run("busy", "sh", "-c", "while :; do :; done", nano_cpus=10_000_000)
    engine.run("least")
    apps: dict[str, Any] = {
        "vital": {"priority": 5},
        "leaky": {"priority": 60, "memory": {"leak": {"window": "4s", "horizon": "1h"}}},
        "least": {"priority": 90},
        "busy": {
            "priority": 95,
            "cpu": {"warn": "50%", "throttled": "25%", "for": "0s"},
            "restart": {"enabled": False},
        },
    }
    soon = dict.fromkeys(("P0", "P1", "P2", "P3"), "2s")
    config: dict[str, Any] = {
        "apps": apps,
        "sampling": {"every": "200ms"},
        "host": {
            "every": "200ms", "disk": {"paths": ["/proc"]}, "memory": {"for": "1s"}, "clock": {"for": "500ms"},
            "cpu": {"warn": "0.1%", "for": "1s"}, "temperature": {"for": "500ms"},
        },
        "dependencies": {
            "named": {"dns": "localhost", "every": "1s", "timeout": "1s"},
            "unnamed": {"dns": "does-not-exist.invalid", "every": "500ms", "timeout": "500ms", "failures": 2},
        },
        "incidents": {"respond": soon, "resolve": {**soon, "P3": "3s"}, "hold": "1s"},
    }  # fmt: skip
    daemon = edged()
    config["dependencies"] |= {
        "paged": {"http": f"http://127.0.0.1:{daemon.port}/healthz", "every": "1s", "timeout": "1s"},
        "unpaged": {"http": f"http://127.0.0.1:{daemon.port}/none", "every": "500ms", "timeout": "500ms"},
    }
    daemon.configure(config)
    daemon.start(**invented.env)
    asked = daemon.command("maintenance.set", app="vital", on=True, why="new camera", seconds=3.0)
    assert asked["status"] == "succeeded"
    (wish / "leak").touch()
    invented.heat(91.0, slowed=True)
    invented.clock(synced=False)

    hot = daemon.wait_event("alert.raised", name="HostHot")["data"]
    assert hot["severity"] == "critical" and hot["summary"] == "the host is at 91 °C; the CPU is being slowed down"
    daemon.wait_event("alert.raised", name="ClockSkew", severity="warning")
    daemon.wait_event("alert.raised", name="HighCpu", subject="host")
    assert daemon.wait_event("alert.raised", name="HighCpu", subject="busy")["data"]["value"] > 0.5
    held = daemon.wait_event("alert.raised", name="CpuThrottled", subject="busy")["data"]
    assert "held back by its CPU quota" in held["summary"] and held["value"] > 0.25
    leak = daemon.wait_event("alert.raised", 30.0, name="MemoryLeak", subject="leaky")["data"]
    assert "hits its limit in" in leak["summary"] and leak["severity"] == "warning"
    assert "HighMemory" not in firing(daemon), "there is still room"
    for name in ("unnamed", "unpaged"):
        daemon.wait_event("alert.raised", name="DependencyDown", subject=name)
    assert not {"named", "paged"} & {a["subject"] for a in daemon.status()["alerts"]}

    # Nobody has touched any of it: whoever was promised a response is told that there was none.
    for why in ("respond", "resolve"):
        daemon.wait_event("incident.escalated", why=why, severity="P1")
    assert not daemon.events("action.started"), "none of these is mended by a restart"
    assert daemon.app("leaky")["state"] == "healthy"

    invented.heat(40.0)
    invented.clock(synced=True)
    for name in ("HostHot", "ClockSkew"):
        daemon.wait_event("alert.cleared", name=name)

    assert daemon.wait_event("maintenance.changed", subject="vital", on=False)["data"]["seconds"] >= 3.0, "by itself"

    invented.memory(0.02)
    daemon.wait(lambda: done(daemon, "PauseContainer") == ["least", "leaky"], 20.0, "two are paused")
    assert engine.inspect("least")["State"]["Paused"] and daemon.app("vital")["state"] == "healthy"
    invented.memory(0.5)
    daemon.wait(lambda: done(daemon, "UnpauseContainer") == ["leaky", "least"], 20.0, "they go on")
    daemon.wait(lambda: not engine.inspect("least")["State"]["Paused"], 10.0, "it runs")
    assert done(daemon, "PauseContainer") == ["least", "leaky"], "the most important one is left alone"


def test_what_was_changed_is_blamed_and_the_month_is_reviewed(engine: Engine, edged: Make, tmp_path: Path) -> None:
    invented, wish = InventedHost(tmp_path / "host"), tmp_path / "wish"
    wish.mkdir()
    engine.run("vital")
    engine.run("other")
    engine.run("base")
    engine.run("guest", network_mode="container:base")
    engine.run("spiky", "sh", "-c", SPIKES, mem_limit=64 * 2**20, mounts=[f"{wish}:/wish"])
    apps: dict[str, Any] = {
        "vital": {"priority": 5, "restart": QUICK},
        "other": {"restart": QUICK},
        "guest": {"restart": QUICK | {"budget": 1, "retry_after": "1h"}},
        "spiky": {
            "restart": {"enabled": False},
            "memory": {"warn": "20%", "for": "300ms"},
            "metrics": {"url": "http://127.0.0.1:1/", "every": "1h", "quality": {"gauge": "q", "min": 0.9}},
        },
    }
    config = {
        "apps": apps, "sampling": {"every": "200ms"}, "alerts": {"changes": 100},
        "incidents": {"hold": "1s", "reopen": "0s"},
    }  # fmt: skip
    daemon = edged()
    apps["vital"]["health"] = {"http": f"http://127.0.0.1:{daemon.port}/healthz", "every": "1s", "timeout": "1s"}
    daemon.configure(config)
    daemon.state.mkdir()
    past = RollupStore(daemon.state, None)
    past.add(month(), ())
    past.flush(0.0, 40 * 86400.0, 2**24)
    past.close()
    daemon.start(**invented.env)
    for name in apps:
        daemon.wait_state(name, "healthy")

    # Of an essential app, and after a change of its configuration.
    apps["vital"]["memory"] = {"warn": "70%"}
    daemon.configure(config)
    daemon.reload()
    daemon.wait_event("config.reloaded")
    engine.kill_main("vital")
    opened = daemon.wait_event("incident.opened", subject="vital")["data"]
    assert opened["severity"] == "P0", "AppDown is P1, and the app is essential"
    assert "configuration: apps.vital.memory.warn" in opened["likely"]

    # Another image under the same name, and then that is lost.
    engine.import_image(OTHER, b"".join(engine.client.export("other")))
    engine.rm("other")
    engine.run("other", image=OTHER)
    daemon.wait(lambda: (daemon.app("other")["container"] or {}).get("image") == OTHER, 10.0, "it is the new one")
    daemon.wait_state("other", "healthy")
    daemon.wait(lambda: not [i for i in daemon.status()["incidents"] if i["cause"] == "other"], 20.0, "all is over")
    engine.client.remove_image(OTHER, force=True)
    engine.kill_main("other")
    blamed = f"other has another image: {BUSYBOX} → {OTHER}"
    daemon.wait(lambda: any(blamed in e["data"]["likely"] for e in daemon.events("incident.opened")), 15.0, blamed)
    daemon.wait_event("recovery.succeeded", subject="other", by="edged")

    # One that cannot be started any more.
    engine.rm("base")
    engine.kill_main("guest")
    alert = daemon.wait_event("alert.raised", name="RecoveryExhausted", subject="guest")["data"]
    assert "the last one: " in alert["summary"] and "No such container" in alert["summary"], "in the engine's words"

    for _ in range(TIMES):
        (wish / "high").touch()
        daemon.wait(lambda: "HighMemory" in firing(daemon), 15.0, "an alert")
        (wish / "high").unlink()
        daemon.wait(lambda: "HighMemory" not in firing(daemon), 15.0, "it is over")
    assert daemon.stop() == 0, "the minutes under way are written down"
    daemon.start(**invented.env)
    made = json.loads(verb(daemon, "report", "--since", f"{DAYS}d", "--format", "json"))
    quality = {(one["name"], one["subject"]): one for one in made["alert_quality"]}
    assert quality["AppDown", "vital"]["mattered"] == 1 and quality["AppDown", "vital"]["raised"] == 1
    spikes = quality["HighMemory", "spiky"]
    assert (spikes["raised"], spikes["mattered"]) == (TIMES, 0)
    (advice,) = made["advice"]
    assert (advice["subject"], advice["key"], advice["spared"]) == ("spiky", "memory.warn", TIMES)
    assert advice["advised"] > 0.3
    disk = made["host"]["resources"]["disk.share:/data"]["trend"]
    assert disk["per_day"] == pytest.approx(0.01, rel=0.05) and disk["seconds"] / 86400 == pytest.approx(20.0, abs=1.0)
    assert made["endpoints"]["vital"]["answered"] >= 2
    told = [one["text"] for one in made["findings"]]
    assert any(one.startswith("disk.share:/data grows 1.0% a day: 90% is reached in 2") for one in told), told
    assert any(one.startswith("its quality falls by 0.002 a day: 0.9 is reached in ") for one in told), told
    assert advice["text"] in told
