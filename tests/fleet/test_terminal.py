"""Tables, the live view and progress, on a terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.fixtures.fleet_device import SimulatedDevice, SimulatedFleet
from tests.fleet.conftest import Verbs

pytestmark = pytest.mark.broker


def shown(process: subprocess.Popen[bytes], ours: int, enough: Callable[[str], bool], within: float = 60.0) -> str:
    """What is on the terminal, until it is enough or the process ends."""
    seen, deadline = b"", time.monotonic() + within
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.1)[0]:
            if process.poll() is not None:
                return seen.decode()
            continue
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the other side is closed
            return seen.decode()
        if enough(seen.decode("utf-8", "replace")):
            return seen.decode("utf-8", "replace")
    raise AssertionError(f"not within {within} s: {seen.decode('utf-8', 'replace')}")


def test_a_table_with_colours_that_devices_cannot_steer(fleet: SimulatedFleet, verbs: Verbs) -> None:
    fleet.add(SimulatedDevice("press-1", labels={"site": "a\x1b[2J[bold]"}), SimulatedDevice("press-2"))
    fleet.call(fleet.devices["press-2"].stop())
    process, ours = verbs.on_a_terminal("ls")
    try:
        text = shown(process, ours, lambda _: False)
    finally:
        os.close(ours)
    assert process.wait(20.0) == 0
    assert "\x1b[32monline" in text and "\x1b[31moffline" in text
    assert "\x1b[2J" not in text and "site=a?[2J[bold]" in text.replace("\r\n", "")


def test_the_live_view_follows_and_ends_on_interrupt(fleet: SimulatedFleet, verbs: Verbs) -> None:
    fleet.add(*(SimulatedDevice(f"press-{number:02}") for number in range(40)))
    process, ours = verbs.on_a_terminal("watch")
    try:
        first = shown(process, ours, lambda seen: "40 devices: 40 online; 0 alerts" in seen)
        assert "more, in no worse state" in first or shown(process, ours, lambda seen: "more, in no worse" in seen)
        fleet.do(lambda: fleet.devices["press-39"].tell_alert("AppDown", "detector"))
        shown(
            process, ours, lambda seen: "1 alerts" in seen and "press-39  critical AppDown/detector: it is so" in seen
        )
        process.send_signal(signal.SIGINT)
        shown(process, ours, lambda _: False)
    finally:
        os.close(ours)
    assert process.wait(20.0) == 0


def test_progress_of_many(fleet: SimulatedFleet, verbs: Verbs) -> None:
    fleet.add(*(SimulatedDevice(f"press-{number:02}", pace=0.3) for number in range(10)))
    process, ours = verbs.on_a_terminal("send", "--all", "restart", "app=detector")
    try:
        text = shown(process, ours, lambda _: False)
    finally:
        os.close(ours)
    assert process.wait(20.0) == 0 and "━" in text
