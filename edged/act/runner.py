"""Carries out actions on a few workers, one at a time for each subject, and reports how each one ended."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from ..ports import ArtifactError, Clock, PortError, StorageError, Unreachable
from ..vocabulary.actions import Action
from ..vocabulary.facts import ActionFinished, Fact
from . import AFTERWARDS, EXECUTORS, Executor, Result, Tools

log = logging.getLogger(__name__)

SLACK = 15.0
"""Seconds that an action may take beyond its time-out before it is reported as failed."""


class Run(Struct):
    """One action, from when it is taken on to when all of it is done."""

    action: Action
    since: float | None = None
    """When a worker took it; ``None``: it waits for one."""
    reported: bool = False

    @property
    def allowed(self) -> float:
        return self.action.timeout + SLACK


class ActionRunner:
    """``workers`` threads; at most ``depth`` actions may wait."""

    def __init__(
        self,
        tools: Tools,
        clock: Clock,
        post: Callable[[Fact], None],
        *,
        workers: int = 4,
        depth: int = 512,
        name: str = "act",
        executors: Mapping[type[Action], Executor] = EXECUTORS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tools, self._clock, self._post, self._executors = tools, clock, post, executors
        self._monotonic, self._workers, self._name = monotonic, workers, name
        self._queue: queue.Queue[Run | None] = queue.Queue(depth)
        self._lock = threading.Lock()
        self._busy: dict[str, Run] = {}
        self._after: list[Run] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for number in range(self._workers):
            thread = threading.Thread(target=self._work, name=f"edged-{self._name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Waits for actions under way; ``False`` when one was still running after ``timeout`` seconds."""
        deadline = self._monotonic() + timeout
        for _ in self._threads:
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                break
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def submit(self, action: Action) -> None:
        """Never waits. What cannot be taken is reported as a failed action."""
        run = Run(action)
        with self._lock:
            taken = action.subject in self._busy
            if not taken:
                self._busy[action.subject] = run
        if taken:
            self._ended(action, 0.0, "refused: another action on it is under way", {"code": "busy"})
            return
        try:
            self._queue.put_nowait(run)
        except queue.Full:
            self._release(action)
            self._ended(action, 0.0, "refused: too many actions are waiting")

    def report_late(self) -> None:
        """Reports each action that has overrun its time-out and ``SLACK`` as failed, once.

        Its subject stays taken until it comes back: what it still may do must not meet another action.
        """
        now = self._monotonic()
        late: list[tuple[Action, float]] = []
        with self._lock:
            for run in self._busy.values():
                if run.since is not None and not run.reported and now - run.since > run.allowed:
                    run.reported = True
                    late.append((run.action, now - run.since))
        for action, seconds in late:
            self._ended(action, seconds, f"it did not come back within {seconds:.0f} s")

    def calls(self) -> list[tuple[str, float, float]]:
        """What is under way: (what, seconds since it began, seconds it may take)."""
        now = self._monotonic()
        with self._lock:
            runs = [*self._busy.values(), *self._after]
        return [
            (f"the action {type(run.action).__name__} on {run.action.subject}", now - run.since, run.allowed)
            for run in runs
            if run.since is not None
        ]

    def _work(self) -> None:
        while (run := self._queue.get()) is not None:
            action, run.since = run.action, self._monotonic()
            error, result = "", {}
            try:
                result = self._executors[type(action)](action, self._tools)
            except PortError as trouble:
                error, result = str(trouble), {"code": code} if (code := _code(trouble)) else {}
            except Exception as bug:
                log.exception("the action %s on %s failed by a mistake in edged", type(action).__name__, action.subject)
                error = f"internal error: {bug!r}"
            seconds = self._monotonic() - run.since
            self._release(action)
            if not run.reported:
                self._ended(action, seconds, error, result)
            if not error and type(action) in AFTERWARDS:
                self._afterwards(action, result)

    def _afterwards(self, action: Action, result: Result) -> None:
        run = Run(action, self._monotonic())
        with self._lock:
            self._after.append(run)
        try:
            AFTERWARDS[type(action)](result, self._tools)
        except PortError as trouble:
            log.warning("%s of %s: %s", type(action).__name__, action.subject, trouble)
        finally:
            with self._lock:
                self._after.remove(run)

    def _release(self, action: Action) -> None:
        with self._lock:
            self._busy.pop(action.subject, None)

    def _ended(self, action: Action, seconds: float, error: str, result: dict[str, object] | None = None) -> None:
        self._post(
            ActionFinished(
                at=self._clock.now(),
                action_id=action.id,
                action=type(action).__name__,
                subject=action.subject,
                ok=not error,
                seconds=seconds,
                error=error,
                result=result or {},
            )
        )


def _code(trouble: PortError) -> str:
    """For programs; empty: only the words tell."""
    if isinstance(trouble, ArtifactError):
        return trouble.code
    return {Unreachable: "unreachable", StorageError: "storage"}.get(type(trouble), "")
