"""The broker is gone for 10,000 events, edged is SIGKILLed meanwhile: is anything lost, how fast is it made up?"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.load import Account, Callers

from .measure import Figure, until

EVENT = "edged/v1/test-device/event"


class TimedReader(Reader):
    """Notes when each message came, and counts them without looking into them."""

    def __init__(self, broker: Mosquitto) -> None:
        self.times: list[float] = []
        super().__init__(broker, "edged/v1/test-device/#")

    def _take(self, *arguments: Any) -> None:
        self.times.append(time.monotonic())
        super()._take(*arguments)


def outage(engine: Engine, folder: Path, events: int, kills: int, chance: random.Random) -> list[Figure]:
    """A broker that forgets nothing of its reader, an outage of ``events`` events with ``kills`` SIGKILLs in it."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    reader = TimedReader(broker)
    engine.run("worker")
    daemon = Edged(folder, engine.url, {"apps": {"worker": {}}, "mqtt": {"url": broker.url}})
    try:
        daemon.start()
        until(lambda: daemon.status()["broker"]["connected"], 20.0, "connected")
        daemon.wait_state("worker", "healthy")
        until(lambda: daemon.status()["broker"]["spool_messages"] == 0, 20.0, "all is acknowledged")
        broker.stop()
        before, back = _newest(reader), len(reader.messages)
        begun = time.monotonic()
        _make_events(daemon, events, sorted(chance.randrange(events) for _ in range(kills)))
        seconds = time.monotonic() - begun
        last = int(daemon.events()[-1]["sequence"])
        made = last - before
        broker.start()
        until(lambda: _newest(reader) >= last, 150.0, "the backlog arrives")
        until(lambda: daemon.status()["broker"]["spool_messages"] == 0, 30.0, "the last acknowledgement")
        account = Account.of(reader, EVENT)
        drained = _drain_seconds(reader, back)
    finally:
        daemon.end()
        reader.close()
        broker.kill()
    name = f"broker gone for {events} events, {kills} SIGKILLs:"
    note = f"{account.repeated} came twice; {made} events made in {seconds:.0f} s"
    wrong = account.gaps + account.out_of_order + account.contradictions
    return [
        Figure(f"{name} lost", account.lost(last), 0.0, "", made, None, note),
        Figure(f"{name} gaps, swaps, doubles", wrong, 0.0, "", made),
        Figure("the same, drained per second", made / drained, 2000.0, "/s", made, None, f"{drained:.2f} s", True),
    ]


def _make_events(daemon: Edged, events: int, kills: list[int]) -> None:
    """Until so many wait for the broker; SIGKILLed and started again when each number of ``kills`` is reached."""
    callers = Callers(daemon, "worker")
    try:
        while (waiting := daemon.status()["broker"]["spool_messages"]) < events:
            if kills and waiting >= kills[0]:
                kills.pop(0)
                daemon.kill()
                daemon.start(within=30.0)
            time.sleep(0.005)
    finally:
        callers.stop()


def _newest(reader: Reader) -> int:
    """The number of the event that came last."""
    for topic, payload, _ in reversed(reader.messages):
        if topic == EVENT:
            return int(json.loads(payload)["sequence"])
    return 0


def _drain_seconds(reader: TimedReader, back: int) -> float:
    """From the first event after the outage to the last one."""
    topics = [topic for topic, _, _ in reader.messages]
    # Not the first message: what the broker had retained comes with the reader's connection, long before edged's.
    first = topics.index(EVENT, back)
    newest = len(topics) - 1 - topics[::-1].index(EVENT)
    return reader.times[newest] - reader.times[first]
