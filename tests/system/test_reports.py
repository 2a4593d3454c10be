"""What a console, Prometheus and a load balancer get to see."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.broker]

Make = Callable[..., Edged]
Read = Callable[..., Reader]
BASE = "edged/v1/test-device"
QUICK = {"restart": {"backoff": "100ms", "stop_timeout": "1s"}}


def latest(reader: Reader, topic: str) -> Any:
    """The newest content of a topic; ``None`` when there is none or it was cleared."""
    found = reader.payloads(f"{BASE}/{topic}")
    return json.loads(found[-1]) if found and found[-1] else None


def sequences(reader: Reader) -> list[int]:
    return [json.loads(payload)["sequence"] for payload in reader.payloads(f"{BASE}/event")]


def test_birth_state_alerts_and_will(engine: Engine, edged: Make, broker: Mosquitto, read: Read) -> None:
    console = read()
    engine.run("worker")
    daemon = edged({"apps": {"worker": QUICK | {"restart": {"enabled": False}}}, "mqtt": {"url": broker.url}}).start()
    daemon.wait(lambda: (latest(console, "app/worker") or {}).get("state") == "healthy", 10.0, "the app's state")
    status = latest(console, "status")
    assert status["state"] == "online" and status["boot"] == 1 and status["config"].startswith("sha256:")
    assert latest(console, "meta")["apps"] == ["worker"]
    engine.kill_main("worker")
    daemon.wait(lambda: latest(console, "alert/AppDown/worker"), 10.0, "the alert is published")
    assert latest(console, "alert/AppDown/worker")["severity"] == "critical"
    engine.client.start("worker")
    daemon.wait(lambda: console.payloads(f"{BASE}/alert/AppDown/worker")[-1] == b"", 10.0, "the alert is cleared")
    daemon.kill()
    daemon.wait(lambda: latest(console, "status")["state"] == "offline", 10.0, "the will is delivered")
    assert latest(console, "status")["boot"] == 1
    daemon.start()
    daemon.wait(lambda: latest(console, "status")["boot"] == 2, 10.0, "the next run is online")
    told = [json.loads(payload) for payload in console.payloads(f"{BASE}/status")]
    states = [state for state, _ in groupby((one["boot"], one["state"]) for one in told)]
    assert states == [(1, "online"), (1, "offline"), (2, "online")], "nothing of the run before after its will"
    unknown = [json.loads(p) for p in console.payloads(f"{BASE}/app/worker") if b'"state":"unknown"' in p]
    begun = datetime.fromisoformat(status["since"]) - timedelta(seconds=1)
    assert all(datetime.fromisoformat(one["since"]) > begun for one in unknown), "it has no time before edged's own"
    assert not any("does not answer" in one["reason"] for one in unknown), "it has not been asked yet"

    def started() -> list[dict[str, Any]]:
        return [json.loads(p) for p in console.payloads(f"{BASE}/event") if b"edged.started" in p]

    daemon.wait(lambda: len(started()) == 2, 10.0, "the next run's first event")
    assert started()[-1]["data"]["previous_end"] == "crash"
    assert daemon.stop() == 0
    daemon.wait(lambda: latest(console, "status")["state"] == "offline", 10.0, "good-bye")
    late = read("#")
    daemon.wait(lambda: latest(late, "status"), 10.0, "retained status")
    assert not late.payloads(f"{BASE}/alert/AppDown/worker")


def test_events_are_gapless_over_outages_and_kills(engine: Engine, edged: Make, broker: Mosquitto, read: Read) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": QUICK}, "mqtt": {"url": broker.url}}).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait(lambda: daemon.status()["broker"]["connected"], 10.0, "connected")
    broker.stop()
    engine.kill_main("worker")
    daemon.wait_event("recovery.succeeded")
    daemon.kill()
    daemon.start()
    daemon.wait_state("worker", "healthy")
    newest = daemon.events()[-1]["sequence"]
    assert daemon.status()["broker"]["spool_messages"] > 0
    broker.start()
    console = read()
    # What was retained or delivered before the outage went to nobody: the console reads what comes from now on.
    daemon.wait(lambda: newest in sequences(console), 20.0, "the backlog is delivered")
    got = list(dict.fromkeys(sequences(console)))
    assert got == list(range(got[0], got[-1] + 1))
    daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0, 10.0, "all are acknowledged")


def test_metrics_are_clean_and_health_answers(engine: Engine, edged: Make) -> None:
    engine.run("worker", mem_limit=64 * 2**20)
    dependency = {"tcp": "127.0.0.1:1", "every": "200ms", "timeout": "200ms"}
    config = {"apps": {"worker": QUICK}, "sampling": {"every": "200ms"}, "dependencies": {"store": dependency}}
    daemon = edged(config).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait(lambda: daemon.app("worker")["cpu_ratio"] is not None, 10.0, "usage is sampled")
    engine.kill_main("worker")
    daemon.wait_event("recovery.succeeded")
    page = get(daemon, "/metrics")
    for name in (
        "edged_app_up", "edged_app_healthy", "edged_container_memory_working_set_bytes",
        "edged_container_memory_limit_bytes", "edged_container_cpu_usage_seconds_total",
        "edged_container_cpu_throttled_seconds_total", "edged_container_oom_kills_total",
        "edged_container_restarts_total", "edged_host_memory_available_bytes", "edged_alerts",
        "edged_actions_total", "edged_detect_seconds_bucket", "edged_recover_seconds_bucket",
        "edged_spool_messages", "edged_spool_bytes", "edged_spool_dropped_total",
        "edged_check_duration_seconds_count", "edged_loop_lag_seconds", "edged_config_reloads_total",
        "edged_build_info",
    ):  # fmt: skip
        assert f"\n{name}" in page, name
    assert 'edged_container_restarts_total{app="worker"} 1.0' in page
    if promtool := shutil.which("promtool"):
        checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert json.loads(get(daemon, "/healthz")) == {"status": "ok"}
    assert json.loads(get(daemon, "/readyz")) == {"status": "ready"}
    assert json.loads(get(daemon, "/status.json"))["apps"]["worker"]["state"] == "healthy"
    assert "worker" in get(daemon, "/")
    engine.stop()
    daemon.wait_event("alert.raised", 20.0, name="EngineDown")
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(daemon, "/readyz")
    assert refused.value.code == 503
    refused.value.close()


def get(daemon: Edged, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}{path}", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def test_a_quiet_hour_is_silent(engine: Engine, edged: Make) -> None:
    engine.run("worker")
    daemon = edged({"apps": {"worker": QUICK}, "sampling": {"every": "100ms"}}).start()
    daemon.wait_state("worker", "healthy")
    daemon.wait(lambda: daemon.app("worker")["cpu_ratio"] is not None, 10.0, "usage is sampled")
    lines, sequence = daemon.text(), daemon.events()[-1]["sequence"]
    size = (daemon.state / "edged.db-wal").stat().st_size
    checks = get(daemon, "/metrics")
    daemon.wait(lambda: _count(get(daemon, "/metrics")) >= _count(checks) + 20, 10.0, "twenty samples later")
    assert daemon.text() == lines
    assert daemon.events()[-1]["sequence"] == sequence
    assert (daemon.state / "edged.db-wal").stat().st_size == size


def _count(page: str) -> float:
    name = 'edged_check_duration_seconds_count{check="resources"} '
    return float(next(line for line in page.splitlines() if line.startswith(name)).removeprefix(name))
