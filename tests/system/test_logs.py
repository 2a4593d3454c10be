"""The real daemon reads what the containers of a real engine write."""

from __future__ import annotations

import logging
import signal
import time
import urllib.request
from collections.abc import Callable
from statistics import median

import pytest

from tests.bench.measure import cpu_seconds, pss_mb
from tests.fixtures.edged import Edged
from tests.fixtures.engine import IDLE, Engine
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.engine
log = logging.getLogger(__name__)

Make = Callable[..., Edged]
FLOODS = {"one endless line": "cat /dev/zero | tr '\\0' x", "short lines": "yes ERROR no camera"}
"""As much as the engine takes."""
SMALL = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}


def totals(edged: Edged, app: str) -> dict[str, int]:
    found: dict[str, int] = edged.app(app)["logs"]["totals"]
    return found


def metric(edged: Edged, app: str, kind: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{edged.port}/metrics", timeout=5.0) as page:
        lines = page.read().decode().splitlines()
    wanted = f'edged_log_lines_total{{app="{app}",kind="{kind}"}} '
    return next(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def test_a_burst_is_told_with_lines_and_without_secrets(engine: Engine, edged: Make) -> None:
    engine.run(
        "detector", "sh", "-c",
        "sleep 2; i=0; while [ $i -lt 12 ]; do echo ERROR cannot reach mqtt://bob:hunter2@broker, try $i; "
        "echo the camera is slow; "
        "echo 'login failed, token=s3cret' >&2; i=$((i+1)); done; sleep 1000",
    )  # fmt: skip
    e = edged({"apps": {"detector": {"logs": {"auth": "login failed", "warn_per_minute": 12}}}}).start()
    began = time.monotonic()
    alert = e.wait_event("alert.raised", name="LogErrors", subject="detector")["data"]
    assert alert["severity"] == "warning" and alert["value"] == 12.0
    assert "[1] ERROR cannot reach mqtt://***@broker, try" in alert["summary"]
    assert time.monotonic() - began < 10.0
    auth = e.wait_event("alert.raised", name="AuthFailures", subject="detector")["data"]
    assert "login failed, token=***" in auth["summary"]
    said = e.text()
    assert "hunter2" not in said and "s3cret" not in said
    picture = e.app("detector")["logs"]
    assert picture["last_minute"] == {"errors": 12, "slow": 12, "auth": 12}
    assert metric(e, "detector", "errors") == 12.0 and metric(e, "detector", "lines") == 36.0


def test_counts_go_on_over_a_restart_of_edged_and_of_the_container(engine: Engine, edged: Make) -> None:
    """About twenty lines a second; at any time the engine's own log says how many there are."""
    script = (
        "trap 'exit 0' TERM; i=0; while [ $i -lt 80 ]; do i=$((i+1)); echo ERROR $i; usleep 50000; done; "
        "sleep 999 & wait"
    )
    engine.run("app", "sh", "-c", script)

    def written() -> int:
        return int(engine.client.logs("app").count(b"ERROR"))

    def counted() -> int:
        return totals(e, "app")["errors"]

    def said_all() -> bool:
        before = written()
        time.sleep(1.0)
        return written() == before

    e = edged({"apps": {"app": {}}}).start()
    e.wait(lambda: counted() >= 20, 30.0, "it is counted")
    e.signal(signal.SIGKILL)
    assert e.process is not None
    e.process.wait(10.0)
    time.sleep(1.0)
    e.start()
    e.wait(lambda: counted() >= 50, 40.0, "what was written meanwhile is counted")
    engine.client.restart("app", timeout=3)
    before = written()
    e.wait(lambda: counted() > before + 10, 40.0, "and the next run of the container")
    e.wait(said_all, 60.0, "the app has said all")
    e.wait(lambda: written() == counted() >= before + 50, 20.0, "all of them are counted")
    time.sleep(3.0)
    assert counted() == written()


def test_a_log_that_cannot_be_read_is_said_once(engine: Engine, edged: Make) -> None:
    engine.run("dumb", *IDLE, log_config={"Type": "none"})
    e = edged({"apps": {"dumb": {}}}).start()
    broken = e.wait_event("check.broken", check="logs", subject="dumb")["data"]
    assert broken["broken"] and "does not support reading" in broken["error"] and "logs: off" in broken["error"]
    assert "its log is not read" in e.app("dumb")["broken"]["logs"]
    time.sleep(3.0)
    assert len(e.events("check.broken")) == 1


def test_what_is_not_asked_for_is_not_read(engine: Engine, edged: Make) -> None:
    script = ("sh", "-c", "while :; do echo ERROR; usleep 100000; done")
    engine.run("off", *script)
    engine.run("found", *script, labels={"edged.enable": "true"})
    engine.run("asked", *script, labels={"edged.enable": "true", "edged.logs": "on"})
    e = edged({"discover": "labels", "apps": {"off": {"logs": "off"}}}).start()
    e.wait_state("asked", "healthy")
    e.wait(lambda: totals(e, "asked")["errors"], 15.0, "it is counted")
    assert e.app("off")["logs"] is None and e.app("found")["logs"] is None


def recovery(engine: Engine, e: Edged, app: str) -> float:
    """Seconds from a kill until it runs again."""
    before = engine.inspect(app)["State"]["StartedAt"]
    engine.kill_main(app)
    began = time.monotonic()

    def again() -> bool:
        state = engine.inspect(app)["State"]
        return bool(state["Running"] and state["StartedAt"] != before)

    e.wait(again, 15.0, f"{app} runs again")
    return time.monotonic() - began


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_hurts_nobody(engine: Engine, edged: Make, flood: str) -> None:
    """Other apps are recovered about as quickly as before, and memory and processor time stay small."""
    names = [f"app{number}" for number in range(10)]
    for name in names:
        engine.run(name, *IDLE)
    engine.run("flood", "sh", "-c", FLOODS[flood], log_config=SMALL, nano_cpus=1_000_000_000, start=False)
    e = edged({"apps": {name: {} for name in names} | {"flood": {"restart": {"enabled": False}}}}).start()
    for name in names:
        e.wait_state(name, "healthy")
    quiet = median(recovery(engine, e, name) for name in names[:5])
    engine.client.start("flood")
    e.wait_state("flood", "healthy")
    assert e.process is not None
    time.sleep(3.0)
    spent, began = cpu_seconds(e.process.pid), time.monotonic()
    time.sleep(6.0)
    share = (cpu_seconds(e.process.pid) - spent) / (time.monotonic() - began)
    loud = median(recovery(engine, e, name) for name in names[5:])
    memory = pss_mb(e.process.pid)
    log.info("recovered in %.3f s, beside a flood in %.3f s; CPU %.1f %%, %.1f MB", quiet, loud, 100.0 * share, memory)
    assert share < 0.15 and memory < 60.0, (share, memory)
    assert loud < quiet + 2.0 * PATIENCE, (quiet, loud)  # the machine and the engine are busy with the flood as well
    assert not e.status()["host"]["broken"]
    seen = totals(e, "flood")
    if flood == "short lines":
        assert seen["errors"] > 5000 and seen["skipped"] > 0, seen
        assert e.events("alert.raised")[-1]["data"]["name"] != "LogErrors", "once, at its beginning"
    else:
        assert seen["lines"] < 100, seen
