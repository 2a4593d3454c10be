"""The thinking parts of the engine watcher, without threads or clocks."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable

import msgspec

from ..vocabulary.facts import ContainerChanged
from ..vocabulary.world import Container

_RUNS = frozenset({"running", "paused"})


class Seen:
    """Remembers the last ``limit`` messages, to tell those that a new connection repeats."""

    def __init__(self, limit: int = 1024) -> None:
        # Engines keep 256 messages for those who come late, so 1024 never forgets one too early.
        self._limit = limit
        self._order: deque[tuple[object, ...]] = deque()
        self._keys: set[tuple[object, ...]] = set()

    def is_new(self, change: ContainerChanged) -> bool:
        """True the first time. A message without a time cannot be told from another one and is always new."""
        if not change.time:
            return True
        key = (change.time, change.id, change.action, change.exit_code, change.signal)
        if key in self._keys:
            return False
        self._keys.add(key)
        self._order.append(key)
        if len(self._order) > self._limit:
            self._keys.discard(self._order.popleft())
        return True


class Backoff:
    """Waits between attempts, in seconds: quick at first, doubling up to ``most``, never in step with others."""

    def __init__(self, first: float, most: float, chance: random.Random | None = None) -> None:
        self._first = first
        self._most = most
        self._chance = chance or random.Random()
        self._next = first

    def next(self) -> float:
        wait = self._next * self._chance.uniform(0.75, 1.0)
        self._next = min(self._most, self._next * 2)
        return wait

    def reset(self) -> None:
        self._next = self._first


class Details:
    """What only an inspection tells, kept for the lists, which do not tell it."""

    def __init__(self) -> None:
        self._known: dict[str, Container] = {}
        self._stale: set[str] = set()

    def learn(self, inspected: Container) -> None:
        self._known[inspected.id] = inspected
        self._stale.discard(inspected.id)

    def changed(self, change: ContainerChanged) -> bool:
        """Forgets what ``change`` made wrong. True: the container should be inspected."""
        if change.action == "destroy":
            self.forget(change.id)
            return False
        known = self._known.get(change.id)
        if known is not None and change.action in {"start", "die"}:
            # The pid is of a run that is over; the policy stays what it is until an update.
            started = None if change.action == "start" else known.started_at
            self._known[change.id] = msgspec.structs.replace(known, pid=None, started_at=started)
        if change.action in {"create", "start", "update"} or known is None:
            self._stale.add(change.id)
            return True
        return False

    def forget(self, container_id: str) -> None:
        self._known.pop(container_id, None)
        self._stale.discard(container_id)

    def doubt_all(self) -> None:
        """Messages may have been missed: everything should be inspected again."""
        self._stale.update(self._known)

    def wanting(self, listed: Iterable[Container]) -> list[str]:
        """Ids of those in a list that should be inspected, since they are new or not what they were."""
        wanted = []
        for container in listed:
            known = self._known.get(container.id)
            if known is None or container.id in self._stale or (known.pid is None) == (container.status in _RUNS):
                wanted.append(container.id)
        return wanted

    def merge(self, listed: Iterable[Container]) -> tuple[Container, ...]:
        """The list with what is known besides; forgets the containers that are gone."""
        merged = tuple(self._with_details(container) for container in listed)
        here = {container.id for container in merged}
        for gone in [one for one in self._known if one not in here]:
            self.forget(gone)
        return merged

    def _with_details(self, listed: Container) -> Container:
        known = self._known.get(listed.id)
        if known is None:
            return listed
        same_state = known.status == listed.status
        return msgspec.structs.replace(
            listed,
            restart_policy=known.restart_policy,
            pid=known.pid if listed.status in _RUNS else None,
            started_at=known.started_at,
            # Why it ended is known only of the end that was inspected.
            oom_killed=known.oom_killed and same_state and known.exit_code == listed.exit_code,
            exit_code=listed.exit_code if listed.exit_code is not None or not same_state else known.exit_code,
        )
