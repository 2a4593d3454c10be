"""Turns messages into facts: verified orders one by one, refusals one by one while they are few, counted in a flood."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..bundles.dsse import CheckSignature
from ..ports import Clock
from ..vocabulary.facts import Fact, OrderReceived, OrdersRefused
from ..vocabulary.trust import TrustedKey
from .copies import Copies
from .orders import Read, read

BURST = 30.0
PER_SECOND = 0.2
"""Refusals that are told one by one; beyond that they are counted …"""
FLUSH = 10.0
"""… and told together, seconds after the first of them."""


class Reception:
    """Not for several threads."""

    def __init__(
        self,
        device: str,
        keys: Callable[[], Sequence[TrustedKey]],
        clock: Clock,
        post: Callable[[Fact], None],
        check: CheckSignature,
    ) -> None:
        """``keys``: those that count now."""
        self._device, self._keys, self._clock, self._post, self._check = device, keys, clock, post, check
        self._tokens, self._filled = BURST, clock.now()
        self._untold: dict[str, int] = {}
        self._copies = Copies()
        self.flush_at = 0.0
        """When ``flush`` has something to tell, on edged's clock; 0: it has not."""

    def take(self, topic: str, data: bytes, receipt: int, again: bool = False) -> Read:
        """One message. The receipt of a verified order goes along with it; any other is the caller's to give back."""
        now, mark = self._clock.now(), self._copies.mark(topic, data)
        # What the broker itself brings again may have got lost on its way to the disk: that is no copy.
        if not again and self._copies.enough(mark, now):
            found = Read(code="repeated", why="copies of one message, faster than anybody needs an answer again")
        else:
            found = read(topic, data, self._device, self._keys(), self._check)
        if found.order is None:
            self._refuse(found, topic, now)
            return found
        self._copies.verified(mark, now)
        self._post(
            OrderReceived(
                at=now,
                wall=self._clock.wall(),
                topic_type=found.topic_type,
                topic_id=found.topic_id,
                key=found.key,
                public=found.public,
                digest=found.digest,
                order=found.order,
                receipt=receipt,
                again=again,
            )
        )
        return found

    def _refuse(self, found: Read, topic: str, now: float) -> None:
        self._tokens = min(BURST, self._tokens + max(0.0, now - self._filled) * PER_SECOND)
        self._filled = now
        if self._tokens < 1.0:
            self._untold[found.code] = self._untold.get(found.code, 0) + 1
            self.flush_at = self.flush_at or now + FLUSH
            return
        self._tokens -= 1.0
        self._post(
            OrdersRefused(
                at=now,
                code=found.code,
                message=found.why,
                key=found.key,
                topic=topic[:256],
                type=found.topic_type,
                id=found.topic_id,
            )
        )

    def flush(self) -> None:
        """Tells what was only counted."""
        told, self._untold, self.flush_at = self._untold, {}, 0.0
        for code, count in sorted(told.items()):
            flood = "refused in a flood of such messages"
            self._post(OrdersRefused(at=self._clock.now(), code=code, count=count, message=flood))
