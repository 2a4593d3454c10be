"""A week of twenty apps: what it takes on disk, and what ``edged report`` takes to tell of it."""

from __future__ import annotations

import contextlib
import functools
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from edged.adapters.storage.history import NAME, RollupStore
from edged.adapters.store import SqliteStore
from edged.history.minutes import Span
from edged.ports import Batch
from edged.ports.history import HOUR, MINUTE, Point
from edged.report.payloads import encode_event
from edged.vocabulary import events as ev
from edged.vocabulary.event import Event
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine

from .measure import Figure, median

APPS = 20
WEEK = 7 * 86400
GAUGES = ("memory", "memory.share", "cpu.cores", "cpu.share", "latency", "latency.p50", "latency.p99", "probe")
AMOUNTS = ("requests", "failed", "state.healthy", "logs.errors", "logs.slow", "logs.auth")
EVENTS = 20_000


def report(engine: Engine, folder: Path, count: int, chance: random.Random) -> list[Figure]:
    """Every app with metrics and logs, each minute; and 20,000 events, some of them incidents."""
    begin = int(time.time()) // HOUR * HOUR - WEEK
    state = folder / "state"
    state.mkdir()
    names = [f"app{n:02d}" for n in range(APPS)]
    rollups = RollupStore(state, None)
    for hour in range(0, WEEK, HOUR):
        spans: list[Span] = [
            (MINUTE, begin + hour + m, _points(names, begin + hour + m, chance)) for m in range(0, HOUR, MINUTE)
        ]
        spans.append((HOUR, begin + hour, _points(names, begin + hour, chance)))
        rollups.add(spans, ())
        rollups.flush(float(hour), 35 * 86400.0, 2**30)
    _log(state, names, begin, chance)
    size = sum((state / name).stat().st_size for name in (NAME, "edged.db"))
    daemon = Edged(folder, engine.url, {"apps": {name: {} for name in names}, "state_dir": str(state)})
    times, peaks = [], []
    try:
        daemon.start()
        for _ in range(count):
            seconds, peak = _run(daemon)
            times.append(seconds)
            peaks.append(peak)
    finally:
        daemon.end()
    return [
        Figure("a week of 20 apps on disk", size / 1e6, 50.0, "MB", 1),
        Figure("edged report of a week of 20 apps (median)", median(times), 2.0, "s", count),
        Figure("edged report: peak memory", max(peaks), 80.0, "MB", count),
    ]  # fmt: skip


def _points(names: list[str], begin: int, chance: random.Random) -> dict[tuple[str, str], Point]:
    found = {}
    for name in [*names, "host"]:
        for metric in GAUGES:
            value = chance.gauss(0.5, 0.05)
            found[name, metric] = Point(begin, 12, value - 0.1, value, value + 0.1, value)
        for metric in AMOUNTS:
            value = float(chance.randrange(100))
            found[name, metric] = Point(begin, 4, value, value, value, value)
    return found


def _log(state: Path, names: list[str], begin: int, chance: random.Random) -> None:
    store = SqliteStore(state / "edged.db")
    encode = functools.partial(encode_event, device="test-device")
    for n in range(0, EVENTS, 4):
        name = chance.choice(names)
        told: list[Event] = [
            ev.AlertRaised(subject=name, name="AppDown", severity="critical", summary="it exited with code 1"),
            ev.ActionStarted(subject=name, action_id=f"{n}", action="RestartContainer", reason="exited", attempt=1),
            ev.RecoverySucceeded(subject=name, ailment="exited", attempts=1, seconds=1.2),
            ev.AlertCleared(subject=name, name="AppDown", severity="critical", seconds=2.0, summary="it is healthy"),
        ]
        wall = begin + WEEK * n / EVENTS
        store.commit(Batch(wall=wall, now=0.0, events=tuple(("event", one) for one in told)), encode)
    store.close()


def _run(daemon: Edged) -> tuple[float, float]:
    """(seconds, peak in MB). The peak that ``wait4`` tells has that of this process in it, from before the ``exec``."""
    command = [sys.executable, "-m", "edged", "report", "--socket", str(daemon.socket)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    peaks, ended = [0.0], threading.Event()
    watching = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
    watching.start()
    try:
        shown, said = process.communicate(timeout=60.0)
    finally:
        ended.set()
        watching.join()
    seconds = time.monotonic() - began
    assert process.returncode in (0, 1) and b"APPS" in shown, said
    return seconds, max(peaks)


def _watch(pid: int, peaks: list[float], ended: threading.Event) -> None:
    """Notes the highest resident size so far, MB, until the process ends."""
    while not ended.wait(0.005):
        with contextlib.suppress(OSError, StopIteration):  # it ends just now
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peaks.append(next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")))
