"""What edged costs while nothing happens: CPU of edged and of the engine, bytes to the disk and to the broker."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.fixtures.broker import Mosquitto, free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.invented import InventedHost
from tests.fixtures.relay import Relay

from .measure import Figure, cpu_seconds, pss_mb, until

DAY, HOUR = 86_400.0, 3600.0
WHOLE = HOUR + 100.0
"""Seconds in which all that edged does by the half hour and by the hour comes, wherever they begin."""
WELL = Path(__file__).with_name("well.py")
"""A tiny server that says 200, for the health checks."""


class Cost(Struct, frozen=True):
    """Of one daemon over a while."""

    cpu: float
    """Share of one core."""
    engine: float
    """Share of one core, dockerd and its containerd."""
    disk: float
    """Bytes, as the block device under the state folder counted them."""
    sent: float
    """Bytes a day towards the broker, without TCP/IP."""
    pss: float
    """MB."""
    events: int
    """Told meanwhile: whoever is quiet has nothing to say."""
    lasted: float
    """Seconds."""


def cpu(engine: Engine, folder: Path, seconds: float, many: int) -> list[Figure]:
    """20 containers each second, 20 at the defaults, ``many`` each second; all that a configuration can watch is on."""
    _containers(engine, 0, 20)
    idle = _engine_share(engine, seconds)
    fast = measure(engine, folder / "fast", 20, "1s", seconds)
    usual = measure(engine, folder / "usual", 20, "5s", seconds)
    _containers(engine, 20, many)
    crowd = measure(engine, folder / "crowd", many, "1s", seconds)
    pair = f"{fast.cpu:.2%} -> {crowd.cpu:.2%}, PSS {crowd.pss:.1f} MB"
    return [
        Figure("CPU, 20 containers sampled every second", fast.cpu * 100, 0.8, "%", 1),
        Figure("CPU, 20 containers at the default interval", usual.cpu * 100, 0.3, "%", 1),
        Figure(f"CPU of {many} containers against 20", crowd.cpu / fast.cpu, many / 20, "x", 1, 1.0, pair),
        Figure(
            "engine's own CPU, more by", (usual.engine - idle) * 100, 0.1, "%", 1, idle * 100,
            f"every second: {(fast.engine - idle):+.2%}",
        ),
    ]  # fmt: skip


def wear(engine: Engine, folder: Path, seconds: float) -> list[Figure]:
    """Bytes of 20 quiet containers at the defaults, brought up to a day: ``seconds``, and never less than an hour.

    What is written by the hour is there once for each whole hour; so these are what the bytes are divided by.
    """
    _containers(engine, 0, 20)
    with _disk(folder) as (state, written):
        cost = measure(engine, folder / "usual", 20, "5s", max(seconds, WHOLE), state, written)
    note = f"measured over {cost.lasted:.0f} s, {cost.events} events, PSS {cost.pss:.1f} MB"
    disk = cost.disk / (cost.lasted // HOUR * HOUR) * DAY
    return [
        Figure("written to disk a day, 20 quiet containers", disk / 1e6, 20.0, "MB", 1, None, note),
        Figure("sent to the broker a day, 20 quiet containers", cost.sent / 1e6, 2.0, "MB", 1, None, note),
    ]


def measure(
    engine: Engine,
    folder: Path,
    containers: int,
    every: str,
    seconds: float,
    state: Path | None = None,
    written: Any = None,
) -> Cost:
    """One daemon, connected to a broker, for ``seconds`` after it has settled."""
    folder.mkdir(parents=True)
    broker = Mosquitto(folder / "broker")
    broker.start()
    port = free_port()
    well = subprocess.Popen([sys.executable, "-I", str(WELL), str(port)])
    with contextlib.closing(Relay(broker)) as relay:
        config = _everything(containers, every, port) | {"mqtt": {"url": relay.url}}
        if state is not None:
            config["state_dir"] = str(state)
        daemon = Edged(folder, engine.url, config)
        if state is not None:
            daemon.state = state
        # Whatever else this machine kills for want of memory is no news of a quiet device.
        daemon.start(**(InventedHost(folder / "host").env if state is not None else {}))
        try:
            assert daemon.process is not None
            pid = daemon.process.pid
            until(lambda: daemon.status()["broker"]["connected"], 20.0, "the broker is connected")
            daemon.wait_state(f"app-{containers - 1}", "healthy", 60.0)
            time.sleep(15.0)
            told = len(daemon.events())
            sent, disk, begun = relay.sent, written() if written else 0, time.monotonic()
            ours, theirs = cpu_seconds(pid), _engine_seconds(engine)
            time.sleep(seconds)
            ours, theirs = cpu_seconds(pid) - ours, _engine_seconds(engine) - theirs
            lasted = time.monotonic() - begun
            return Cost(
                cpu=ours / lasted,
                engine=theirs / lasted,
                disk=(written() if written else 0) - disk,
                sent=(relay.sent - sent) / lasted * DAY,
                pss=pss_mb(pid),
                events=len(daemon.events()) - told,
                lasted=lasted,
            )
        finally:
            daemon.end()
            broker.stop()
            well.kill()
            well.wait()


def _everything(containers: int, every: str, port: int) -> dict[str, Any]:
    """All kinds of watching for each app."""
    app = {
        "health": {"http": f"http://127.0.0.1:{port}/health"},
        "memory": {"warn": "80%", "critical": "95%"},
        "cpu": {"warn": "80%"},
        "needs": ["plant-broker"],
    }
    return {
        "sampling": {"every": every},
        "dependencies": {"plant-broker": {"tcp": f"127.0.0.1:{port}"}},
        "apps": {f"app-{number}": app for number in range(containers)},
        # A machine that measures has no NTP and is busy at times: that is not what is measured.
        "host": {"clock": {"for": "1d"}, "cpu": {"for": "1d"}},
    }


def _containers(engine: Engine, first: int, end: int) -> None:
    for number in range(first, end):
        engine.run(f"app-{number}", mem_limit=32 * 1024 * 1024)


def _engine_share(engine: Engine, seconds: float) -> float:
    """What the engine uses when nobody asks it anything."""
    time.sleep(5.0)
    before = _engine_seconds(engine)
    time.sleep(seconds)
    return (_engine_seconds(engine) - before) / seconds


def _engine_seconds(engine: Engine) -> float:
    """CPU time of dockerd and its containerd so far."""
    children = Path(f"/proc/{engine.daemon_pid}/task/{engine.daemon_pid}/children").read_text().split()
    return sum(cpu_seconds(int(pid)) for pid in [engine.daemon_pid, *children])


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[tuple[Path, Any]]:
    """An ext4 of its own for the state folder, and how many bytes its device has been written, journal included."""
    image, point = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(512 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)], check=True)
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    try:
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", str(point)], check=True, capture_output=True, text=True
        ).stdout.strip()
        counter = Path("/sys/block", Path(device).name, "stat")

        def written() -> int:
            subprocess.run(["sync", "-f", str(point)], check=True)  # what the kernel still holds back counts too
            return int(counter.read_text().split()[6]) * 512

        yield point / "state", written
    finally:
        subprocess.run(["umount", str(point)], check=True)
