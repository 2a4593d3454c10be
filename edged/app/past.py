"""What edged keeps of the past: facts for replay, and numbers by minute. One thread, which nothing waits for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..adapters.flight_recorder import FlightRecorder
from ..adapters.storage.history import RollupStore
from ..config import Config
from ..history.minutes import Minutes
from ..ports import Clock, StorageError
from ..vocabulary.state import State
from ..witness import Turn

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks at what is new."""
NOTE_EVERY = 60.0
FLUSH_EVERY = 1800.0
"""Facts and numbers go to the disk in the same moment: the file system then writes its own tables only once."""
SHARE = 4
"""Numbers get this part of ``history.max_size``; events have all of it to themselves."""


class Past:
    """Implements ``Witness``. A disk that hangs holds up the past, never the present: so it is not supervised."""

    def __init__(
        self, recorder: FlightRecorder, rollups: RollupStore, clock: Clock, config: Callable[[], Config]
    ) -> None:
        self._recorder, self.rollups, self._clock, self._config = recorder, rollups, clock, config
        self._minutes = Minutes()
        self._last: tuple[float, State] | None = None
        self._lock = threading.Lock()
        self._noted = self._flushed = time.monotonic()
        self._error = ""
        self._mistaken = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edged-past", daemon=True)

    def saw(self, turn: Turn) -> None:
        self._recorder.saw(turn)
        try:
            with self._lock:
                self._minutes.saw(turn.now, self._clock.wall(), turn.fact, turn.before, turn.after, turn.events)
                self._last = turn.now, turn.after
        except Exception:
            # The present goes on without its figures.
            if not self._mistaken:
                self._mistaken = True
                log.exception("a mistake in what is counted by minute; said once")

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Writes down what there is, when that is possible within ``timeout`` seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        self._recorder.begin()
        self._try(lambda: self.rollups.recover(self._clock.now()))
        while not self._stop.wait(EVERY):
            now = time.monotonic()
            late = now - self._flushed >= FLUSH_EVERY
            if late:
                self._flushed = now
                self._recorder.finish()
            else:
                self._recorder.take()
            self._keep_numbers(now, late)
        self._recorder.finish()
        with self._lock:
            if self._last is not None:
                self.rollups.add(self._minutes.end(*self._last), ())
        self._try(self._flush)
        self._try(self.rollups.note)
        self.rollups.close()

    def _keep_numbers(self, now: float, late: bool) -> None:
        if now - self._noted < NOTE_EVERY and not late:
            return
        self._noted = now
        with self._lock:
            closed, still_open = self._minutes.closed(), self._minutes.open()
        self.rollups.add(closed, still_open)
        if late:
            self._try(self._flush)
        self._try(self.rollups.note)

    def _flush(self) -> None:
        bounds = self._config().history
        self.rollups.flush(self._clock.now(), bounds.keep, bounds.max_size // SHARE)

    def _try(self, do: Callable[[], None]) -> None:
        """What cannot be written is kept and tried again; that the disk is full is told by those who need it more."""
        try:
            do()
        except (StorageError, OSError) as error:
            if self._error != str(error):
                self._error = str(error)
                log.error("history: %s", error)
        else:
            self._error = ""


def runtime_folder(env: Mapping[str, str]) -> Path | None:
    """The service manager's folder for this run and the next one, if there is any."""
    first = env.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else None
