"""Orders over a real broker: how soon they are accepted and begun, how many a second, and what a flood does."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edged.adapters import ed25519
from edged.observe.reception import Reception
from edged.vocabulary import facts
from tests.fixtures.broker import Mosquitto
from tests.fixtures.console import trust_file
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.orders import Sender, topic

from .measure import Figure, cpu_seconds, median, until
from .recovery import MARK, kill_to_start, recorded

DEVICE = "test-device"
OPS = Sender()
RESTART = {"budget": 100000, "per": "1m", "backoff": "100ms", "max_backoff": "100ms", "reset_after": "1s"}


class Clocked:
    """A console that notes when it published and when each answer came."""

    def __init__(self, broker: Mosquitto) -> None:
        self.answers: dict[str, list[tuple[str, float]]] = {}
        """By id of the order: (status, Unix time)."""
        self.finals = 0
        self._client = Client(CallbackAPIVersion.VERSION2, "bench-console", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages = 0
        self._client.max_queued_messages = 0
        self._client.on_connect = lambda client, *_: client.subscribe(f"edged/v1/{DEVICE}/res/+/+", qos=1)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        until(self._client.is_connected, 10.0, "connected")
        time.sleep(0.2)

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        now = time.time()
        data = json.loads(message.payload)["data"]
        self.answers.setdefault(data["id"], []).append((data["status"], now))
        self.finals += data["status"] not in ("accepted", "running")

    def publish(self, where: str, data: bytes) -> float:
        at = time.time()
        self._client.publish(where, data, qos=1)
        return at

    def wait(self, identity: str, answers: int) -> None:
        until(lambda: len(self.answers.get(identity, ())) >= answers, 30.0, f"{answers} answers")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _signed(kind: str, **args: Any) -> tuple[str, str, bytes]:
    """Id, topic and message."""
    OPS.wall, OPS.counter = time.time(), time.time_ns()
    order = OPS.order(kind, DEVICE, args=args)
    return order["id"], topic(order, DEVICE), OPS.sign(order)


@contextmanager
def _site(engine: Engine, folder: Path, apps: dict[str, Any]) -> Iterator[tuple[Edged, Clocked, Mosquitto]]:
    broker = Mosquitto(folder / "broker")
    broker.start()
    trust = trust_file(folder, OPS.key)
    commands = {"trust": trust, "per_minute": 1_000_000, "open": 100_000}
    daemon = Edged(folder, engine.url, {"apps": apps, "mqtt": {"url": broker.url}, "commands": commands})
    console = Clocked(broker)
    try:
        daemon.start()
        for name in apps:
            daemon.wait_state(name, "healthy")
        until(lambda: daemon.status()["broker"]["connected"], 20.0, "connected")
        yield daemon, console, broker
    finally:
        console.close()
        daemon.end()
        broker.kill()


def latency(engine: Engine, folder: Path, count: int) -> list[Figure]:
    """Published → ``accepted`` read, and → the engine's own record of the signal that ends the old process."""
    mark = folder / "mark"
    mark.mkdir()
    engine.run("worker", *MARK, mounts=[f"{mark}:/mark"])
    accepted, begun = [], []
    with _site(engine, folder, {"worker": {"restart": RESTART}}) as (daemon, console, _):
        for _ in range(count):
            daemon.wait_state("worker", "healthy")
            with recorded(engine, "worker") as seen:
                identity, where, data = _signed("restart", app="worker")
                at = console.publish(where, data)
                console.wait(identity, 2)
            accepted.append(console.answers[identity][0][1] - at)
            begun.append(next(when for action, when in seen if action == "kill") - at)
    ms = [1000.0 * value for value in (median(accepted), median(begun))]
    worst = f"worst {1000 * max(accepted):.0f} ms", f"worst {1000 * max(begun):.0f} ms"
    return [
        Figure("order published -> accepted read (median)", ms[0], 30.0, "ms", count, None, worst[0]),
        Figure("order published -> container restart begins (median)", ms[1], 60.0, "ms", count, None, worst[1]),
    ]


def rate(engine: Engine, folder: Path, count: int) -> list[Figure]:
    """Verification and dispatch alone, on one core; and end to end: broker, disk and answers included."""
    from tests.fuzz.command import Site

    messages = [_signed("maintenance.set", app="a", on=True, seconds=60.0, why="bench") for _ in range(count)]
    site = Site((OPS.key,), DEVICE, time.time())
    found: list[facts.Fact] = []
    reception = Reception("test-device", lambda: (OPS.key,), site, found.append, ed25519.verify)
    begun = time.process_time()
    for _, where, data in messages:
        reception.take(where, data, 0)
        site.judge(found.pop())
    alone = count / (time.process_time() - begun)
    engine.run("worker")
    with _site(engine, folder, {"worker": {}}) as (daemon, console, _):
        messages = [_signed("maintenance.set", app="worker", on=True, seconds=60.0, why="b") for _ in range(count)]
        assert daemon.process is not None
        cpu, at = cpu_seconds(daemon.process.pid), time.monotonic()
        for _, where, data in messages:
            console.publish(where, data)

        def there() -> str:
            answers = Counter(status for got in console.answers.values() for status, _ in got)
            return f"{count} results, but {dict(answers)} of {len(console.answers)}\n{daemon.text()[-3000:]}"

        until(lambda: console.finals >= count, 120.0, there)
        seconds = time.monotonic() - at
        cpu = cpu_seconds(daemon.process.pid) - cpu
    note = f"end to end {count / seconds:.0f}/s on this machine, {1e6 * cpu / count:.0f} us of edged's CPU each"
    return [Figure("orders verified and dispatched on one core", alone, 2000.0, "/s", count, None, note, at_least=True)]


def _forged(device: str) -> tuple[str, bytes]:
    forger = Sender("ops", number=77)
    forger.wall, forger.counter = time.time(), time.time_ns()
    order = forger.order("restart", device, args={"app": "worker"})
    return topic(order, device), forger.sign(order)


def _copies(console: Clocked) -> list[tuple[str, bytes]]:
    """Orders that were carried out, as whoever owns the broker has them."""
    messages = [_signed("maintenance.set", app="other", on=True, seconds=9.0, why="b") for _ in range(50)]
    for identity, where, data in messages:
        console.publish(where, data)
        console.wait(identity, 2)
    return [(where, data) for _, where, data in messages]


class Flood:
    """The same messages as fast as the broker takes them."""

    def __init__(self, broker: Mosquitto, messages: list[tuple[str, bytes]]) -> None:
        self.sent = 0
        self._messages = messages
        self._client = Client(CallbackAPIVersion.VERSION2, "flood", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages = 1000
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            where, data = self._messages[self.sent % len(self._messages)]
            self._client.publish(where, data, qos=1)
            self.sent += 1
            if self.sent % 20 == 0:
                time.sleep(0.004)  # 5,000 a second at most: leaves the machine's other core to the rest

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(10.0)
        self._client.disconnect()
        self._client.loop_stop()


def flood(engine: Engine, folder: Path, count: int, what: str = "forged orders") -> list[Figure]:
    """A real order in the middle of forged ones (or of ``copies`` of real ones), and a crash in the middle of them. The
    floor is a crash while a flood goes to a device that is not there: what broker and forger take from this machine is
    not edged's.
    """
    mark = folder / "mark"
    mark.mkdir()
    engine.run("worker", *MARK, mounts=[f"{mark}:/mark"])
    engine.run("other")
    with _site(engine, folder, {"worker": {"restart": RESTART}, "other": {}}) as (daemon, console, broker):
        times: dict[bool, list[float]] = {False: [], True: []}
        quiet_ones, loud_ones = ([_forged(device) for _ in range(50)] for device in ("nobody", DEVICE))
        if what == "copies":
            loud_ones = _copies(console)
        delays: list[float] = []
        sent = 0
        begun = time.monotonic()
        for number in range(count):
            for flooded in (False, True) if number % 2 else (True, False):
                attack = Flood(broker, loud_ones if flooded else quiet_ones)
                time.sleep(1.5)
                if flooded:
                    identity, where, data = _signed("maintenance.set", app="other", on=True, seconds=9.0, why="b")
                    at = console.publish(where, data)
                    console.wait(identity, 1)
                    delays.append(console.answers[identity][0][1] - at)
                times[flooded].append(kill_to_start(engine, "worker", mark / "started"))
                attack.stop()
                sent += attack.sent if flooded else 0
                daemon.wait_state("worker", "healthy")
                time.sleep(1.0)
        seconds = time.monotonic() - begun
    quiet, loud = median(times[False]), median(times[True])
    told = f"{sent} of them, about {2 * sent / seconds:.0f}/s"
    note = f"median {1000 * loud:.0f} ms in the flood, {1000 * quiet:.0f} ms in one that is for nobody"
    return [
        Figure(f"flood of {what}: a real one accepted (worst)", max(delays), 1.0, "s", count, None, told),
        Figure(f"flood of {what}: recovery, ratio to none", loud / quiet, 1.1, "x", count, 1.0, note),
    ]
