"""What is handed to the broker, and what its answers mean. No threads here: the outbox's thread owns it."""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

from ..ports import Broker, Message, Refused, Retained, Store, StoredEvent, Unreachable
from .payloads import CLOUD_EVENT, full_topic
from .suspicion import Suspicion
from .thinning import ThinnedSamples
from .window import Window

STATUS = "status"
"""The retained topic that the last will overwrites."""
METRICS = "metrics"
REFUSED = 128
"""MQTT 5 reason codes from here on mean that the message was not taken …"""
_NEVER = frozenset({144, 149, 153})
"""… and these that it never will be: topic name invalid, packet too large, payload format invalid."""
_MANY = 10_000
logger = logging.getLogger(__name__)


_What = StoredEvent | Retained | bytes
"""An event, a retained topic, or a sample."""


class _Sent(NamedTuple):
    at: float
    """Monotonic time at which it was handed over."""
    what: _What

    @property
    def identity(self) -> object:
        what = self.what
        return what if isinstance(what, bytes) else what.sequence if isinstance(what, StoredEvent) else what.topic


class _Held(NamedTuple):
    """A retained topic that is not to be sent for a while."""

    version: int
    until: float
    """Monotonic time; infinity: this version never again, another one at once."""
    said: bool
    """The broker said no, rather than hanging up: the next connection may well find it of another mind."""


class Feeder:
    def __init__(
        self, store: Store, broker: Broker, prefix: str, size: int, retry: tuple[float, float], samples: ThinnedSamples
    ) -> None:
        """``size``: messages under way at most. ``retry``: shortest and longest pause after a refusal, seconds."""
        self.connection: int | None = None
        self.refusals: dict[str, str] = {}
        """What the broker refuses at present: topic and reason."""
        self.sent = self.refused = 0
        self._store = store
        self._broker = broker
        self._prefix = prefix
        self._wanted_size = self._room = self._trust = size
        """``_trust``: halved when a connection ends with messages unanswered, one more for each answer. A broker that
        hangs up after every few messages is given a few at a time, and answers them before it does."""
        self._longest_pause = retry[1]
        self._samples = samples
        self._window = Window(retry)
        self._under_way: dict[int, _Sent] = {}
        self._retained_under_way: set[str] = set()
        self._held: dict[str, _Held] = {}
        """Refused retained topics."""
        self._suspicion = Suspicion()
        self._hopeless: list[tuple[int, str]] = []
        """Events the broker will never take, and why."""
        self._last_answer = 0.0

    def connected(self, connection: int, session_present: bool, room: int, now: float) -> None:
        """``room``: how many messages without acknowledgement the broker bears."""
        self.lost(now, blame=False)
        self.connection = connection
        self._room = min(self._wanted_size, room)
        self._held = {topic: held for topic, held in self._held.items() if not held.said}
        # The will has overwritten the status; and a broker that forgot the session may have forgotten all.
        self._store.forget_retained_acks(STATUS if session_present else None)

    def lost(self, now: float, unfit: bool = False, blame: bool = True) -> None:
        """The connection is gone: what has no acknowledgement will be sent again, in the same order.

        ``unfit``: a message was the cause. Without ``blame`` none can have been.
        """
        self.connection = None
        under_way = list(self._under_way.values())
        self._under_way.clear()
        self._retained_under_way.clear()
        self._window.forget(now)
        self.refusals.clear()
        if under_way:
            self._trust = max(1, self._trust // 2)
        if blame and under_way:
            first = under_way[0]
            verdict = self._suspicion.connection_ended(first.identity, len(under_way) == 1, unfit)
            if verdict:
                self._set_aside(first.what, verdict == "condemn", now)
                under_way.pop(0)
        self._samples.put_back([sent.what for sent in under_way if isinstance(sent.what, bytes)])

    def _set_aside(self, what: _What, for_ever: bool, now: float) -> None:
        """The broker ended the connection each time it was given this and nothing else."""
        if isinstance(what, StoredEvent):
            if for_ever:
                self._hopeless.append((what.sequence, "the broker ends the connection"))
            else:
                logger.error("the broker ends the connection when it gets event %d", what.sequence)
                self._window.refuse(what.sequence, now, said=False)
        elif isinstance(what, Retained):
            where = full_topic(self._prefix, what.topic)
            logger.error("the broker ends the connection when it gets %s", where)
            self._held[what.topic] = _Held(what.version, math.inf if for_ever else now + self._longest_pause, False)

    @property
    def _size(self) -> int:
        """Messages that may be under way."""
        return 1 if self._suspicion.alone else min(self._room, self._trust)

    def answer(self, message_id: int, code: int, text: str, now: float) -> None:
        sent = self._under_way.pop(message_id, None)
        if sent is None:  # of a connection that is gone: it was or will be sent again
            return
        self._last_answer = now
        self._trust = min(self._wanted_size, self._trust + 1)
        self._suspicion.answered(sent.identity)
        what = sent.what
        topic = METRICS if isinstance(what, bytes) else what.topic
        if isinstance(what, Retained):
            self._retained_under_way.discard(topic)
        if code >= REFUSED:
            self._take_refusal(what, topic, code, text, now)
            return
        self.sent += 1
        self.refusals.pop(topic, None)
        if isinstance(what, StoredEvent):
            self._window.ack(what.sequence)
        elif isinstance(what, Retained):
            self._store.acknowledge_retained(topic, what.version)

    def _take_refusal(self, what: _What, topic: str, code: int, text: str, now: float) -> None:
        self.refused += 1
        if topic not in self.refusals:
            logger.warning("the broker refuses messages on %s: %s", full_topic(self._prefix, topic), text)
        self.refusals[topic] = text
        if isinstance(what, StoredEvent):
            if code in _NEVER:
                self._hopeless.append((what.sequence, text))
            else:
                self._window.refuse(what.sequence, now)
        elif isinstance(what, Retained):
            self._held[topic] = _Held(what.version, now + self._longest_pause, True)

    def feed(self, now: float) -> None:
        """Hands over what there is room for. Raises ``StorageError``."""
        if self.connection is None:
            return
        self._drop_hopeless()
        try:
            self._feed_retained(self.connection, now)
            self._feed_samples(self.connection, now)
            self._feed_events(self.connection, now)
        except Unreachable:
            self.connection = None  # the broker's own note about it is on its way

    def _drop_hopeless(self) -> None:
        while self._hopeless:
            sequence, why = self._hopeless[-1]
            logger.error("event %d is given up, the broker will never take it: %s", sequence, why)
            self._store.give_up(sequence, "refused")
            self._window.ack(sequence)
            self._hopeless.pop()

    def _feed_retained(self, connection: int, now: float) -> None:
        for one in self._store.unsent_retained(_MANY):
            if len(self._under_way) >= self._size:
                return
            if one.topic in self._retained_under_way or self._is_held(one, now):
                continue
            try:
                self._publish(connection, one.topic, one.payload, one, now)
                self._retained_under_way.add(one.topic)
            except Refused as error:
                logger.error("%s is not published: %s", full_topic(self._prefix, one.topic), error)
                self._held[one.topic] = _Held(one.version, math.inf, False)

    def _is_held(self, one: Retained, now: float) -> bool:
        held = self._held.get(one.topic)
        if held is None or now >= held.until:
            return False
        return held.version == one.version if held.until == math.inf else True

    def _feed_samples(self, connection: int, now: float) -> None:
        while len(self._under_way) < self._size and (taken := self._samples.take(1)):
            try:
                self._publish(connection, METRICS, taken[0], taken[0], now)
            except Unreachable:
                self._samples.put_back(taken)
                raise
            except Refused as error:
                logger.error("a sample is not published: %s", error)

    def _feed_events(self, connection: int, now: float) -> None:
        # Again when nothing had to be published, for then no answer will come that calls for more.
        while (room := self._window.room(self._size, len(self._under_way), now)) > 0:
            events = self._store.unsent(self._window.cursor, room)
            wanted = [event for event in events if self._window.feed(event.sequence)]
            for event in wanted:
                try:
                    self._publish(connection, event.topic, event.payload, event, now)
                except Refused as error:
                    self._hopeless.append((event.sequence, str(error)))
            if wanted or not events:
                return

    def _publish(self, connection: int, topic: str, payload: bytes, what: _What, now: float) -> None:
        kind = CLOUD_EVENT if isinstance(what, StoredEvent) else ""
        message = Message(full_topic(self._prefix, topic), payload, isinstance(what, Retained), kind)
        self._under_way[self._broker.publish(message, connection)] = _Sent(now, what)

    @property
    def in_flight(self) -> int:
        return len(self._under_way)

    @property
    def through(self) -> int:
        """The broker has every event up to this number."""
        return self._window.through

    def silent_for(self, now: float) -> float:
        """Seconds for which messages have been under way without any answer."""
        oldest = next(iter(self._under_way.values()), None)
        return now - max(self._last_answer, oldest.at) if oldest else 0.0

    def due(self) -> list[float]:
        """Monotonic times at which something refused is to be tried again."""
        held = [one.until for one in self._held.values()]
        return [*held, *([self._window.retry_at] if self._window.retry_at is not None else [])]

    def nothing_left(self, now: float) -> bool:
        """Everything there was has been sent and acknowledged, except what the broker refuses."""
        retained = any(not self._is_held(one, now) for one in self._store.unsent_retained(_MANY))
        waiting = self._store.spool()[0] and self._window.retry_at is None
        return not (self._under_way or waiting or len(self._samples) or retained)
