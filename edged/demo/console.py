"""A console: subscribes to everything of one device, and keeps all that arrives, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from .container import StageError
from .events import Told, read
from .papers import Papers


class Received(NamedTuple):
    wall: float
    topic: str
    """Below the device's own prefix, as in ``event``."""
    payload: bytes
    retained: bool
    """Whether it is kept for consoles that come later; a live message does not tell, its topic does."""


class Console:
    """Messages come in on paho's thread; ``follow`` hands them to the caller's."""

    def __init__(self, port: int, device: str, papers: Papers | None = None) -> None:
        """``papers``: a certificate for a broker that wants one."""
        self._prefix = f"edged/v1/{device}/"
        self._news = threading.Condition()
        self._next = 0
        self.messages: list[Received] = []
        self.events: list[Told] = []
        subscribed = threading.Event()
        name = f"edged-demo-console-{device}"
        self._client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        if papers is not None:
            self._client.tls_set(str(papers.ca), str(papers.certificate), str(papers.key))
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._prefix}#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not subscribed.wait(10.0):
            raise OSError("the broker did not take the console's subscription within 10 s")

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        topic = message.topic.removeprefix(self._prefix)
        received = Received(time.time(), topic, bytes(message.payload), topic.split("/")[0] not in ("event", "metrics"))
        with self._news:
            self.messages.append(received)
            if topic == "event":
                self.events.append(read(received.payload))
            self._news.notify_all()

    def follow(self, within: float) -> Iterator[Told]:
        """Events that nobody has followed yet, then new ones as they come, until ``within`` seconds are over."""
        deadline = time.monotonic() + within
        while True:
            with self._news:
                while self._next >= len(self.events):
                    left = deadline - time.monotonic()
                    if left <= 0.0:
                        return
                    self._news.wait(left)
                told = self.events[self._next]
                self._next += 1
            yield told

    def publish(self, topic: str, payload: bytes) -> None:
        """Below the device's prefix, as whoever has this console's rights could."""
        told = self._client.publish(f"{self._prefix}{topic}", payload, qos=1)
        told.wait_for_publish(10.0)
        if not told.is_published():
            raise StageError(f"the broker did not take {topic} within 10 s")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
