"""edged is SIGKILLed at random moments, again and again, under load: what did it lose, forget or do twice?"""

from __future__ import annotations

import http.server
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.load import Account, Callers

from .measure import Figure, until

EVENT = "edged/v1/test-device/event"
LONGEST = 2.0
"""Seconds that a run of edged lasts at most."""
_QUICK = {"budget": 100000, "per": "1m", "backoff": "100ms", "max_backoff": "100ms", "reset_after": "1s"}


class Hanging:
    """An app's health page that hangs at will, and is well again when its container was started anew."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(503 if page.hangs.is_set() else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Silent."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/health"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Damage:
    """Breaks the apps, one failure at a time, and counts failures and starts as the engine saw them."""

    def __init__(self, engine: Engine, page: Hanging) -> None:
        self._engine, self._page = engine, page
        self.done: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()

    def seen(self, name: str, what: str) -> None:
        """The engine says what happened to a container."""
        if what == "start":
            self.starts[name] += 1
            if name == "hanging":
                self._page.hangs.clear()

    def mended(self, name: str) -> bool:
        return self.starts[name] >= self.done[name]

    def strike(self) -> None:
        if self.mended("dying") and (pid := self._engine.pid("dying")):
            self.done["dying"] += 1
            os.kill(pid, signal.SIGKILL)
        if self.mended("hanging"):
            self.done["hanging"] += 1
            self._page.hangs.set()


def kills(engine: Engine, folder: Path, count: int, chance: random.Random) -> list[Figure]:
    """``count`` runs of up to two seconds; the broker is up, then down, then up again."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    reader = Reader(broker, "edged/v1/test-device/#")
    page = Hanging()
    for name in ("busy", "dying", "hanging", "resting", "tended"):
        engine.run(name)
    health = {"http": page.url, "every": "200ms", "timeout": "200ms", "failures": 2, "start_period": "0s"}
    apps: dict[str, Any] = {name: {"restart": _QUICK} for name in ("busy", "dying", "resting", "tended")}
    apps["hanging"] = {"restart": _QUICK, "health": health}
    daemon = Edged(folder, engine.url, {"apps": apps, "mqtt": {"url": broker.url}})
    damage = Damage(engine, page)
    try:
        daemon.start()
        _settle(daemon, apps)
        engine.client.stop("resting")
        daemon.wait_state("resting", "stopped")
        daemon.command("maintenance.set", app="tended", on=True, seconds=86400.0, why="new camera")
        daemon.kill()
        with _told(engine, damage.seen):
            callers = Callers(daemon, "busy", 4)
            for number in range(count):
                _one_run(daemon, damage, chance.uniform(0.0, LONGEST))
                if number == count // 3:
                    broker.stop()
                elif number == 2 * count // 3:
                    broker.start()
            daemon.start(within=30.0)
            callers.stop()
            for name in ("dying", "hanging"):
                until(lambda name=name: damage.mended(name), 60.0, f"{name} is mended")
            _settle(daemon, {name: apps[name] for name in ("busy", "dying", "hanging")})
        until(lambda: daemon.status()["broker"]["spool_messages"] == 0, 90.0, "all is acknowledged")
        last = int(daemon.events()[-1]["sequence"])
        until(lambda: last in Account.of(reader, EVENT).ids, 30.0, "the newest event arrives")
        picture = daemon.status()["apps"]
    finally:
        daemon.end()
        reader.close()
        broker.kill()
        page.close()
    return _figures(count, Account.of(reader, EVENT), last, callers.answered, damage, picture)


def _one_run(daemon: Edged, damage: Damage, seconds: float) -> None:
    """Started, and killed so many seconds later, ready or not."""
    daemon.launch()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        damage.strike()
        time.sleep(min(0.1, left))
    daemon.kill()


def _settle(daemon: Edged, apps: dict[str, Any]) -> None:
    for name in apps:
        daemon.wait_state(name, "healthy", 60.0)


def _figures(
    count: int, account: Account, last: int, answered: int, damage: Damage, picture: dict[str, Any]
) -> list[Figure]:
    changes = [e for e in account.events.values() if e["type"].endswith("maintenance.changed")]
    untold = max(0, answered - sum(e["subject"] == "busy" for e in changes))
    twice = sum(max(0, damage.starts[name] - damage.done[name]) for name in damage.done)
    forgotten = [
        what
        for what, kept in {
            "the stop": picture["resting"]["state"] == "stopped" and not damage.starts["resting"],
            "the maintenance": picture["tended"]["maintenance"] is not None,
        }.items()
        if not kept
    ]
    wrong = account.gaps + account.out_of_order + account.contradictions
    struck = f"{damage.done['dying']} deaths, {damage.done['hanging']} hangs"
    name = "SIGKILL at any moment:"
    return [
        Figure(f"{name} events lost", account.lost(last), 0.0, "", count, None, f"of {last}; {account.repeated} twice"),
        Figure(f"{name} gaps, swaps, doubles", wrong, 0.0, "", count),
        Figure(f"{name} commands answered and not told", untold, 0.0, "", count, None, f"of {answered}"),
        Figure(f"{name} restarts that nothing called for", twice, 0.0, "", count, None, struck),
        Figure(f"{name} wishes forgotten", len(forgotten), 0.0, "", count, None, ", ".join(forgotten)),
    ]


@contextmanager
def _told(engine: Engine, seen: Callable[[str, str], None]) -> Iterator[None]:
    """Calls ``seen(container, what)`` for all that the engine tells of containers."""
    stream = engine.client.events(decode=True, filters={"type": ["container"]})

    def read() -> None:
        for event in stream:
            seen(event["Actor"]["Attributes"]["name"], event["Action"])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stream.close()
        thread.join(5.0)
