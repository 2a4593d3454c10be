"""Is every worker alive? Asked by the loop in each turn; what hangs ends this run, by the service manager's hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from ..observe.engine import EVENTS, RECONCILE

DEFAULT_LIMIT = 30.0
"""Seconds, where no service manager gives its own."""
SOONEST = 0.02
IDLE = 15.0
"""Seconds: three times as long as these threads ever wait."""

RECORDER, OUTBOX, INTAKE, RELOAD = "edged-recorder", "edged-outbox", "edged-orders", "edged-reload"


def rhythms(engine_timeout: float) -> dict[str, float]:
    """Seconds that each thread may be silent while all is well."""
    return {
        RECORDER: IDLE,
        OUTBOX: IDLE,
        INTAKE: IDLE,
        # It may wait for another change, and then for the loop, twice.
        RELOAD: 60.0,
        EVENTS: 15.0,
        # A call may be made twice, and each time the version agreed first (``docker_client``).
        RECONCILE: 2.0 * (engine_timeout + 5.0),
    }


Call = tuple[str, float, float]
"""What, seconds since it began, seconds it may take."""


class Workers(Protocol):
    """A pool whose calls may block."""

    def report_late(self) -> None: ...

    def calls(self) -> Iterable[Call]: ...


class Supervisor:
    """A call hangs when it has run for longer than its own deadline and than ``limit``; a thread, when silent so long.

    Until then nothing is cut short: a container may be given minutes to stop.
    """

    def __init__(
        self,
        pools: Iterable[Workers],
        beats: Callable[[], Mapping[str, float]],
        rhythms: Mapping[str, float],
        limit: float | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``beats``: last sign of life of each thread, monotonic. ``rhythms``: seconds it may be silent when well.

        ``limit``: the service manager's between two signs of life of the whole; ``None``: it has none.
        """
        self._pools, self._beats, self._rhythms = tuple(pools), beats, rhythms
        self._limit = limit or DEFAULT_LIMIT
        self._monotonic = monotonic
        self.patience = float("inf")
        """Seconds until the first of what is under way would count as hung."""

    def hung(self) -> str:
        """What hangs, for the log; empty: nothing. Reports what is merely late on the way."""
        worst, self.patience = "", float("inf")
        for pool in self._pools:
            pool.report_late()
        for what, seconds, allowed in self._calls():
            left = max(allowed, self._limit) - seconds
            if left <= 0.0:
                worst = worst or f"{what} has not come back for {seconds:.0f} s"
            self.patience = min(self.patience, max(SOONEST, left))
        return worst

    def _calls(self) -> Iterable[Call]:
        for pool in self._pools:
            yield from pool.calls()
        now = self._monotonic()
        for name, beat in self._beats().items():
            yield f"the thread {name}", now - beat, self._rhythms.get(name, 0.0)
