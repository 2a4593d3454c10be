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
from collections.abc import Callable, Sequence

from ..bundles.dsse import CheckSignature
from ..ports import Clock
from ..vocabulary.facts import Fact, OrderReceived, OrdersRefused
from ..vocabulary.trust import TrustedKey
from .orders import Read, read

log = logging.getLogger(__name__)

BOUND = 2000
"""Messages that wait here. The broker holds back more than it may have without acknowledgement anyway."""
BURST = 30.0
PER_SECOND = 0.2
"""Refusals that are told one by one; beyond that they are counted …"""
PATIENCE = 5.0
"""Seconds that orders wait at the start: one that came while edged was away would else be about unknown apps."""
FLUSH = 10.0
"""… and told together, seconds after the first of them."""


class Intake:
    def __init__(
        self,
        device: str,
        keys: Callable[[], Sequence[TrustedKey]],
        clock: Clock,
        post: Callable[[Fact], None],
        acknowledge: Callable[[int], None],
        check: CheckSignature,
        ready: Callable[[], bool] = lambda: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``keys``: those that count now. ``acknowledge`` gives a receipt back, from any thread.

        ``ready``: the containers are known; what comes before waits for that, but not for longer than ``PATIENCE``.
        """
        self._ready = ready
        self._device = device
        self._keys, self._clock, self._post, self._acknowledge = keys, clock, post, acknowledge
        self._check, self._monotonic = check, monotonic
        self._waiting: deque[tuple[str, bytes, int]] = deque()
        self._wake = threading.Condition()
        self._stopped = False
        self._tokens, self._filled = BURST, monotonic()
        self._untold: dict[str, int] = {}
        self._flush_at = 0.0
        self.last_beat = monotonic()
        self._thread = threading.Thread(target=self._run, name="edged-orders", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, topic: str, data: bytes, receipt: int) -> None:
        """For the broker's thread. What does not fit is not acknowledged: the broker brings it again."""
        with self._wake:
            if len(self._waiting) < BOUND and not self._stopped:
                self._waiting.append((topic, data, receipt))
                self._wake.notify()

    def stop(self, timeout: float) -> None:
        """What still waits is not acknowledged, and comes again with the next connection."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        since = self._monotonic()
        while not (self._ready() or self._stopped) and self._monotonic() < since + PATIENCE:
            self.last_beat = self._monotonic()
            time.sleep(0.02)
        while True:
            with self._wake:
                if not self._waiting and not self._stopped:
                    self._wake.wait(min(5.0, max(0.01, self._flush_at - self._monotonic())) if self._flush_at else 5.0)
                if self._stopped:
                    break
                message = self._waiting.popleft() if self._waiting else None
            now = self.last_beat = self._monotonic()
            if message is not None:
                self._take(*message, now)
            if self._flush_at and now >= self._flush_at:
                self._flush()
        self._flush()

    def _take(self, topic: str, data: bytes, receipt: int, now: float) -> None:
        found = read(topic, data, self._device, self._keys(), self._check)
        if found.order is None:
            self._refuse(found, topic, now)
            self._acknowledge(receipt)
            return
        self._post(
            OrderReceived(
                at=self._clock.now(),
                wall=self._clock.wall(),
                topic_type=found.topic_type,
                topic_id=found.topic_id,
                key=found.key,
                public=found.public,
                digest=found.digest,
                order=found.order,
                receipt=receipt,
            )
        )

    def _refuse(self, found: Read, topic: str, now: float) -> None:
        self._tokens = min(BURST, self._tokens + (now - self._filled) * PER_SECOND)
        self._filled = now
        if self._tokens < 1.0:
            self._untold[found.code] = self._untold.get(found.code, 0) + 1
            self._flush_at = self._flush_at or now + FLUSH
            return
        self._tokens -= 1.0
        self._post(
            OrdersRefused(
                at=self._clock.now(),
                code=found.code,
                message=found.why,
                key=found.key,
                topic=topic[:256],
                type=found.topic_type,
                id=found.topic_id,
            )
        )

    def _flush(self) -> None:
        told, self._untold, self._flush_at = self._untold, {}, 0.0
        for code, count in sorted(told.items()):
            self._post(
                OrdersRefused(at=self._clock.now(), code=code, count=count, message="refused in a flood of such messages")
            )
