"""What the two threads of the engine watcher share, behind one lock that is never held while waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ..ports import PortError, Unreachable
from ..vocabulary.facts import ContainerChanged
from ..vocabulary.world import Container
from .engine_parts import Details

_MOST_WORK = 256
"""Containers waiting for an inspection. What does not fit is wanted again by the next list."""


class Link:
    """The event stream's condition, the details of containers, and which of them are to be inspected."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._details = Details()
        self._work: dict[str, float] = {}
        self._connections = 0
        self._broken: PortError | None = Unreachable("not connected yet")
        self._news = True
        self._relist = False

    # From the events thread

    def accepted(self) -> None:
        """A new event stream stands; messages before it may have been missed."""
        with self._lock:
            self._connections += 1
            self._broken = None
            self._news = True
            self._details.doubt_all()
        self._wake.set()

    def broke(self, error: PortError) -> None:
        with self._lock:
            self._broken = error
            self._news = True
        self._wake.set()

    def changed(self, change: ContainerChanged) -> None:
        with self._lock:
            # An engine that shuts down stops its containers first, and takes no new connection any more: a ping
            # tells that from a person's stop within milliseconds.
            if change.action == "stop":
                self._news = True
                self._wake.set()
            if change.action == "rename":
                # Under its new name it may belong to another app, which only a list tells.
                self._relist = True
                self._wake.set()
            if not self._details.changed(change):
                if change.action == "destroy":
                    self._work.pop(change.id, None)
                return
            self._want(change.id, 0.0)
        self._wake.set()

    def ask_for_list(self) -> None:
        """From any thread: list as soon as possible."""
        with self._lock:
            self._relist = True
        self._wake.set()

    # From the reconcile thread

    def list_is_wanted(self) -> bool:
        """Whether somebody asked since the last call."""
        with self._lock:
            wanted, self._relist = self._relist, False
            return wanted

    def condition(self) -> tuple[int, PortError | None, bool]:
        """(streams accepted so far, why there is none now, whether that changed since the last call)."""
        with self._lock:
            news, self._news = self._news, False
            return self._connections, self._broken, news

    def merge(self, listed: Iterable[Container]) -> tuple[Container, ...]:
        """The list with details; what needs an inspection is noted."""
        with self._lock:
            merged = self._details.merge(listed)
            for container_id in self._details.wanting(merged):
                self._want(container_id, 0.0)
            return merged

    def next_work(self, now: float) -> str | None:
        """Takes a container that should be inspected now."""
        with self._lock:
            found = next((one for one, when in self._work.items() if when <= now), None)
            if found is not None:
                del self._work[found]
            return found

    def work_in(self, now: float) -> float | None:
        """Seconds until there is something to inspect."""
        with self._lock:
            return max(0.0, min(self._work.values()) - now) if self._work else None

    def learned(self, inspected: Container) -> None:
        with self._lock:
            # Not when it was started again in the meantime: then this may be of the run before.
            if inspected.id not in self._work:
                self._details.learn(inspected)

    def later(self, container_id: str, when: float) -> None:
        """Inspects it again, not before ``when`` (monotonic)."""
        with self._lock:
            self._want(container_id, when)

    def forget(self, container_id: str) -> None:
        with self._lock:
            self._details.forget(container_id)

    def _want(self, container_id: str, when: float) -> None:
        if container_id in self._work or len(self._work) < _MOST_WORK:
            self._work[container_id] = min(when, self._work.get(container_id, when))

    # Waiting

    def wait(self, seconds: float) -> None:
        """Until something happened, at most ``seconds``."""
        if seconds > 0:
            self._wake.wait(seconds)
        self._wake.clear()

    def wake(self) -> None:
        self._wake.set()
