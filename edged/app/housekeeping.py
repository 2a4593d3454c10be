"""What is done now and then: the store kept within its bounds, and the clock on disk."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..config import Config
from ..ports import Clock, Store
from ..vocabulary.facts import Fact, SpoolDropped

CLOCK_EVERY = 3600.0
"""Seconds between two saves of the clock when nothing else is written."""


class Housekeeping:
    """Called by the recorder about once a minute, on its thread."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Callable[[], Config],
        post: Callable[[Fact], None],
        save_clock: Callable[[], None],
    ) -> None:
        self._store, self._clock, self._config, self._post, self._save_clock = store, clock, config, post, save_clock
        self._saved = time.monotonic()  # a run begins with saving it

    def tidy(self) -> None:
        """Raises ``StorageError``."""
        config = self._config()
        spool = config.mqtt.spool if config.mqtt is not None else None
        dropped = self._store.trim(
            self._clock.now(),
            spool.max_size if spool else config.history.max_size,
            spool.max_age if spool else config.history.keep,
            config.history.keep,
            config.history.max_size,
        )
        for first, last, count, reason in dropped:
            if spool is None and reason in ("size", "age"):
                continue  # without a broker there is no spool, only history
            self._post(SpoolDropped(at=self._clock.now(), first=first, last=last, count=count, reason=reason))
        now = time.monotonic()
        if now - self._saved >= CLOCK_EVERY:
            self._saved = now
            self._save_clock()
