"""A spool that is full after weeks offline: does edged start as fast, stay as small, and tidy up in bounded time?"""

from __future__ import annotations

import functools
import time
from pathlib import Path

from edged.adapters.store import SqliteStore
from edged.ports import Batch
from edged.report.payloads import encode_event
from edged.vocabulary.events import EdgedStopping
from tests.fixtures.broker import Mosquitto
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

from .footprint import time_to_ready
from .measure import Figure, median, pss_mb, until

FULL = 64 * 2**20
"""Bytes: the spool's bound as delivered."""
_EVENT = ("event", EdgedStopping(subject="edged", reason="a reason of the usual length, or so"))
_encode = functools.partial(encode_event, device="test-device")


def fill(path: Path, size: int) -> int:
    """Writes events until the spool has so many bytes; returns how many they are."""
    store = SqliteStore(path)
    while store.spool()[1] < size:
        store.commit(Batch(wall=1e9, now=1.0, events=(_EVENT,) * 2000), _encode)
    count = store.spool()[0]
    store.close()
    return count


def full(engine: Engine, folder: Path, count: int) -> list[Figure]:
    broker = Mosquitto(folder / "broker")
    mqtt = {"url": broker.url, "spool": {"max_size": "1GiB"}}
    daemon = Edged(folder, engine.url, {"mqtt": mqtt})
    daemon.state.mkdir()
    empty = median([time_to_ready(daemon) for _ in range(count)])
    events = fill(daemon.state / "edged.db", FULL)
    ready = median([time_to_ready(daemon) for _ in range(count)])
    try:
        daemon.start()
        assert daemon.process is not None
        pid = daemon.process.pid
        time.sleep(2.0)
        waiting = pss_mb(pid)
        broker.start()
        daemon.reload()
        most, begun = waiting, time.monotonic()
        until(lambda: daemon.status()["broker"]["connected"], 20.0, "connected")
        while daemon.status()["broker"]["spool_messages"] and time.monotonic() < begun + 300.0:
            most = max(most, pss_mb(pid))
            time.sleep(0.2)
        seconds = time.monotonic() - begun
        seen = daemon.status()["broker"]
    finally:
        daemon.end()
        broker.kill()
    what = f"{events} events wait ({FULL >> 20} MiB):"
    return [
        Figure(f"{what} edged run -> READY", ready, 1.0, "s", count, empty, "floor: the same with none"),
        Figure(f"{what} PSS, broker away", waiting, 45.0, "MB", 1),
        Figure(
            f"{what} PSS at most while drained", most, 45.0, "MB", 1, None, f"{seen['sent']} sent in {seconds:.0f} s"
        ),
        Figure(f"{what} longest hold of the store by a trim", _trim(folder / "trim.db"), 0.25, "s", 1),
    ]


def _trim(path: Path) -> float:
    """The longest of the calls that bring a spool within half its size, as after a lowered bound."""
    fill(path, FULL)
    store = SqliteStore(path)
    longest = 0.0
    dropped = 0
    for _ in range(100):
        begun = time.perf_counter()
        dropped += sum(count for _, _, count, _ in store.trim(1.0, FULL // 2, 1e9, 1e9, FULL // 2))
        longest = max(longest, time.perf_counter() - begun)
    store.close()
    if not dropped:
        raise RuntimeError("nothing was trimmed: this measured nothing")
    return longest
