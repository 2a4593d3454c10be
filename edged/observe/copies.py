"""Copies of one message in a flood. Pure but for what it remembers; not for several threads.

A console that missed an answer sends its very message again, and is answered again. Whoever owns the broker can send a
real message thousands of times a second: beyond a few each signature checked is for nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

FREE = 3
"""Copies that are looked at …"""
WITHIN = 10.0
"""… within so many seconds."""
MOST = 1024
"""Messages that are remembered: the last ones that were verified."""


class Copies:
    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, tuple[int, float]] = OrderedDict()

    @staticmethod
    def mark(topic: str, data: bytes) -> bytes:
        return blake2b(data, digest_size=16, key=blake2b(topic.encode(), digest_size=16).digest()).digest()

    def enough(self, mark: bytes, now: float) -> bool:
        """This message was verified, and came so often lately that once more tells nothing."""
        count, since = self._seen.get(mark, (0, now))
        if not count or now >= since + WITHIN:
            return False
        self._seen[mark] = (count + 1, since)
        return count > FREE

    def verified(self, mark: bytes, now: float) -> None:
        count, since = self._seen.pop(mark, (0, now))
        self._seen[mark] = (count, since) if count and now < since + WITHIN else (1, now)
        while len(self._seen) > MOST:
            self._seen.popitem(last=False)
