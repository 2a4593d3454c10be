"""Is every worker alive? Asked by the loop in each turn; an answer other than "" starves the watchdog."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..act.runner import ActionRunner
from ..observe.engine import EngineWatcher
from ..observe.runner import JobRunner
from ..report.recorder import Recorder

HUNG = 30.0
"""Seconds that a check may overrun its deadline, or a thread may be silent, before edged counts as hung."""


class Supervisor:
    def __init__(
        self,
        runner: JobRunner,
        actions: ActionRunner,
        recorder: Recorder,
        watcher: EngineWatcher,
        outbox_beat: Callable[[], float | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner, self._actions, self._recorder, self._watcher = runner, actions, recorder, watcher
        self._outbox_beat, self._monotonic = outbox_beat, monotonic

    def hung(self) -> str:
        """What hangs, for the log; empty: nothing."""
        now = self._monotonic()
        if (late := self._runner.overdue()) > HUNG:
            return f"a check has overrun its deadline by {late:.0f} s"
        if (late := self._actions.overdue()) > 0.0:
            return f"an action has overrun its time-out by {late:.0f} s"
        beats = {"edged-recorder": self._recorder.last_beat, **self._watcher.heartbeats()}
        outbox = self._outbox_beat()
        if outbox is not None:
            beats["edged-outbox"] = outbox
        for name, beat in beats.items():
            if now - beat > HUNG:
                return f"the thread {name} has been silent for {now - beat:.0f} s"
        return ""
