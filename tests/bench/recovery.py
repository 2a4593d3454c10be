"""Detection and recovery against the clock, on a real engine of our own."""

from __future__ import annotations

import http.server
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

from .measure import Figure, median, until

HERE = Path(__file__).parent
MARK = ("sh", "-c", "date > /mark/started; trap 'exit 0' TERM; sleep 100000 & wait")
"""A process that says when it began to run, by the time of a file."""


def kill_to_start(engine: Engine, name: str, mark: Path) -> float:
    """Seconds from SIGKILL of the main process to the new process running."""
    mark.unlink(missing_ok=True)
    pid = engine.pid(name)
    killed = time.time_ns()
    os.kill(pid, 9)
    until(lambda: mark.exists() and mark.stat().st_size, 10.0, f"{name} runs again")
    return (mark.stat().st_mtime_ns - killed) / 1e9


def kill(engine: Engine, folder: Path, count: int) -> Figure:
    """edged and the bare script by turns, so that the machine's moods hit both alike."""
    marks = {}
    for name in ("bare", "watched"):
        marks[name] = folder / name
        marks[name].mkdir()
        engine.run(name, *MARK, mounts=[f"{marks[name]}:/mark"])
    # Killed again and again within seconds: the budget is made for it; everything else is as delivered.
    restart = {"budget": 100000, "per": "1m", "backoff": "100ms", "max_backoff": "100ms", "reset_after": "1s"}
    daemon = Edged(folder, engine.url, {"apps": {"watched": {"restart": restart}}}).start()
    script = subprocess.Popen([sys.executable, str(HERE / "bare.py"), engine.url, "bare"], stdout=subprocess.PIPE)
    try:
        assert script.stdout is not None
        script.stdout.readline()
        daemon.wait_state("watched", "healthy")
        times: dict[str, list[float]] = {"bare": [], "watched": []}
        for number in range(count):
            for name in ("bare", "watched") if number % 2 else ("watched", "bare"):
                times[name].append(kill_to_start(engine, name, marks[name] / "started"))
                time.sleep(1.3 if name == "watched" else 0.1)
        daemon.wait_state("watched", "healthy")
        kept = [path.stat().st_size for path in (daemon.state / "evidence").rglob("*.json.gz")]
        assert len(kept) >= count, f"{count} kills and {len(kept)} records of evidence"
    finally:
        script.kill()
        script.wait()
        if script.stdout is not None:
            script.stdout.close()
        daemon.end()
    floor, ours = median(times["bare"]), median(times["watched"])
    note = (
        f"median {ours * 1000:.0f} ms against {floor * 1000:.0f} ms; evidence first, {median(kept) / 1024:.1f} KiB each"
    )
    return Figure("SIGKILL -> new process running, ratio to a bare script", ours / floor, 1.15, "x", count, 1.0, note)


def _event_times(engine: Engine, container: str) -> Iterator[tuple[str, float]]:
    for event in engine.client.events(decode=True, filters={"type": ["container"], "container": [container]}):
        yield event["Action"], event["timeNano"] / 1e9


@contextmanager
def recorded(engine: Engine, container: str) -> Iterator[list[tuple[str, float]]]:
    """The engine's own record of what happened to a container, with its times."""
    seen: list[tuple[str, float]] = []
    stream = engine.client.events(decode=True, filters={"type": ["container"], "container": [container]})

    def read() -> None:
        for event in stream:
            seen.append((event["Action"], event["timeNano"] / 1e9))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stream.close()
        thread.join(5.0)


def unhealthy(engine: Engine, folder: Path, count: int) -> Figure:
    """Docker's own health check fails: how long until edged has sent the restart?"""
    flag = folder / "flag"
    flag.mkdir()
    (flag / "ok").touch()
    second = 1_000_000_000
    check = {"test": ["CMD", "test", "-e", "/flag/ok"], "interval": second, "timeout": second, "retries": 1}
    engine.run("judged", mounts=[f"{flag}:/flag"], healthcheck=check)
    restart = {"budget": 100000, "per": "1m", "backoff": "100ms", "max_backoff": "100ms", "reset_after": "1s"}
    daemon = Edged(folder, engine.url, {"apps": {"judged": {"restart": restart}}}).start()
    try:
        daemon.wait_state("judged", "healthy")
        delays = []
        for _ in range(count):
            with recorded(engine, "judged") as seen:
                (flag / "ok").unlink()
                until(lambda: any(action == "start" for action, _ in seen), 20.0, "judged was restarted")
                (flag / "ok").touch()
            bad = next(at for action, at in seen if action == "health_status: unhealthy")
            delays.append(next(at for action, at in seen if action == "kill") - bad)
            daemon.wait_state("judged", "healthy")
            time.sleep(1.2)
    finally:
        daemon.end()
    note = f"median {median(delays) * 1000:.0f} ms"
    return Figure("Docker says unhealthy -> restart call (worst)", max(delays), 0.1, "s", count, None, note)


class _Hanging(http.server.BaseHTTPRequestHandler):
    hang = threading.Event()
    go_on = threading.Event()

    def do_GET(self) -> None:
        if self.hang.is_set():
            self.go_on.wait(10.0)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Silent."""


def probe(engine: Engine, folder: Path, count: int, chance: random.Random) -> Figure:
    """The app hangs at a random moment: how long until edged has sent the restart?"""
    every, failures, timeout = 1.0, 3, 0.5
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hanging)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    engine.run("probed")
    restart = {"budget": 100000, "per": "1m", "backoff": "100ms", "max_backoff": "100ms", "reset_after": "1s"}
    health = {
        "http": f"http://127.0.0.1:{server.server_address[1]}/health", "every": f"{every}s", "timeout": f"{timeout}s",
        "failures": failures, "start_period": "0s",
    }  # fmt: skip
    daemon = Edged(folder, engine.url, {"apps": {"probed": {"restart": restart, "health": health}}}).start()
    try:
        daemon.wait_state("probed", "healthy")
        delays = []
        for _ in range(count):
            time.sleep(1.2 + chance.random())
            with recorded(engine, "probed") as seen:
                _Hanging.go_on.clear()
                _Hanging.hang.set()
                hung = time.time()
                until(lambda: any(action == "kill" for action, _ in seen), 20.0, "probed was restarted")
                _Hanging.hang.clear()
                _Hanging.go_on.set()
                delays.append(next(at for action, at in seen if action == "kill") - hung)
                until(lambda: any(action == "start" for action, _ in seen), 20.0, "probed runs again")
            daemon.wait_state("probed", "healthy")
    finally:
        daemon.end()
        server.shutdown()
        server.server_close()
    bar = every * failures + timeout + 0.3
    note = f"every {every:g} s x {failures} + timeout {timeout:g} s + 0.3 s; median {median(delays):.2f} s"
    return Figure("HTTP probe fails -> restart call (worst)", max(delays), bar, "s", count, None, note)


def engine_outage(engine: Engine, folder: Path, seconds: float) -> Figure:
    """The engine goes away and comes back, with 20 containers of every restart policy."""
    apps = {}
    for number in range(20):
        name = f"app-{number}"
        engine.run(name, restart_policy=("no", "always", "unless-stopped", "on-failure")[number % 4])
        apps[name] = {"restart": {"policy_grace": "3s"}}
    daemon = Edged(folder, engine.url, {"apps": apps}).start()
    try:
        daemon.wait(lambda: _all_healthy(daemon, 20), 30.0, "all are healthy")
        engine.stop()
        daemon.wait(lambda: daemon.status()["engine"]["up"] is False, 15.0, "the outage is seen")
        time.sleep(seconds)
        begun = time.monotonic()
        engine.start()
        answered = time.monotonic()
        until(lambda: daemon.status()["engine"]["up"] and _all_seen(daemon, 20), 30.0, "everything is seen again")
        again = time.monotonic() - answered
        daemon.wait(lambda: _all_healthy(daemon, 20), 90.0, "all are healthy again")
        healthy = time.monotonic() - answered
        spent = sum(app["recovery"]["budget_used"] for app in daemon.status()["apps"].values())
    finally:
        daemon.end()
    note = f"engine up in {answered - begun:.1f} s; all 20 healthy after {healthy:.1f} s; restarts counted: {spent}"
    return Figure(
        f"engine away {seconds:g} s: everything seen again",
        again if not spent else float("inf"),
        5.0,
        "s",
        1,
        None,
        note,
    )


def _all_seen(daemon: Edged, number: int) -> bool:
    apps = daemon.status()["apps"].values()
    return len(apps) == number and all(app["state"] not in ("unknown", "missing") for app in apps)


def _all_healthy(daemon: Edged, number: int) -> bool:
    apps = daemon.status()["apps"].values()
    return len(apps) == number and all(app["state"] == "healthy" for app in apps)
