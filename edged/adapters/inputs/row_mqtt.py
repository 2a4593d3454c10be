"""Rows from an MQTT topic. Each message is a JSON object, or a list of them.

It has a connection of its own, so that a flood of rows delays no report. What arrives while edged is away or behind is
lost and, where edged can see it, counted: a topic has no position to go back to.
"""

from __future__ import annotations

import logging
import threading
from collections import deque

import msgspec

from ...config import Mqtt
from ...ports import Chunk, PortError, Unreachable
from ..mqtt_link import Link, Listener
from .lines import MOST_LINE, TOO_LONG

log = logging.getLogger(__name__)

MOST_WAITING = 8 * 2**20
"""Bytes of messages that wait to be counted."""
MOST_MESSAGES = 50_000
TIMEOUT = 10.0
PAUSES = (1.0, 60.0)
"""Seconds between two attempts to connect: the first, and the longest."""
DROPPED = "more than could be counted"
_rows = msgspec.json.Decoder(list[msgspec.Raw])


def broker_of(topic: str, own: Mqtt | None) -> tuple[Mqtt, str]:
    """The broker and the topic there. Raises ``PortError`` when none is known."""
    if topic.startswith("mqtt://"):
        host, _, rest = topic.removeprefix("mqtt://").partition("/")
        return Mqtt(url=f"mqtt://{host}"), rest
    if own is None:
        raise PortError(f"the topic {topic} is on the broker of the section mqtt, which is not configured")
    return own, topic


class MqttRows:
    """Implements ``RowSource``."""

    def __init__(self, broker: Mqtt, topic: str, client_id: str) -> None:
        self._broker, self._topic, self._client_id = broker, topic, client_id
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._size = self._dropped = 0
        self._trouble = ""
        self._link: Link | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edged-inputs-mqtt", daemon=True)
        self._thread.start()

    def read(self, most: int) -> Chunk:
        messages: list[bytes] = []
        with self._lock:
            taken = 0
            while self._waiting and taken < most:
                message = self._waiting.popleft()
                taken += len(message)
                messages.append(message)
            self._size -= taken
            dropped, self._dropped = self._dropped, 0
            more, trouble = bool(self._waiting), self._trouble
        if not messages and not dropped and trouble:
            raise Unreachable(f"the rows on {self._topic} cannot be read: {trouble}")
        lines, refused = rows_of(messages)
        if dropped:
            refused[DROPPED] = dropped
        return Chunk(lines=lines, refused=refused, more=more)

    def close(self) -> None:
        self._stopped.set()
        if self._link is not None:
            self._link.drop("closed")

    def _take(self, _topic: str, payload: bytes, _receipt: int, _again: bool) -> None:
        with self._lock:
            self._waiting.append(payload)
            self._size += len(payload)
            while self._size > MOST_WAITING or len(self._waiting) > MOST_MESSAGES:
                self._size -= len(self._waiting.popleft())
                self._dropped += 1

    def _run(self) -> None:
        pause, number = PAUSES[0], 0
        while not self._stopped.is_set():
            number += 1
            listener = Listener(self._connected, _answered, self._take)
            self._link = Link(
                number, self._broker, self._client_id, None, (self._topic,), listener, TIMEOUT, session_expiry=0
            )
            try:
                said = self._link.run()
            except Exception as error:
                # Whatever the library meets in an odd answer must not end the thread.
                log.warning("the connection for %s failed", self._topic, exc_info=True)
                said = f"unexpected answer: {error!r}"
            if self._link.up_since:
                pause = PAUSES[0]
            self._trouble = said
            self._stopped.wait(pause)
            pause = min(2.0 * pause, PAUSES[1])

    def _connected(self, _number: int, _session: bool, _room: int) -> None:
        self._trouble = ""


def rows_of(messages: list[bytes]) -> tuple[list[bytes], dict[str, int]]:
    """The rows in messages, and what had to be left out."""
    lines: list[bytes] = []
    for message in messages:
        text = message.strip()
        if not text.startswith(b"["):
            lines.append(text)
            continue
        try:
            lines.extend(map(bytes, _rows.decode(text)))
        except (msgspec.MsgspecError, RecursionError, ValueError):
            lines.append(text)  # refused where rows are read
    fit = [line for line in lines if len(line) <= MOST_LINE]
    return fit, {TOO_LONG: len(lines) - len(fit)} if len(fit) < len(lines) else {}


def _answered(_number: int, _code: int, _text: str) -> None:
    """Nothing is published here."""
