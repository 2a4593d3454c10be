"""Takes what comes in on the command topics: one thread between the broker's and the loop.

Signatures are checked here, so that a flood of forged messages costs the loop nothing: they are counted, and told to it
now and then. A verified order is handed on with its receipt, which is given back to the broker when everything about
the order is on disk; a forged one's at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from ..ports import Clock
from .reception import Reception

log = logging.getLogger(__name__)

BOUND, BOUND_BYTES = 12_000, 8 * 2**20
"""What waits here at most. A broker should hold back what it has no receipts for; mosquitto 2.0.11 does not always."""
MANY = 20
"""Waiting ones that are a flood, whatever they are."""
GIVE_WAY = 0.4
"""Seconds that a flood waits at most while an app is being recovered."""
AGAIN_EVERY = 30.0
"""Seconds between two connections that are broken since what came did not fit."""
PATIENCE = 5.0
"""Seconds that orders wait at the start: one that came while edged was away would else be about unknown apps."""


class Intake:
    def __init__(
        self,
        reception: Reception,
        clock: Clock,
        acknowledge: Callable[[int], None],
        again: Callable[[int], None],
        ready: Callable[[], bool] = lambda: True,
        recovering: Callable[[], bool] = lambda: False,
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        """``acknowledge`` gives a receipt back, from any thread. ``again`` has the broker bring everything again that
        was not acknowledged of the connection that this receipt is of.

        ``recovering``: an app is being recovered. A flood then gives way: the threads of one process take turns.
        ``ready``: the containers are known; what comes before waits for that, but not for longer than ``PATIENCE``.
        ``crowded``: more facts wait for the loop than it should be given. Orders then wait here, where there is a bound
        of their own: copies of orders that fit, sent in a flood, must not push out what was seen of the apps.
        """
        self._reception, self._clock, self._acknowledge, self._ready = reception, clock, acknowledge, ready
        self._again, self._recovering, self._crowded = again, recovering, crowded
        self._gave_way = 0.0
        """Since when it has."""
        self._waiting: deque[tuple[str, bytes, int, bool]] = deque()
        self._wake = threading.Condition()
        self._bytes = 0
        self._left_out = 0
        """Receipt of a message that did not fit; 0: all did."""
        self._again_at = 0.0
        self._stopped = False
        self.last_beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="edged-orders", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, topic: str, data: bytes, receipt: int, again: bool = False) -> None:
        """For the broker's thread. ``again``: the broker says that it has sent this before.

        What does not fit is not acknowledged: the broker brings it again with the next connection.
        """
        with self._wake:
            if self._stopped:
                return
            if len(self._waiting) >= BOUND or self._bytes + len(data) > BOUND_BYTES:
                self._left_out = receipt
                return
            self._bytes += len(data)
            self._waiting.append((topic, data, receipt, again))
            self._wake.notify()

    def stop(self, timeout: float) -> None:
        """What still waits is not acknowledged, and comes again with the next connection."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        since = time.monotonic()
        while not (self._ready() or self._stopped) and time.monotonic() < since + PATIENCE:
            self.last_beat = time.monotonic()
            time.sleep(0.02)
        while True:
            with self._wake:
                if not self._waiting and not self._stopped:
                    self._wake.wait(self._pause())
                if self._stopped:
                    break
                message = self._waiting.popleft() if self._waiting else None
                self._bytes -= len(message[1]) if message is not None else 0
            self.last_beat = time.monotonic()
            if self._reception.flush_at or len(self._waiting) >= MANY:
                self._give_way()
            while message is not None and self._crowded() and not self._stopped:
                self.last_beat = time.monotonic()
                time.sleep(0.002)
            if message is None:
                self._make_up()
            elif self._reception.take(*message).order is None:
                self._acknowledge(message[2])
            if self._reception.flush_at and self._clock.now() >= self._reception.flush_at:
                self._reception.flush()
        self._reception.flush()

    def _give_way(self) -> None:
        """In a flood alone: while few come, nobody feels them."""
        while self._recovering() and not self._stopped:
            now = time.monotonic()
            self._gave_way = self._gave_way or now
            if now >= self._gave_way + GIVE_WAY:
                return
            time.sleep(0.005)
        self._gave_way = 0.0

    def _make_up(self) -> None:
        """All that fitted is dealt with: now there is room for what did not."""
        now = time.monotonic()
        if self._left_out and now >= self._again_at:
            log.warning("commands came faster than they could be taken: the broker is asked to bring the rest again")
            self._again_at = now + AGAIN_EVERY
            receipt, self._left_out = self._left_out, 0
            self._again(receipt)

    def _pause(self) -> float:
        due = self._reception.flush_at
        longest = 5.0 if not self._left_out else min(5.0, max(0.01, self._again_at - time.monotonic()))
        return min(longest, max(0.01, due - self._clock.now())) if due else longest
