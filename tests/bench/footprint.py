"""Start-up times and memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.fixtures.broker import Mosquitto, free_port
from tests.fixtures.console import trust_file
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.orders import Sender

from .cost import WELL
from .measure import Figure, cpu_seconds, median, pss_mb, seconds_of, until

TALKS = "trap 'exit 0' TERM; while :; do echo 'INFO all is well'; sleep 1; done"


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


def everything(engine: Engine, folder: Path, containers: int, seconds: float) -> list[Figure]:
    """PSS with all there is but drift: probes, metrics, logs, dependencies, history, orders, backups, the status page
    looked at, and some life behind it: recoveries with evidence and incidents, a backup, a report.
    """
    broker, port = Mosquitto(folder / "broker"), free_port()
    broker.start()
    page = f"http://127.0.0.1:{port}"
    app = {
        "health": {"http": f"{page}/health"},
        "metrics": {
            "url": f"{page}/metrics", "latency": {"histogram": "latency_seconds", "warn": "50ms"},
            "errors": {"total": "requests_total", "failed": {"status": "5.."}},
        },
        "restart": {"backoff": "100ms", "max_backoff": "1s"},
        "needs": ["plant-broker"],
    }  # fmt: skip
    kept = folder / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(os.urandom(1_000_000))
    names = [f"app-{number}" for number in range(containers)]
    for name in names:
        engine.run(name, "sh", "-c", TALKS, mounts=[f"{kept}:/kept"] if name == names[0] else [])
    apps = dict.fromkeys(names, app) | {names[0]: app | {"data": {"path": "/kept", "every": "0s"}}}
    well = subprocess.Popen([sys.executable, "-I", str(WELL), str(port)])
    config = {
        "apps": apps,
        "mqtt": {"url": broker.url, "home_assistant": True},
        "commands": {"trust": trust_file(folder, Sender().key)},
        "dependencies": {"plant-broker": {"tcp": f"127.0.0.1:{port}"}},
        "sampling": {"every": "1s"},
    }
    daemon = Edged(folder, engine.url, config).start()
    program = str(Path(sys.executable).with_name("edged"))
    try:
        assert daemon.process is not None
        until(lambda: daemon.status()["broker"]["connected"], 20.0, "the broker is connected")
        for name in names:
            daemon.wait_state(name, "healthy", 60.0)
        until(lambda: daemon.app(names[-1])["inference"], 60.0, "its metrics are judged")
        for name in names[:5]:
            engine.kill_main(name)
            daemon.wait_event("recovery.succeeded", 60.0, subject=name)
        for words in (("data", names[0], "backup"), ("report",), ("incidents",)):
            done = subprocess.run(
                [program, *words, "--socket", daemon.socket], capture_output=True, text=True, timeout=60.0
            )
            assert done.returncode in (0, 1) and done.stdout, done.stderr
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            for path in ("/", "/metrics", "/status.json"):
                with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}{path}", timeout=10.0) as answer:
                    assert answer.read()
            time.sleep(2.0)
        pss = pss_mb(daemon.process.pid)
    finally:
        daemon.end()
        broker.stop()
        well.kill()
        well.wait()
    return [Figure(f"PSS, {containers} containers, everything on but drift", pss, 50.0, "MB", 1)]
