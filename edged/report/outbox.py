"""Feeds the broker from the store: retained topics, samples, and the event log in order, a few at a time.

One thread does it. Everybody else leaves a note and wakes it, so neither the loop nor the broker's thread ever
waits for the disk or the network here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from ..ports import Broker, StorageError, Store
from .feeder import REFUSED, Feeder
from .payloads import topic_prefix
from .thinning import ThinnedSamples

IDLE = 5.0
"""Seconds between two turns at most."""
STORE_RETRY = 5.0
"""Seconds to leave the store alone after an error."""
logger = logging.getLogger(__name__)


class OutboxStats(Struct, frozen=True, kw_only=True):
    connected: bool
    detail: str
    messages: int
    """Events the broker has not acknowledged."""
    bytes: int
    in_flight: int
    sent_total: int
    refused_total: int
    samples_waiting: int
    samples_dropped_total: int


class Outbox:
    """Give ``connected``, ``disconnected`` and ``acknowledged`` to the broker as its callbacks.

    Both are called on this thread, on every change: ``on_seen(connected, detail)`` for the broker, and
    ``on_storage(ok, error)`` for events that cannot be read.
    """

    def __init__(
        self,
        store: Store,
        device: str,
        in_flight: int,
        on_seen: Callable[[bool, str], None],
        on_storage: Callable[[bool, str], None],
        *,
        ack_timeout: float = 60.0,
        retry: tuple[float, float] = (30.0, 900.0),
        samples: int = 240,
    ) -> None:
        """``in_flight``: messages without acknowledgement at most.

        ``ack_timeout``: seconds without any acknowledgement after which a connection is given up.
        ``retry``: shortest and longest pause before a refused event is tried again, seconds.
        """
        self.last_beat = time.monotonic()
        """Monotonic time of the last turn; there is one at least every ``IDLE`` seconds."""
        self._store = store
        self._prefix = topic_prefix(device)
        self._in_flight = in_flight
        self._on_seen = on_seen
        self._on_storage = on_storage
        self._ack_timeout = ack_timeout
        self._retry = retry
        self._samples = ThinnedSamples(samples)
        self._offered: deque[bytes] = deque(maxlen=samples)
        self._feeder: Feeder | None = None
        self._broker: Broker | None = None
        self._reason = ""
        self._seen = (False, "")
        self._trouble = self._unwritten = ""
        self._store_retry_at = self._acknowledge_at = 0.0
        self._notes: deque[Callable[[Feeder, float], None]] = deque()
        self._wake = threading.Condition()
        self._called = False
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="edged-outbox", daemon=True)

    def start(self, broker: Broker) -> None:
        self._broker = broker
        self._feeder = Feeder(self._store, broker, self._prefix, self._in_flight, self._retry, self._samples)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Sends what can still be sent within ``timeout`` seconds, and ends. Before the broker's ``stop``."""
        self._stop_at = time.monotonic() + timeout
        self.kick()
        if self._thread.is_alive():
            self._thread.join(timeout + 1.0)

    def kick(self) -> None:
        """There may be something new in the store."""
        with self._wake:
            self._called = True
            self._wake.notify()

    def offer_metrics(self, payload: bytes) -> None:
        """A sample: sent at once, or thinned out while there is no connection. Not kept over a restart."""
        self._offered.append(payload)
        self.kick()

    # For the broker's thread

    def connected(self, connection: int, session_present: bool, room: int) -> None:
        def note(feeder: Feeder, now: float) -> None:
            self._reason = ""
            feeder.connected(connection, session_present, room, now)

        self._notes.append(note)
        self.kick()

    def disconnected(self, reason: str, unfit: bool) -> None:
        def note(feeder: Feeder, now: float) -> None:
            self._reason = reason
            feeder.lost(now, unfit)

        self._notes.append(note)
        self.kick()

    def acknowledged(self, message_id: int, code: int, text: str) -> None:
        self._notes.append(lambda feeder, now: feeder.answer(message_id, code, text, now))
        # Waking for each one would cost more than all the rest: half of what is under way is soon enough.
        if code >= REFUSED or len(self._notes) * 2 >= (self._feeder.in_flight if self._feeder else 0):
            self.kick()

    # The thread

    def _run(self) -> None:
        feeder, broker = self._feeder, self._broker
        assert feeder is not None and broker is not None
        while True:
            now = self.last_beat = time.monotonic()
            while self._notes:
                self._notes.popleft()(feeder, now)
            while self._offered:
                self._samples.offer(self._offered.popleft())
            if now >= self._store_retry_at:
                self._use_store(feeder, now)
            if feeder.connection is not None and feeder.silent_for(now) >= self._ack_timeout:
                broker.drop(feeder.connection, f"the broker acknowledged nothing for {self._ack_timeout:g} s")
                feeder.lost(now, blame=False)
            self._tell(feeder)
            if self._stop_at is not None and self._finished(feeder, now, self._stop_at):
                return
            with self._wake:
                if not self._called:
                    self._wake.wait(self._patience(feeder, now))
                self._called = False

    def _use_store(self, feeder: Feeder, now: float) -> None:
        trouble = ""
        try:
            feeder.feed(now)
        except StorageError as error:
            trouble = str(error)
            self._store_retry_at = now + STORE_RETRY
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_storage(not trouble, trouble)
        if now >= self._acknowledge_at:
            try:
                self._store.acknowledge(feeder.through)
                self._unwritten = ""
            except StorageError as error:
                # A full disk does not keep events from being read and sent; unless it lasts until the next
                # start, when some are sent again, nothing is amiss. Whoever writes events tells of the disk.
                if str(error) != self._unwritten:
                    logger.warning("how far the broker has everything could not be written: %s", error)
                self._unwritten = str(error)
                self._acknowledge_at = now + STORE_RETRY

    def _tell(self, feeder: Feeder) -> None:
        connected = feeder.connection is not None
        refusals = "; ".join(f"{topic}: {text}" for topic, text in list(feeder.refusals.items())[:3])
        detail = f"the broker refuses {refusals}" if refusals else "" if connected else self._reason
        if (connected, detail) != self._seen:
            self._seen = (connected, detail)
            self._on_seen(connected, detail)

    def _patience(self, feeder: Feeder, now: float) -> float:
        """Seconds until something is due even if nobody calls."""
        due = [now + IDLE, *feeder.due()]
        if feeder.in_flight:
            due.append(now + self._ack_timeout - feeder.silent_for(now))
        if self._stop_at is not None:
            due.append(self._stop_at)
        return max(0.01, min(due) - now)

    def _finished(self, feeder: Feeder, now: float, stop_at: float) -> bool:
        return now >= stop_at or feeder.connection is None or (not self._notes and feeder.nothing_left(now))

    def stats(self) -> OutboxStats:
        messages, size = self._store.spool()
        connected, detail = self._seen
        feeder = self._feeder
        return OutboxStats(
            connected=connected,
            detail=detail,
            messages=messages,
            bytes=size,
            in_flight=feeder.in_flight if feeder else 0,
            sent_total=feeder.sent if feeder else 0,
            refused_total=feeder.refused if feeder else 0,
            samples_waiting=len(self._samples),
            samples_dropped_total=self._samples.dropped,
        )
