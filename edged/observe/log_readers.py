"""The check of the apps' logs: takes what has come on each stream, without waiting for any.

One job looks at all of them every second, so quiet logs cost next to nothing and no thread belongs to an app. An app
that writes more than is looked at is left behind: its stream is opened anew at its end, and what lies between counts as
skipped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..ports import Clock, Containers, NotFound, PortError, Unreachable
from ..vocabulary.facts import CheckFailed, Fact, LogsCounted
from ..vocabulary.log_facts import LogCount
from .jobs import LogsJob, LogTarget
from .log_reader import BUSY, LogReader

OPENING = 5.0
"""Seconds in which the engine has to answer."""
BUDGET = 0.15
"""Seconds that may be spent on all lines of one round; what has come beyond them waits for the next."""
ROUNDS, PAUSE = 6, 0.02
"""A socket holds only some hundred lines: while more keep coming, the busy ones are looked at again after a moment."""


class LogReaders:
    """What is known of each app's log between two rounds."""

    def __init__(
        self,
        containers: Containers,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._containers, self._clock = containers, clock
        self._monotonic, self._pause = monotonic, pause
        self._lock = threading.Lock()
        self._readers: dict[str, LogReader] = {}
        self._busy = False
        self._stop = False
        self._turn = 0

    def take(self, job: LogsJob) -> tuple[Fact, ...]:
        """One round. Raises nothing: what is wrong with one log is told as a fact of that app."""
        with self._lock:
            self._busy, self._stop = True, False
        try:
            return self._round(job)
        finally:
            with self._lock:
                self._busy = False
                if self._stop:
                    self._close()

    def stop(self) -> None:
        """No log is asked for any more: closes all, at the latest when a round that is under way ends."""
        with self._lock:
            self._stop = True
            if not self._busy:
                self._close()

    def _close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _round(self, job: LogsJob) -> tuple[Fact, ...]:
        targets = {target.app: target for target in job.apps}
        self._fit(targets)
        now = self._monotonic()
        failed: list[Fact] = []
        reachable = True
        for name, reader in self._readers.items():
            if reachable and reader.due(now):
                try:
                    reader.open(self._containers, self._clock.wall(), now, OPENING)
                except Unreachable:
                    reachable = False  # the others would only wait as well; whether it is there, others tell
                except NotFound:
                    continue  # it was removed in this moment
                except PortError as error:
                    if reader.refused(now):
                        failed.append(self._failed(name, error))
        failed += self._drain()
        told = [told for reader in self._readers.values() if (told := reader.tell(self._monotonic())) is not None]
        return (*failed, *self._counted(told))

    def _counted(self, told: list[LogCount]) -> tuple[Fact, ...]:
        return (LogsCounted(at=self._clock.now(), apps=tuple(told)),) if told else ()

    def _failed(self, app: str, error: PortError) -> CheckFailed:
        text = f"{error}; its log is not read (logs: off ends this remark)"
        return CheckFailed(at=self._clock.now(), check="logs", subject=app, error=text)

    def _fit(self, targets: dict[str, LogTarget]) -> None:
        """A reader for each app, and none for others."""
        for name in self._readers.keys() - targets.keys():
            self._readers.pop(name).close()
        now = self._monotonic()
        for name, target in targets.items():
            reader = self._readers.get(name)
            if reader is None or reader.rules != target.rules:
                resume = target.resume if reader is None else reader.position.encode()
                if reader is not None:
                    reader.close()
                reader = self._readers[name] = LogReader(name, target.rules, resume, self._monotonic)
            reader.aim(target, now, self._clock.wall())

    def _drain(self) -> list[Fact]:
        """Takes what is there, from another app on each time: if the budget does not last, it hits all alike."""
        self._turn += 1
        names = list(self._readers)
        first = self._turn % len(names) if names else 0
        names = names[first:] + names[:first]
        failed: list[Fact] = []
        spent = 0.0
        for round_ in range(ROUNDS):
            if round_:
                self._pause(PAUSE)
            busy: list[str] = []
            for name in names:
                began, reader = self._monotonic(), self._readers[name]
                try:
                    lines = reader.drain(began, began + BUDGET - spent, self._clock.wall())
                except PortError as error:
                    lines = 0
                    if not isinstance(error, Unreachable) and reader.refused(began):
                        failed.append(self._failed(name, error))
                spent += self._monotonic() - began
                if lines >= BUSY:
                    busy.append(name)
            names = busy
            if not names:
                break
        return failed
