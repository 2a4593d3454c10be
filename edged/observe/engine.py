"""Watches the container engine: what happens, what there is, and whether it answers at all.

Two threads. ``edged-events`` only follows the event stream, so that nothing slow ever stands before the news
that a container died. ``edged-reconcile`` pings, lists and inspects; it alone decides whether the engine is up.

Order of facts: a ``ContainersListed`` or ``ContainerInspected`` carries the time *before* its request was sent.
What it says of a container was true at that time or later, so a ``ContainerChanged`` with a later ``at`` is
newer news: a judge ignores a listed or inspected container whose last change has ``at`` > the fact's ``at``.
What is ignored so is told again by the next list.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing

from msgspec.structs import replace

from ..ports import Clock, Containers, PortError, Unreachable
from ..vocabulary.facts import ContainerChanged, Fact
from .engine_link import Link
from .engine_parts import Backoff, Seen
from .engine_reconcile import Reconciler

EVENTS = "edged-events"
RECONCILE = "edged-reconcile"
_FRESH = 1.0
"""A message older than that was not on its way but missed."""
_OVERLAP = 1.0
"""Seconds that a new event stream begins before the last message seen."""
_STEADY = 5.0
"""Seconds after which a connection counts as good, and the attempt after it is a quick one again."""


class EngineWatcher:
    """Posts ``EngineSeen``, ``ContainersListed``, ``ContainerInspected``, ``ContainerChanged``, ``CheckFailed``.

    ``EngineSeen`` comes once for each change; ``up`` means that the engine answers, the event stream stands
    and a first list was got. ``CheckFailed(check="containers")`` means that the engine answers and a list
    (subject ``engine``) or an inspection (subject: the container) fails; a later ``ContainersListed`` or
    ``ContainerInspected`` is the all-clear. An engine that refuses the event stream, as a filtering proxy does,
    or does not give it for ``stream_grace`` seconds while it answers pings, is up without it: it is listed at
    every ping, and ``CheckFailed(check="events", subject="engine")`` comes with each list until one more
    ``EngineSeen(up=True)`` tells that the stream stands.
    """

    def __init__(
        self,
        containers: Containers,
        clock: Clock,
        post: Callable[[Fact], None],
        poll: float,
        *,
        ping_every: float = 5.0,
        ping_timeout: float = 5.0,
        quiet: float = 300.0,
        stream_grace: float = 15.0,
        chance: random.Random | None = None,
        since: float | None = None,
    ) -> None:
        """``poll``: seconds between lists while all is well. ``quiet``: a stream silent for so long is renewed.

        ``since``: Unix time up to which a run before has seen everything; what the engine still knows of the time
        after it is told first, so that a stop by a person is not taken for a death.

        A hanging engine is called down after two questions in a row without an answer: at most
        ``ping_every + 2 * ping_timeout`` seconds after it began to hang, or the timeout of a list or an
        inspection plus ``ping_timeout`` when one was under way. One whose stream broke is called down at once.
        """
        self._containers = containers
        self._clock = clock
        self._post = post
        self._quiet = quiet
        self._backoff = Backoff(0.2, 2.0, chance)
        self._seen = Seen()
        self._since, self._began = since, 0.0
        self._followed: float | None = None
        """When the stream last showed the present, seconds on edged's clock."""
        self._first = self._last = 0.0
        """Unix times: of our start, and of the last message, by the engine's clock."""
        self._link = Link()
        self._reconciler = Reconciler(
            containers, clock, post, self._link,
            poll=poll, ping_every=ping_every, ping_timeout=ping_timeout, stream_grace=stream_grace,
            beat=lambda: self._beat(RECONCILE),
        )  # fmt: skip
        self._stopping = threading.Event()
        self._beats: dict[str, float] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._began = self._clock.wall()
        # A clock that was set back since then must not make us ask for a time to come.
        self._first = self._last = min(self._since or self._began, self._began)
        for name, run in ((EVENTS, self._follow), (RECONCILE, self._reconcile)):
            self._beat(name)
            thread = threading.Thread(target=run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def look(self) -> None:
        """Lists the containers now: the configuration may have given some of them a meaning."""
        self._link.ask_for_list()

    def stop(self, timeout: float = 2.0) -> None:
        """Ends both threads, waiting at most ``timeout`` seconds; one that still hangs in a call is a daemon."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._link.wake()
        for thread in self._threads:
            while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
                self._containers.close_events()  # again and again: the stream may just be opening
                thread.join(min(0.1, left))

    def heartbeats(self) -> dict[str, float]:
        """Thread name -> ``time.monotonic()`` of its last sign of life.

        The age stays below 15 s for ``edged-events``. For ``edged-reconcile`` it stays below the longest call:
        the engine's timeout, and 5 s more when the API version has to be agreed again.
        """
        return dict(self._beats)

    def _dated(self, change: ContainerChanged, missed: bool) -> ContainerChanged:
        """What happened while edged or the engine was away is told with its own time, not as of now.

        ``missed``: it was before this stream stood. However short a while ago, what an engine did before it answered
        is not to look like a person's doing afterwards.
        """
        age, now = self._clock.wall() - change.time, self._clock.now()
        if self._followed is not None and age > now - self._followed + _FRESH:
            return change  # it cannot be older than our last look: the wall clock was put forward in between
        if not missed and age < _FRESH and change.time >= self._began:
            return change
        return replace(change, at=now - max(0.0, age))

    def _beat(self, thread: str) -> None:
        self._beats[thread] = time.monotonic()

    def _reconcile(self) -> None:
        while not self._stopping.is_set():
            self._link.wait(self._reconciler.turn())

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._beat(EVENTS)
            began = time.monotonic()
            error: PortError = Unreachable("the event stream was closed")
            try:
                if self._read():
                    continue
            except PortError as failure:
                error = failure
            self._link.broke(error)
            if time.monotonic() - began > _STEADY:
                self._backoff.reset()
            self._stopping.wait(self._backoff.next())

    def _read(self) -> bool:
        """Follows one stream to its end. True when it was only quiet for so long that it should be renewed."""
        # Never what was before ``since``: it is no news. A clock that was set back makes this a time to come,
        # which engines take for "from now on"; the list that follows tells what was missed.
        since = max(self._first, self._last - _OVERLAP)
        accepted = present = False
        stands, heard = self._clock.wall(), time.monotonic()
        with closing(self._containers.events(since, self._clock.now)) as stream:
            for change in stream:
                self._beat(EVENTS)
                if self._stopping.is_set():
                    return False
                if change is not None:
                    heard = time.monotonic()
                    self._last = change.time or self._last
                    present = present or change.time >= stands
                    if self._seen.is_new(change):
                        self._post(self._dated(change, missed=not present))
                        self._link.changed(change)
                elif not accepted:
                    accepted = True
                    # A request may have waited for an engine that was still stopping what it found.
                    stands = self._clock.wall()
                    self._link.accepted()
                elif time.monotonic() - heard > self._quiet:
                    return True
                else:
                    present = True  # silence: what was missed has been told
                if present:
                    self._followed = self._clock.now()
        return False
