"""The whole daemon hangs for real: a worker on a dead mount, the loop, all of it. The test is the service manager."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..fixtures.deadmount import dead_mount
from ..fixtures.edged import Edged
from ..fixtures.engine import Engine
from ..fixtures.patience import PATIENCE

pytestmark = [pytest.mark.engine, pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")]
Make = Callable[..., Edged]

WATCHDOG = 3.0
RESTART = 0.5
HANGS = Path(__file__).parents[1] / "fixtures" / "hangs"
"""With this on Python's path SIGUSR1 puts the loop to sleep."""


class Manager:
    """What systemd does with the unit: listens, sends SIGABRT, tells the result, starts anew."""

    def __init__(self, folder: Path, daemon: Edged) -> None:
        self.daemon, self.folder = daemon, folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(0.05)
        self.env = {
            "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
            "RUNTIME_DIRECTORY": str(folder), "PYTHONPATH": str(HANGS),
        }  # fmt: skip

    def start(self) -> None:
        self.daemon.start(**self.env)

    def until_it_hangs(self, within: float) -> str:
        """``trigger`` when edged says so itself, ``silence`` when it was not heard of for ``WATCHDOG``."""
        fed = time.monotonic()
        deadline = fed + within
        while time.monotonic() < deadline:
            try:
                lines = self._socket.recv(4096).decode().split("\n")
            except TimeoutError:
                lines = []
            if "WATCHDOG=trigger" in lines:
                return "trigger"
            if "WATCHDOG=1" in lines:
                fed = time.monotonic()
            if time.monotonic() - fed > WATCHDOG:
                return "silence"
        raise AssertionError(f"it goes on as if nothing were\n{self.daemon.text()}")

    def restart(self) -> None:
        process = self.daemon.process
        assert process is not None
        process.send_signal(signal.SIGABRT)
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)
        (self.folder / "result").write_text("watchdog\n")
        time.sleep(RESTART)
        self.start()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def managed(edged: Make, engine: Engine) -> Iterator[Callable[..., Manager]]:
    made: list[Manager] = []

    def make(**apps: object) -> Manager:
        daemon = edged({"apps": {"app": apps}})
        # With a runtime folder edged listens there.
        daemon.state.mkdir()
        made.append(Manager(daemon.state, daemon))
        return made[-1]

    yield make
    for one in made:
        one.close()


def untouched(engine: Engine) -> str:
    started: str = engine.client.inspect_container("app")["State"]["StartedAt"]
    return started


def test_a_worker_on_a_dead_mount_ends_edged_and_the_next_run_says_so(
    engine: Engine, managed: Callable[..., Manager], tmp_path: Path
) -> None:
    engine.run("app")
    before = untouched(engine)
    with dead_mount(tmp_path / "net") as point:
        manager = managed(health={"http": "https://127.0.0.1:1/", "ca_file": str(point / "ca.pem")})
        manager.start()
        began = time.monotonic()
        manager.daemon.wait(lambda: "probe" in manager.daemon.app("app")["broken"], 10.0, "the check counts as failed")
        assert manager.until_it_hangs(3 * PATIENCE * WATCHDOG) == "trigger"
        manager.daemon.configure({"apps": {"app": {}}})
        manager.restart()
        took = time.monotonic() - began
    end = manager.daemon.status()["previous_end"]
    assert end == "watchdog: the check probe of app has not come back for 3 s"
    assert end in manager.daemon.text()
    assert took < (WATCHDOG + 2.0) * PATIENCE, f"{took:.1f} s until it runs again"
    assert untouched(engine) == before


def test_a_loop_that_hangs_is_named_by_the_next_run(engine: Engine, managed: Callable[..., Manager]) -> None:
    engine.run("app")
    before = untouched(engine)
    manager = managed()
    manager.start()
    manager.daemon.wait_state("app", "healthy")
    manager.daemon.signal(signal.SIGUSR1)
    assert manager.until_it_hangs(10 * WATCHDOG) == "silence"
    manager.restart()
    end = manager.daemon.status()["previous_end"]
    assert end.startswith("watchdog: the loop hung in edged/"), end
    assert "most recent call first" in manager.daemon.text(), "where all threads stood is in the journal"
    assert untouched(engine) == before


def test_a_frozen_process_is_told_from_a_crashed_one(engine: Engine, managed: Callable[..., Manager]) -> None:
    engine.run("app")
    manager = managed()
    manager.start()
    manager.daemon.signal(signal.SIGSTOP)
    assert manager.until_it_hangs(10 * WATCHDOG) == "silence"
    manager.restart()
    assert manager.daemon.status()["previous_end"] == "watchdog: edged was frozen, it did nothing at all"


def test_a_dead_network_mount_neither_hangs_nor_ends_edged(
    engine: Engine, managed: Callable[..., Manager], tmp_path: Path
) -> None:
    engine.run("app")
    with dead_mount(tmp_path / "net") as point:
        manager = managed()
        manager.daemon.configure({"apps": {"app": {}}, "host": {"disk": {"paths": ["/", str(point)]}}})
        manager.start()
        daemon = manager.daemon
        daemon.wait(lambda: f"disk/{point}" in daemon.status()["host"]["broken"], 15.0, "it is said")
        with pytest.raises(AssertionError, match="goes on as if nothing were"):
            manager.until_it_hangs(WATCHDOG + 1.0)
        host = daemon.status()["host"]
        assert host["disks"].keys() == {"/"} and "(fuse) does not answer" in host["broken"][f"disk/{point}"]
        assert daemon.stop() == 0
