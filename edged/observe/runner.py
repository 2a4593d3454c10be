"""Carries out jobs on time: a few long-lived workers share one heap of due times.

This is where every check gets its timing, its deadline and its failure handling, so that a check stays tiny.
A check that does not come back is reported once and not started again until it does; a thread cannot be
killed, so the supervisor (and in the end systemd's watchdog) learns about it from ``calls``.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from ..ports import PortError
from ..vocabulary.facts import CheckFailed, Fact
from . import CHECKS, Check, World
from .jobs import Job

log = logging.getLogger(__name__)

Key = tuple[str, str]


class Timing(Struct):
    """How often and how long a check ran."""

    count: int = 0
    seconds: float = 0.0
    last: float = 0.0
    failures: int = 0


class Run(Struct):
    job: Job
    since: float
    reported: bool = False


class JobRunner:
    """Runs jobs on between ``workers`` and ``most`` threads."""

    def __init__(
        self,
        world: World,
        post: Callable[[Fact], None],
        *,
        workers: int = 2,
        most: int = 16,
        checks: Mapping[str, Check] = CHECKS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._world, self._post, self._checks, self._monotonic = world, post, checks, monotonic
        self._first, self._most = workers, most
        self._lock = threading.Condition()
        self._jobs: dict[Key, Job] = {}
        self._due: list[tuple[float, int, Key]] = []
        self._entry: dict[Key, int] = {}
        self._serial = 0
        self._running: dict[Key, Run] = {}
        self._late: set[Key] = set()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._stopped = False
        self.timings: dict[str, Timing] = {name: Timing() for name in checks}

    def start(self) -> None:
        with self._lock:
            for _ in range(self._first):
                self._spawn()

    def stop(self) -> None:
        """Lets idle workers end; one that hangs in a check is left behind (its thread is a daemon)."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()

    def update(self, jobs: Mapping[Key, Job]) -> None:
        """Replaces the set of jobs. One that is not changed keeps its rhythm; a new or quicker one runs at once."""
        with self._lock:
            if jobs == self._jobs:
                return
            now = self._monotonic()
            for key, job in jobs.items():
                old = self._jobs.get(key)
                if old is None or job.every < old.every:
                    self._push(key, now)
                elif job.every > old.every:
                    self._push(key, now + job.every)
            for key in self._jobs.keys() - jobs.keys():
                self._entry.pop(key, None)
            self._jobs = dict(jobs)
            self._lock.notify()

    def report_late(self) -> None:
        """Reports each check that has overrun its deadline as failed, once, and sees that the others go on."""
        now = self._monotonic()
        with self._lock:
            late = [run for run in self._running.values() if not run.reported and now - run.since > run.job.deadline]
            for run in late:
                run.reported = True
            self._drop_stale()
            if self._due and self._due[0][0] <= now and not self._idle and len(self._threads) < self._most:
                self._spawn()
        for run in late:
            self._failed(run.job, f"it did not come back within {run.job.deadline:g} s")

    def calls(self) -> list[tuple[str, float, float]]:
        """What is under way: (what, seconds since it began, seconds it may take)."""
        now = self._monotonic()
        with self._lock:
            return [
                (f"the check {run.job.check} of {run.job.subject}", now - run.since, run.job.deadline)
                for run in self._running.values()
            ]

    def threads(self) -> int:
        return len(self._threads)

    def _spawn(self) -> None:
        thread = threading.Thread(target=self._work, name=f"edged-check-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _push(self, key: Key, at: float) -> None:
        self._serial += 1
        self._entry[key] = self._serial
        heapq.heappush(self._due, (at, self._serial, key))

    def _take(self) -> Run | None:
        """Waits for the next due job. ``None``: the runner was stopped."""
        with self._lock:
            self._idle += 1
            try:
                while not self._stopped:
                    self._drop_stale()
                    now = self._monotonic()
                    if self._due and self._due[0][0] <= now:
                        at, _, key = heapq.heappop(self._due)
                        job = self._jobs[key]
                        self._push(key, max(at + job.every, now))
                        if key in self._running:
                            self._late.add(key)
                            continue
                        run = Run(job, now)
                        self._running[key] = run
                        if self._idle == 1 and len(self._threads) < self._most and self._crowded(now):
                            self._spawn()
                        elif self._due and self._due[0][0] <= now:
                            self._lock.notify()
                        return run
                    self._lock.wait(self._due[0][0] - now if self._due else 5.0)
            finally:
                self._idle -= 1
        return None

    def _drop_stale(self) -> None:
        while self._due and self._entry.get(self._due[0][2]) != self._due[0][1]:
            heapq.heappop(self._due)

    def _crowded(self, now: float) -> bool:
        """Something else is due soon and no worker is left for it."""
        self._drop_stale()
        return bool(self._due) and self._due[0][0] <= now + 0.05

    def _work(self) -> None:
        while (run := self._take()) is not None:
            job = run.job
            try:
                facts = self._checks[job.check](job, self._world)
            except PortError as error:
                self._failed(job, str(error))
            except Exception as error:
                log.exception("the check %s of %s failed by a mistake in edged", job.check, job.subject)
                self._failed(job, f"internal error: {error!r}")
            else:
                for fact in facts:
                    self._post(fact)
            self._done(job.key)
            timing = self.timings[job.check]
            timing.last = self._monotonic() - run.since
            timing.count += 1
            timing.seconds += timing.last

    def _done(self, key: Key) -> None:
        """A job that fell due while it was still running is due now, not a whole beat later."""
        with self._lock:
            self._running.pop(key, None)
            if key in self._late:
                self._late.discard(key)
                if key in self._jobs:
                    self._push(key, self._monotonic())
                    self._lock.notify()

    def _failed(self, job: Job, error: str) -> None:
        self.timings[job.check].failures += 1
        self._post(CheckFailed(at=self._world.clock.now(), check=job.check, subject=job.subject, error=error))
