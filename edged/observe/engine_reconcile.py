"""The slow half of the engine watcher: pings, lists and inspects, and decides whether the engine is up."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..ports import Clock, Containers, NotFound, PortError, Refused, Unreachable
from ..vocabulary.facts import CheckFailed, ContainerInspected, ContainersListed, EngineSeen, Fact
from .engine_link import Link

_STRIKES = 2


class Reconciler:
    """Does one thing at a time, the most urgent first. For one thread."""

    def __init__(
        self,
        containers: Containers,
        clock: Clock,
        post: Callable[[Fact], None],
        link: Link,
        *,
        poll: float,
        ping_every: float,
        ping_timeout: float,
        stream_grace: float,
        beat: Callable[[], None],
    ) -> None:
        self._containers = containers
        self._clock = clock
        self._post = post
        self._link = link
        self._poll = poll
        self._ping_every = ping_every
        self._ping_timeout = ping_timeout
        self._stream_grace = stream_grace
        self._beat = beat

        self._up: bool | None = None
        self._answers = False
        self._strikes = 0
        self._version = ""
        self._without_stream = False
        self._connection = 0
        self._broken: PortError | None = None
        self._names: dict[str, str] = {}
        # Monotonic.
        self._next_ping = 0.0
        self._next_list = 0.0
        self._streamless_since: float | None = None

    def turn(self) -> float:
        """One step. Returns the seconds until the next is due."""
        self._beat()
        connection, self._broken, news = self._link.condition()
        now = time.monotonic()
        if connection != self._connection:
            self._connection = connection
            self._next_list = 0.0
        if self._link.list_is_wanted():
            self._next_list = 0.0
        if self._broken is None or not self._answers:
            self._streamless_since = None
        elif self._streamless_since is None:
            self._streamless_since = now
        if news or now >= self._next_ping:
            self._ping()
            return 0.0
        may_list = self._answers and (self._up or self._broken is None or self._lacks_stream())
        if may_list and now >= self._next_list:
            self._list()
            return 0.0
        if self._up and (wanted := self._link.next_work(now)) is not None:
            self._inspect(wanted)
            return 0.0
        due = [self._next_ping - now]
        if may_list:
            due.append(self._next_list - now)
        if self._up and (work := self._link.work_in(now)) is not None:
            due.append(work)
        return max(0.0, min(due))

    def _lacks_stream(self) -> bool:
        """It answers, and only the event stream cannot be had."""
        since = self._streamless_since
        waited = since is not None and time.monotonic() - since > self._stream_grace
        return waited or isinstance(self._broken, Refused)

    def _ping(self) -> None:
        try:
            self._version = self._containers.ping(self._ping_timeout)
        except PortError as error:
            self._answers = False
            self._strikes += 1
            # With the stream gone too, one failure is proof. Otherwise the engine may just be slow once.
            sure = self._strikes >= _STRIKES or self._broken is not None
            self._next_ping = time.monotonic() + (self._ping_every if sure else 0.0)
            if sure:
                self._lost(str(error))
            return
        self._answers = True
        self._strikes = 0
        self._next_ping = time.monotonic() + self._ping_every

    def _lost(self, error: str) -> None:
        if self._up is False:
            return
        self._up = False
        self._post(EngineSeen(at=self._clock.now(), up=False, error=error))
        # A stream of an engine that does not answer may stay open and silent for ever.
        self._containers.close_events()

    def _list(self) -> None:
        at = self._clock.now()
        try:
            listed = self._containers.list_all()
        except PortError as error:
            self._next_list = time.monotonic() + self._ping_every
            self._failed(error, "engine", "list")
            return
        merged = self._link.merge(listed)
        self._names = {container.id: container.name for container in merged}
        streamless = self._lacks_stream()
        if not self._up or (self._without_stream and not streamless):
            self._up = True
            self._post(EngineSeen(at=self._clock.now(), up=True, version=self._version))
        self._post(ContainersListed(at=at, containers=merged))
        if streamless:
            why = f"there is no event stream, so containers are only listed: {self._broken}"
            self._post(CheckFailed(at=self._clock.now(), check="events", subject="engine", error=why))
        self._without_stream = streamless
        self._next_list = time.monotonic() + (min(self._poll, self._ping_every) if streamless else self._poll)

    def _inspect(self, container_id: str) -> None:
        at = self._clock.now()
        try:
            container, _ = self._containers.inspect(container_id)
        except NotFound:
            self._link.forget(container_id)
            return
        except PortError as error:
            self._link.later(container_id, time.monotonic() + self._poll)
            self._failed(error, self._names.get(container_id, container_id[:12]), "inspect")
            return
        self._link.learned(container)
        self._post(ContainerInspected(at=at, container=container))

    def _failed(self, error: PortError, subject: str, what: str) -> None:
        """Is it the engine, or only this question?"""
        self._beat()
        if isinstance(error, Unreachable):
            self._strikes += 1
        self._ping()
        if self._answers:
            at = self._clock.now()
            self._post(CheckFailed(at=at, check="containers", subject=subject, error=f"{what}: {error}"))
