"""The console with 2,000 devices on one broker: complete and correct, small, and what the broker bears for it.

Devices are real MQTT clients that verify what they are told; mosquitto has the limits it is delivered with.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edged.config import App, Config
from edged.report.snapshot import Snapshot
from edged.report.status import metrics_sample
from edged.vocabulary.state import AppState, HostState, State
from edged.vocabulary.world import HostSample, Usage
from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.fleet_device import SimulatedDevice, SimulatedFleet, key_file

from .measure import Figure, until

LIMITS = ("max_queued_messages 1000", "max_inflight_messages 20", "sys_interval 1", "log_type none", "log_type error")
DAY = 86_400.0
METRICS_EVERY, KEEPALIVE = 60.0, 30.0
"""Seconds, as edged does it unless it is told otherwise."""
SAMPLES = 5
URL = "http://files.example/detector-2.tar"
MOST = 200.0
"""MB of the console, at most."""


class Traffic(NamedTuple):
    """Of the whole broker, both ways; ``messages`` are packets of every kind."""

    messages: int
    size: int


class Counted:
    """The broker's own counters. This reader's share in them is left out by counting what it got."""

    def __init__(self, broker: Mosquitto) -> None:
        self._reader = Reader(broker, "$SYS/broker/+/+")

    def settled(self) -> Traffic:
        """Once nothing but our own reading goes on: two readings, a second apart, that are nearly the same."""
        before, deadline = self._read(), time.monotonic() + 120.0
        while time.monotonic() < deadline:
            time.sleep(1.5)
            now = self._read()
            if now.messages - before.messages < 200:
                return now
            before = now
        raise TimeoutError("the broker does not come to rest")

    def _read(self) -> Traffic:
        names = ("messages/received", "messages/sent", "bytes/received", "bytes/sent")
        until(lambda: all(self._reader.payloads(f"$SYS/broker/{name}") for name in names), 60.0, "the counters")
        values = [int(self._reader.payloads(f"$SYS/broker/{name}")[-1]) for name in names]
        return Traffic(values[0] + values[1], values[2] + values[3])

    def close(self) -> None:
        self._reader.close()


class Ran(NamedTuple):
    code: int
    out: str
    err: str
    peak: float
    """MB of 10⁶ bytes, resident at most."""
    seconds: float


class Operator:
    def __init__(self, folder: Path, url: str) -> None:
        self._options = ["--broker", url, "--key", key_file(folder)]
        self._folder = folder
        self._env = os.environ | {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}

    def run(self, *args: str) -> Ran:
        begun, peak = time.monotonic(), 0.0
        out, err = self._folder / "out", self._folder / "err"
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "edged", "fleet", *self._options, *args],
                stdout=stdout,
                stderr=stderr,
                env=self._env,
            )
            while process.poll() is None:
                peak = max(peak, _peak_mb(process.pid))
                time.sleep(0.01)
        return Ran(process.returncode, out.read_text(), err.read_text(), peak, time.monotonic() - begun)


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), 0.0)


def console(folder: Path, count: int, chance: random.Random) -> list[Figure]:
    broker = Mosquitto(folder / "broker", LIMITS)
    broker.start()
    fleet, operator = SimulatedFleet(broker.port), Operator(folder, broker.url)
    try:
        fleet.add(*(_device(number) for number in range(count)), timeout=300.0)
        away = chance.sample(sorted(fleet.devices), count // 100)
        for name in away:
            fleet.call(fleet.devices[name].stop(politely=False))
        counters = Counted(broker)
        figures = [*_ls(operator, fleet, set(away)), *_rollouts(operator, fleet, set(away), counters)]
        figures += _days(fleet, counters, count - len(away))
        counters.close()
        return figures
    finally:
        fleet.close()
        broker.kill()


def _device(number: int) -> SimulatedDevice:
    labels = {"site": f"plant-{number % 7}", "line": str(number % 23)}
    apps = ("detector", "logger") if number % 2 else ("detector",)
    return SimulatedDevice(f"press-{number:05}", labels=labels, apps=apps, pace=0.2)


def _ls(operator: Operator, fleet: SimulatedFleet, away: set[str]) -> list[Figure]:
    ran = operator.run("ls", "--json")
    if ran.code:
        raise RuntimeError(ran.err)
    seen = {one["device"]: one for one in json.loads(ran.out)}
    wrong = [name for name, device in fleet.devices.items() if not _as_it_is(seen.get(name), device, name in away)]
    table = operator.run("ls")
    note, count = f"{ran.seconds:.1f} s", len(fleet.devices)
    faults = len(wrong) + len(seen.keys() - fleet.devices)
    return [
        Figure(f"fleet ls, {count} devices: missing or wrong", faults, 0, "", 1, None, note),
        Figure("fleet ls --json: console, peak RSS", ran.peak, MOST, "MB", 1),
        Figure("fleet ls as a table: console, peak RSS", table.peak, MOST, "MB", 1),
    ]  # fmt: skip


def _as_it_is(seen: dict[str, Any] | None, device: SimulatedDevice, away: bool) -> bool:
    return seen is not None and (seen["state"], seen["labels"], {*seen["apps"]}) == (
        "offline" if away else "online",
        device.labels,
        {*device.apps},
    )


def _rollouts(operator: Operator, fleet: SimulatedFleet, away: set[str], counters: Counted) -> list[Figure]:
    arguments = ("rollout", URL, "--app", "detector", "--soak", "2s", "--offline", "skip", "--json")
    before = counters.settled()
    ran = operator.run(*arguments)
    after = counters.settled()
    end = _end(ran)
    wrong = sum(
        len(device.done) != (name not in away) or bool(device.refusals)
        or device.apps["detector"] != ("1.0" if name in away else "2.0")
        for name, device in fleet.devices.items()
    )  # fmt: skip
    expected = {"succeeded": len(fleet.devices) - len(away), "skipped": len(away)}
    count = len(fleet.devices) - len(away)
    messages, size = (after.messages - before.messages) / count, (after.size - before.size) / count
    note = f"{ran.seconds:.0f} s; {messages:.0f} packets, {size / 1e3:.1f} kB at the broker for each device"
    halted, touched = _bad(operator, fleet, arguments)
    return [
        Figure("rollout in four waves: devices gone wrong", wrong + (end["counts"] != expected), 0, "", 1, None, note),
        Figure("rollout: console, peak RSS", ran.peak, MOST, "MB", 1),
        Figure("bad rollout: devices touched before it halts", touched, 3, "", 1, None, halted),
    ]


def _bad(operator: Operator, fleet: SimulatedFleet, arguments: tuple[str, ...]) -> tuple[str, int]:
    """Every device fails; with one at a time, at most two of them may, so it is over with the third."""
    before = {name: len(device.done) for name, device in fleet.devices.items()}
    for device in fleet.devices.values():
        device.behave = "fail"
    ran = operator.run(*arguments, "--again", "--at-once", "1", "--max-failures", "2")
    touched = sum(len(device.done) > before[name] for name, device in fleet.devices.items())
    stage = _end(ran)["stage"]
    return f"{stage}, exit code {ran.code}", touched if (stage, ran.code) == ("halted", 1) else len(fleet.devices)


def _end(ran: Ran) -> dict[str, Any]:
    if not ran.out.strip():
        raise RuntimeError(ran.err)
    found: dict[str, Any] = json.loads(ran.out.splitlines()[-1])
    return found


def _days(fleet: SimulatedFleet, counters: Counted, count: int) -> list[Figure]:
    """What a quiet day of one device comes to at the broker, while nobody but this reader of ``$SYS`` listens."""
    sample = msgspec.json.encode(metrics_sample(_usual()))
    online = [one for one in fleet.devices.values() if one.client is not None and not one.client.ended.is_set()]
    before = counters.settled()
    for _ in range(SAMPLES):
        fleet.do(lambda: [one.publish("metrics", sample) for one in online])
        time.sleep(1.0)
    after = counters.settled()
    each = count * SAMPLES
    packets, size = (after.messages - before.messages) / each, (after.size - before.size) / each
    samples, pings = DAY / METRICS_EVERY, DAY / KEEPALIVE
    note = f"of them metrics of {len(sample)} bytes: {packets:.2f} packets, {size:.0f} bytes at the broker"
    # A ping and its answer are two bytes each.
    packets, size = samples * packets + pings * 2, samples * size + pings * 4
    return [
        Figure("quiet day of a device: packets at the broker", packets, 10_000, "", each, None, note),
        Figure("quiet day of a device: at the broker", size / 1e6, 1.0, "MB", each),
    ]


def _usual() -> Snapshot:
    """A Raspberry Pi with two apps."""
    usage = Usage(container_id="0123456789ab", memory=180 * 2**20, cpu_seconds=1e5)
    apps = {
        name: AppState(name=name, config=App(), condition="healthy", usage=usage) for name in ("detector", "logger")
    }
    host = HostState(sample=HostSample(memory_total=4 * 2**30, memory_available=2**30, cpu_busy=0.2, temperature=51.5))
    return Snapshot(State(apps=apps, host=host), Config(), 1e6, 1.7e9)
