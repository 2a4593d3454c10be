"""A source of rows that is read on a thread of its own: a dead disk or file server keeps that, and nothing else.

A check that hangs ends edged, as it should when edged itself is broken. Rows lie wherever an app writes them, and edged
can mend neither its disk nor its file server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..ports import Chunk, PortError, RowSource, Unreachable

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a reading may take until the check goes on without it."""


class Apart:
    """Implements ``RowSource``. A thread is there only while something is read, and never a second one."""

    def __init__(self, source: RowSource, what: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._source, self._what, self._monotonic = source, what, monotonic
        self._thread: threading.Thread | None = None
        self._begun = 0.0
        self._chunk: Chunk | None = None
        self._error: PortError | None = None

    def read(self, most: int) -> Chunk:
        """As the source does. ``Unreachable`` while it hangs; what it brings when it comes back is not lost."""
        waited = PATIENCE
        if self._thread is None:
            self._begun = self._monotonic()
            self._thread = threading.Thread(target=self._read, args=(most,), name="edged-rows", daemon=True)
            self._thread.start()
        else:
            waited = 0.0  # it was waited for once
        self._thread.join(waited)
        if self._thread.is_alive():
            raise Unreachable(
                f"{self._what} does not answer: a reading begun {self._monotonic() - self._begun:.0f} s ago still "
                "waits, and goes on by itself when it can; see its disk or server: dmesg, df"
            )
        self._thread = None
        chunk, error, self._chunk, self._error = self._chunk, self._error, None, None
        if error is not None:
            raise error
        assert chunk is not None
        return chunk

    def close(self) -> None:
        """Whoever calls this waits for nothing; a reading under way is let to its end."""
        threading.Thread(target=self._close, args=(self._thread,), name="edged-rows-end", daemon=True).start()

    def _read(self, most: int) -> None:
        try:
            self._chunk = self._source.read(most)
        except PortError as error:
            self._error = error
        except Exception as error:
            log.exception("reading %s failed by a mistake in edged", self._what)
            self._error = PortError(f"internal error: {error!r}")

    def _close(self, reading: threading.Thread | None) -> None:
        if reading is not None:
            reading.join()
        self._source.close()
