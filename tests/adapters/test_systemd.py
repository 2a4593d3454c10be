"""sd_notify with a real socket, and systemctl with a stand-in that answers as the real one does."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.adapters.systemd import SystemdNotifier, SystemdServices
from edged.ports import NotFound, Notifier, PortError, Refused, Services, Unreachable
from tests.fixtures.patience import PATIENCE


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.env = {"NOTIFY_SOCKET": address}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(2)

    def got(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@edged-test-{os.getpid()}")
    yield made
    made.socket.close()


def test_every_message(manager: Manager) -> None:
    notifier: Notifier = SystemdNotifier(manager.env)
    notifier.ready("watching 3 apps")
    assert manager.got() == ["READY=1", "STATUS=watching 3 apps"]
    notifier.status("two\nlines\tÄ")
    assert manager.got() == ["STATUS=two lines Ä"]
    notifier.watchdog()
    assert manager.got() == ["WATCHDOG=1"]
    notifier.stopping("asked to")
    assert manager.got() == ["STOPPING=1", "STATUS=asked to"]

    before = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    notifier.reloading()
    reloading, stamp = manager.got()
    assert reloading == "RELOADING=1"
    assert before - 1 <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= before + 1e6


def test_a_full_queue_does_not_block_and_is_logged_once(manager: Manager, caplog: pytest.LogCaptureFixture) -> None:
    notifier = SystemdNotifier(manager.env)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        for _ in range(2000):
            notifier.watchdog()
    assert time.monotonic() - began < PATIENCE
    assert [record.message for record in caplog.records] == [
        "systemd cannot be told WATCHDOG=1: [Errno 11] Resource temporarily unavailable"
    ]
    manager.got()
    notifier.watchdog()


def test_a_vanished_socket_is_logged_and_does_not_raise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    notifier.ready("")
    notifier.watchdog()
    assert len(caplog.records) == 1
    assert "READY=1" in caplog.text


@pytest.mark.parametrize("env", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_nothing_happens_outside_of_systemd(env: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    notifier = SystemdNotifier({**env, "WATCHDOG_USEC": "1000000"})
    notifier.ready("x")
    notifier.reloading()
    notifier.stopping("x")
    notifier.status("x")
    notifier.watchdog()
    assert notifier.watchdog_seconds is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_watchdog_interval(extra: dict[str, str], expected: float | None) -> None:
    assert SystemdNotifier({"NOTIFY_SOCKET": "/run/x", **extra}).watchdog_seconds == expected


@pytest.fixture
def systemctl(tmp_path: Path) -> Callable[[str], SystemdServices]:
    def make(script: str) -> SystemdServices:
        program = tmp_path / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$LC_ALL $*" >> {tmp_path}/asked\n{script}\n')
        program.chmod(0o755)
        return SystemdServices(str(program))

    return make


Systemctl = Callable[[str], SystemdServices]


def show(load: str, active: str, result: str) -> str:
    return f"printf 'Result={result}\\nLoadState={load}\\nActiveState={active}\\n'"


@pytest.mark.parametrize(
    ("active", "result", "on_purpose"),
    [
        ("inactive", "success", True),
        ("deactivating", "success", True),
        ("failed", "signal", False),
        ("failed", "exit-code", False),
        ("inactive", "exit-code", False),
        ("activating", "exit-code", False),
        ("active", "success", False),
    ],
)
def test_stopped_on_purpose(systemctl: Systemctl, tmp_path: Path, active: str, result: str, on_purpose: bool) -> None:
    services: Services = systemctl(show("loaded", active, result))
    assert services.stopped_on_purpose("docker.service", 5) is on_purpose
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("C --no-pager --no-ask-password show -p LoadState ")
    assert asked.endswith("-- docker.service\n")


@pytest.mark.parametrize(
    ("load", "error", "words"),
    [
        ("not-found", NotFound, "no unit docker.service"),
        ("masked", Refused, "systemctl unmask docker.service"),
        ("bad-setting", PortError, "cannot load docker.service: bad-setting"),
    ],
)
def test_units_that_cannot_run(systemctl: Systemctl, load: str, error: type[PortError], words: str) -> None:
    with pytest.raises(PortError, match=words) as caught:
        systemctl(show(load, "inactive", "success")).stopped_on_purpose("docker.service", 5)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("active", "seconds", "verb"),
    [("active", 1, "restart"), ("failed", 1, "restart"), ("activating", 1, "start"), ("activating", 60, "restart")],
)
def test_restart_does_not_begin_a_start_under_way_again(
    systemctl: Systemctl, tmp_path: Path, active: str, seconds: int, verb: str
) -> None:
    since = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - seconds * 1_000_000
    systemctl(f"echo ActiveState={active}; echo InactiveExitTimestampMonotonic={since}").restart("docker.service", 5)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[1:] == [f"C --no-pager --no-ask-password {verb} -- docker.service"]


def test_restart_when_systemd_does_not_tell_since_when(systemctl: Systemctl, tmp_path: Path) -> None:
    systemctl("echo ActiveState=activating").restart("docker.service", 5)
    assert (tmp_path / "asked").read_text().endswith(" restart -- docker.service\n")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("Failed to restart docker.service: Interactive authentication required.", Refused),
        ("Failed to restart docker.service: Access denied", Refused),
        ("Failed to restart docker.service: Unit docker.service is masked.", Refused),
        ("Failed to restart docker.service: Unit docker.service not found.", NotFound),
        ("System has not been booted with systemd as init system (PID 1). Can't operate.", Unreachable),
        ("Failed to connect to bus: No such file or directory", Unreachable),
        ("Job for docker.service failed because the control process exited with error code.", PortError),
    ],
)
def test_what_systemctl_said_reaches_the_operator(systemctl: Systemctl, said: str, error: type[PortError]) -> None:
    with pytest.raises(PortError) as caught:
        systemctl(f'[ "$3" = show ] || {{ echo "{said}" >&2; exit 1; }}').restart("docker.service", 5)
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"systemd did not restart docker.service: {said}")


def test_a_silent_failure_still_says_something(systemctl: Systemctl) -> None:
    with pytest.raises(PortError, match="exit code 4"):
        systemctl('[ "$3" = show ] || exit 4').restart("docker.service", 5)


def test_no_answer_in_time(systemctl: Systemctl) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"systemd did not restart docker.service within 0.2s"):
        systemctl('[ "$3" = show ] || exec sleep 30').restart("docker.service", 0.2)
    assert time.monotonic() - began < 2 * PATIENCE


def test_no_systemctl_on_this_host() -> None:
    with pytest.raises(PortError, match="cannot run /nowhere/systemctl"):
        SystemdServices("/nowhere/systemctl").restart("docker.service", 5)
