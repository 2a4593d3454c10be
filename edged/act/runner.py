"""Carries out actions on a few workers, one at a time for each subject, and reports how each one ended."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping

from ..ports import ArtifactError, Clock, PortError, StorageError, Unreachable
from ..vocabulary.actions import Action
from ..vocabulary.facts import ActionFinished, Fact
from . import AFTERWARDS, EXECUTORS, Executor, Result, Tools

log = logging.getLogger(__name__)

SLACK = 15.0
"""Seconds that an action may take beyond its time-out before its worker counts as hung."""


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
        executors: Mapping[type[Action], Executor] = EXECUTORS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tools, self._clock, self._post, self._executors = tools, clock, post, executors
        self._monotonic, self._workers = monotonic, workers
        self._queue: queue.Queue[Action | None] = queue.Queue(depth)
        self._lock = threading.Lock()
        self._busy: dict[str, tuple[Action, float]] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for number in range(self._workers):
            thread = threading.Thread(target=self._work, name=f"edged-act-{number}", daemon=True)
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
        with self._lock:
            taken = action.subject in self._busy
            if not taken:
                self._busy[action.subject] = (action, self._monotonic())
        if taken:
            self._ended(action, 0.0, "refused: another action on it is under way")
            return
        try:
            self._queue.put_nowait(action)
        except queue.Full:
            self._release(action)
            self._ended(action, 0.0, "refused: too many actions are waiting")

    def overdue(self) -> float:
        """Seconds by which the slowest action has overrun its time-out and ``SLACK``; 0 when none has."""
        now = self._monotonic()
        with self._lock:
            over = [now - since - action.timeout - SLACK for action, since in self._busy.values()]
        return max(0.0, *over) if over else 0.0

    def _work(self) -> None:
        while (action := self._queue.get()) is not None:
            begun = self._monotonic()
            error, result = "", {}
            try:
                result = self._executors[type(action)](action, self._tools)
            except PortError as trouble:
                error, result = str(trouble), {"code": code} if (code := _code(trouble)) else {}
            except Exception as bug:
                log.exception("the action %s on %s failed by a mistake in edged", type(action).__name__, action.subject)
                error = f"internal error: {bug!r}"
            self._release(action)
            self._ended(action, self._monotonic() - begun, error, result)
            if not error and type(action) in AFTERWARDS:
                self._afterwards(action, result)

    def _afterwards(self, action: Action, result: Result) -> None:
        try:
            AFTERWARDS[type(action)](result, self._tools)
        except PortError as trouble:
            log.warning("%s of %s: %s", type(action).__name__, action.subject, trouble)

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
