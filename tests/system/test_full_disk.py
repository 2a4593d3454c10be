"""The state folder takes nothing more: apps are recovered all the same, the state survives, and a loss is told of."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.load import Account

pytestmark = [pytest.mark.engine, pytest.mark.broker]

BASE = "edged/v1/test-device"
QUICK = {"restart": {"backoff": "100ms", "stop_timeout": "1s", "budget": 1000}}


class SmallDisk:
    """A file system of 4 MiB that can be filled to the last block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        ballast = os.open(self.folder / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                os.write(ballast, b"x" * 4096)
        except OSError:
            assert os.statvfs(self.folder).f_bavail == 0
        finally:
            os.close(ballast)

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def case(
    engine: Engine, edged: Callable[..., Edged], broker: Mosquitto, read: Callable[..., Reader]
) -> Iterator[tuple[Edged, SmallDisk, Reader]]:
    """A daemon with its state on a small disk, a console, and the apps ``worker`` and ``resting``."""
    console = read(f"{BASE}/#")
    for name in ("worker", "resting"):
        engine.run(name)
    config: dict[str, Any] = {
        "apps": {"worker": QUICK, "resting": QUICK},
        "mqtt": {"url": broker.url},
        "host": {"every": "200ms", "disk": {"paths": ["/proc"]}, "cpu": {"for": "1h"}, "clock": {"for": "1h"}},
    }
    daemon = edged(config)
    disk = SmallDisk(daemon.state)
    try:
        daemon.start()
        for name in ("worker", "resting"):
            daemon.wait_state(name, "healthy")
        yield daemon, disk, console
    finally:
        daemon.end()
        subprocess.run(["umount", str(disk.folder)], check=True)


def recover(engine: Engine, daemon: Edged, times: int) -> None:
    """Kills the worker, and waits until edged has started it again."""
    for _ in range(times):
        before = engine.inspect("worker")["State"]["StartedAt"]
        engine.kill_main("worker")
        daemon.wait(lambda before=before: engine.inspect("worker")["State"]["StartedAt"] != before, 15.0, "a restart")
        daemon.wait_state("worker", "healthy")


def account(console: Reader) -> Account:
    return Account.of(console, f"{BASE}/event")


def arrived(daemon: Edged, console: Reader) -> Account:
    """Once everything stored has reached the console."""
    daemon.wait(lambda: daemon.status()["broker"]["spool_messages"] == 0, 20.0, "all is acknowledged")
    last = daemon.events()[-1]["sequence"]
    daemon.wait(lambda: last in account(console).ids, 10.0, "the newest event arrives")
    return account(console)


def test_a_disk_that_is_full_for_a_while(engine: Engine, case: tuple[Edged, SmallDisk, Reader]) -> None:
    daemon, disk, console = case
    disk.fill()
    recover(engine, daemon, 1)
    daemon.wait(lambda: "disk is full" in daemon.status()["storage_error"], 10.0, "status says so")
    recover(engine, daemon, 2)
    alert = f"{BASE}/alert/StorageFailing/host"
    daemon.wait(lambda: console.payloads(alert), 15.0, "the console is told while it lasts")
    assert json.loads(console.payloads(alert)[-1])["severity"] == "critical"
    assert daemon.text().count("reports are not being stored") == 1
    disk.make_room()
    daemon.wait(lambda: not daemon.status()["storage_error"], 15.0, "it goes on by itself")
    daemon.wait(lambda: console.payloads(alert)[-1] == b"", 30.0, "the alert is cleared")
    seen = arrived(daemon, console)
    assert (seen.gaps, seen.out_of_order, seen.contradictions) == (0, 0, 0)
    ends = [e for e in seen.events.values() if e["type"].endswith("recovery.succeeded")]
    assert len(ends) == 3, "what happened meanwhile was only kept waiting"


def test_killed_and_started_on_a_full_disk(engine: Engine, case: tuple[Edged, SmallDisk, Reader]) -> None:
    daemon, disk, console = case
    disk.fill()
    recover(engine, daemon, 2)
    daemon.wait(lambda: daemon.status()["storage_error"], 10.0, "nothing can be stored")
    engine.client.stop("resting")
    daemon.wait_state("resting", "stopped")
    # Answered when it is kept, and so is all that was before it.
    daemon.command("maintenance.set", app="worker", on=True, seconds=3600.0, why="new camera")
    spent = daemon.app("worker")["recovery"]["budget_used"]
    daemon.kill()

    daemon.start()
    daemon.wait(lambda: daemon.status()["engine"]["up"], 10.0, "it watches")
    daemon.wait_state("resting", "stopped")
    assert daemon.app("worker")["maintenance"]["why"] == "new camera"
    assert daemon.app("worker")["recovery"]["budget_used"] == spent == 2
    assert daemon.status()["boot"] == 2
    daemon.command("maintenance.set", app="worker", on=False, why="done")
    recover(engine, daemon, 1)
    disk.make_room()
    told = daemon.wait_event("spool.dropped", 20.0, reason="disk")["data"]
    seen = arrived(daemon, console)
    missing = set(range(1, max(seen.firsts) + 1)) - set(seen.firsts)
    assert missing == set(range(told["first"], told["last"] + 1)) and told["count"] == len(missing) > 10
    assert seen.out_of_order == 0
    daemon.stop()
    daemon.start()
    assert daemon.app("worker")["maintenance"] is None
    daemon.wait_state("resting", "stopped")
    assert daemon.status()["boot"] == 3 and not daemon.status()["storage_error"]


def test_a_clean_stop_and_a_start_on_a_full_disk(engine: Engine, case: tuple[Edged, SmallDisk, Reader]) -> None:
    daemon, disk, console = case
    daemon.command("maintenance.set", app="resting", on=True, seconds=3600.0, why="new camera")
    daemon.stop()
    disk.fill()
    daemon.start()
    daemon.wait_state("worker", "healthy")
    assert daemon.app("resting")["maintenance"]["why"] == "new camera"
    recover(engine, daemon, 1)
    disk.make_room()
    daemon.wait(lambda: not daemon.status()["storage_error"], 15.0, "it goes on by itself")
    seen = arrived(daemon, console)
    assert (seen.gaps, seen.out_of_order) == (0, 0)


def test_a_disk_that_has_become_read_only(
    engine: Engine, case: tuple[Edged, SmallDisk, Reader], tmp_path: Path
) -> None:
    daemon, disk, console = case
    daemon.command("maintenance.set", app="resting", on=True, seconds=3600.0, why="new camera")
    daemon.stop()
    runtime = tmp_path / "run"  # as under systemd: the socket is not in the state folder
    runtime.mkdir()
    Path(daemon.socket).symlink_to(runtime / "edged.sock")
    disk.remount("ro")
    daemon.start(RUNTIME_DIRECTORY=str(runtime))
    daemon.wait(lambda: "read-only" in daemon.status()["storage_error"], 10.0, "status says so")
    assert daemon.app("resting")["maintenance"]["why"] == "new camera"
    recover(engine, daemon, 1)
    alert = f"{BASE}/alert/StorageFailing/host"
    daemon.wait(lambda: "StorageFailing" in [a["name"] for a in daemon.status()["alerts"]], 10.0, "an alert fires")
    disk.remount("rw")
    daemon.wait(lambda: not daemon.status()["storage_error"], 15.0, "it goes on by itself")
    seen = arrived(daemon, console)
    assert (seen.gaps, seen.out_of_order) == (0, 0)
    assert [e for e in seen.events.values() if e["type"].endswith("recovery.succeeded")]
    daemon.wait(lambda: console.payloads(alert)[-1:] == [b""], 30.0, "the alert is cleared")
