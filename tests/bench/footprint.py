"""Start-up times and memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.fixtures.broker import Mosquitto
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

from .measure import Figure, cpu_seconds, median, pss_mb, seconds_of, until


def verbs(engine: Engine, folder: Path, count: int) -> list[Figure]:
    """``edged run`` to READY=1, ``edged status``, ``edged --help``; the floor is Python doing nothing."""
    program = str(Path(sys.executable).with_name("edged"))
    nothing = seconds_of([sys.executable, "-I", "-c", "pass"], count)
    daemon = Edged(folder, engine.url).start()
    try:
        status = seconds_of([program, "status", "--json", "--socket", daemon.socket], count)
    finally:
        daemon.end()
    ready = median([time_to_ready(daemon) for _ in range(max(3, count // 3))])
    return [
        Figure("edged run -> READY", ready, 1.0, "s", max(3, count // 3), nothing),
        Figure("edged status", status, 0.2, "s", count, nothing),
        Figure("edged --help", seconds_of([program, "--help"], count), 0.1, "s", count, nothing),
    ]


def time_to_ready(daemon: Edged) -> float:
    """As systemd measures it: until READY=1 arrives on the notify socket."""
    program = str(Path(sys.executable).with_name("edged"))
    path = daemon.folder / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(10.0)
        begun = time.perf_counter()
        process = subprocess.Popen(
            [program, "run", "-c", str(daemon.file)], env=os.environ | {"NOTIFY_SOCKET": str(path)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while b"READY=1" not in channel.recv(4096):
                pass
            return time.perf_counter() - begun
        finally:
            process.terminate()
            process.wait(10.0)


def memory(engine: Engine, folder: Path, containers: int, seconds: float) -> list[Figure]:
    """PSS (and CPU, for information) with containers watched and a broker connected."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    apps = {}
    for number in range(containers):
        engine.run(f"app-{number}")
        apps[f"app-{number}"] = {}
    daemon = Edged(folder, engine.url, {"apps": apps, "mqtt": {"url": broker.url}}).start()
    try:
        assert daemon.process is not None
        pid = daemon.process.pid
        until(lambda: daemon.status()["broker"]["connected"], 20.0, "the broker is connected")
        daemon.wait_state(f"app-{containers - 1}", "healthy")
        time.sleep(5.0)
        before, begun = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        used = (cpu_seconds(pid) - before) / (time.monotonic() - begun)
        pss = pss_mb(pid)
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    finally:
        daemon.end()
        broker.stop()
    note = f"{threads} threads, {descriptors} descriptors, {used:.2%} of a core at the default interval"
    return [Figure(f"PSS, {containers} containers, broker connected", pss, 45.0, "MB", 1, None, note)]
