"""What must not grow or get lost: memory over a long while of trouble, and everything remembered over many reloads."""

from __future__ import annotations

import os
import random
import signal
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.fixtures.broker import Mosquitto
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

from .measure import Figure, pss_mb, until

BAD = "\nsampling: {every: soon}\n"


class Footprint(Struct, frozen=True):
    at: float
    pss: float
    threads: int
    descriptors: int


def footprint(pid: int) -> Footprint:
    return Footprint(
        at=time.monotonic(),
        pss=pss_mb(pid),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
    )


def slope(samples: Sequence[Footprint]) -> float:
    """MB per second that the memory grows: Theil–Sen's median of the slopes of all pairs, deaf to single peaks."""
    pairs = [
        (b.pss - a.pss) / (b.at - a.at) for i, a in enumerate(samples) for b in samples[i + 1 :] if b.at - a.at > 1.0
    ]
    pairs.sort()
    return pairs[len(pairs) // 2]


def soak(engine: Engine, folder: Path, minutes: float, chance: random.Random) -> list[Figure]:
    """A third of the time to settle, then the figures: kills, reloads good and bad, readers, broker outages."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    names = [f"app-{number}" for number in range(20)]
    for name in names:
        engine.run(name)
    # Killed for as long as it takes: the budget is made for it.
    restart = {"budget": 100000, "per": "1m", "backoff": "100ms", "max_backoff": "1s", "reset_after": "1s"}
    config = {"apps": {name: {"restart": restart} for name in names}, "mqtt": {"url": broker.url}}
    daemon = Edged(folder, engine.url, config).start()
    samples: list[Footprint] = []
    kills = reloads = 0
    try:
        assert daemon.process is not None
        pid = daemon.process.pid
        for name in names:
            daemon.wait_state(name, "healthy", 60.0)
        good = daemon.file.read_text()
        begun = time.monotonic()
        end = begun + minutes * 60.0
        measured_at, beat = begun, 0
        while (now := time.monotonic()) < end:
            beat += 1
            if main := engine.pid(chance.choice(names)):
                os.kill(main, signal.SIGKILL)
                kills += 1
            if beat % 2 == 0:
                daemon.file.write_text(good + (BAD if beat % 4 else f"\n# {beat}\n"))
                daemon.reload()
                reloads += 1
            if beat % 5 == 0:
                urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=10).read()
                daemon.status()
            if beat % 60 == 0:
                broker.restart()
            time.sleep(2.0)
            if now - measured_at >= 10.0 and now - begun > minutes * 20.0:
                measured_at = now
                samples.append(footprint(pid))
        errors = [line for line in daemon.text().splitlines() if "Traceback" in line or "mistake in edged" in line]
    finally:
        daemon.end()
        broker.stop()
    last = samples[-1]
    grown = slope(samples) * (samples[-1].at - samples[0].at)
    spent = f"{kills} kills, {reloads} reloads in {minutes:g} min; from {samples[0].pss:.1f} to {last.pss:.1f} MB"
    threads, descriptors = [s.threads for s in samples], [s.descriptors for s in samples]
    return [
        Figure("PSS at the end, 20 containers, broker connected", last.pss, 45.0, "MB", len(samples), None, spent),
        Figure("PSS grown meanwhile (Theil-Sen)", grown, 0.5, "MB", len(samples)),
        Figure("threads, most over least", max(threads) - _typical(threads), 2, "", len(samples), _typical(threads)),
        Figure(
            "descriptors, at the end over the beginning", _typical(descriptors[-9:]) - _typical(descriptors[:9]), 0, "",
            len(samples), _typical(descriptors),
        ),
        Figure("mistakes in the log", len(errors), 0, "", 1),
    ]  # fmt: skip


def _typical(counts: Sequence[int]) -> int:
    return sorted(counts)[len(counts) // 2]


def reloads(engine: Engine, folder: Path, count: int) -> list[Figure]:
    """Good and bad by turns, while one app has spent its budget, and another one's probe fails all the time."""
    engine.run("crashing", "sh", "-c", "exit 3")
    engine.run("deaf")
    seconds = count * 0.15
    failures = int(seconds / 0.2)
    apps: dict[str, dict[str, Any]] = {
        "crashing": {
            "restart": {"budget": 2, "per": "1h", "backoff": "100ms", "retry_after": "1h", "reset_after": "1h"}
        },
        "deaf": {
            "health": {
                "tcp": "127.0.0.1:9", "every": "200ms", "timeout": "100ms", "failures": failures, "start_period": "0s"
            },
            "restart": {"budget": 1, "per": "1h", "retry_after": "1h"},
        },
    }  # fmt: skip
    daemon = Edged(folder, engine.url, {"apps": apps}).start()
    try:
        daemon.wait_event("alert.raised", name="RecoveryExhausted")
        before, raised = daemon.app("crashing"), daemon.events("alert.raised")
        good = daemon.file.read_text()
        since = time.monotonic()
        for number in range(count):
            bad = number % 2 == 1
            told = _reloads(daemon)
            daemon.file.write_text(good + (BAD if bad else f"\n# {number}\n"))
            daemon.reload()
            until(lambda told=told: _reloads(daemon) != told, 10.0, f"reload {number} is told")  # type: ignore[misc]
            time.sleep(max(0.0, since + (number + 1) * 0.15 - time.monotonic()))
        took = time.monotonic() - since
        unhealthy = daemon.wait_event("alert.raised", failures * 0.3 + 10.0, name="Unhealthy", subject="deaf")
        after = daemon.app("crashing")
        lost = [a for a in daemon.events("alert.cleared") if a["subject"] == "crashing"]
        again = [e for e in daemon.events("action.started") if e["subject"] == "crashing"]
        good_ones, bad_ones = _reloads(daemon)
    finally:
        daemon.end()
    kept = _remembered(before) == _remembered(after) and not lost and len(again) == 2
    return [
        Figure("bad reloads not reported", abs(count // 2 - bad_ones), 0, "", count),
        Figure("good reloads not in force", abs(count - count // 2 - good_ones), 0, "", count, None, f"{took:.0f} s"),
        Figure(
            "budgets, circuits, alerts lost", 0 if kept else 1, 0, "", count, None,
            f"{len(raised)} alerts, {len(again)} restarts",
        ),
        Figure("streaks lost", 0 if unhealthy else 1, 0, "", count, None, f"a streak of {failures} went through"),
    ]  # fmt: skip


def _remembered(app: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in app["recovery"].items() if key != "next_in_seconds"}


def _reloads(daemon: Edged) -> tuple[int, int]:
    config = daemon.status()["config"]
    return config["reloads"], config["refused"]
