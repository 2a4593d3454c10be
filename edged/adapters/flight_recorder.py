"""The flight recorder: every fact that the judge was given, for the last hours, in segments that each begin anew.

What is new goes to a small file in the service manager's runtime folder every two seconds: that is memory, so a crash
of edged loses no more than that, and no flash is worn. From there it goes to the segment when its owner says so, every
half hour; a power cut takes what was not there yet. Without a runtime folder it stays in edged's own memory until then.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import Config
from ..config.model import Recording
from ..flight.packing import Packer
from ..flight.segment import (
    CONFIG,
    DECISIONS,
    HEAD,
    PACKED,
    RAW,
    Head,
    config_picture,
    decisions,
    encode,
    frame,
    picture,
    row,
)
from ..ports import Clock
from ..vocabulary.state import State
from ..witness import Turn
from .flight_files import FlightFiles

log = logging.getLogger(__name__)

SPILL_BYTES = 512 * 1024
"""Unpacked bytes that are written to the segment without being told to."""
LONGEST = 3 * 3600.0
"""Seconds of a segment; the state at its beginning is written once in that time."""
LARGEST = 2 * 2**20
"""Bytes of a segment, or a quarter of all that is allowed."""
BOUND = 20_000
"""Facts that wait to be written down."""


class Items:
    """A list, encoded as it grows: a few bytes each instead of hundreds."""

    def __init__(self) -> None:
        self.count, self.data = 0, bytearray()

    def append(self, item: list[Any]) -> None:
        self.count += 1
        self.data += encode(item)

    def add(self, others: Items) -> None:
        self.count += others.count
        self.data += others.data

    def row(self) -> bytes:
        return row(self.count, bytes(self.data))


class FlightRecorder:
    """Implements ``Witness``. Nothing waits for it: a disk that hangs costs the recording, not the daemon."""

    def __init__(
        self,
        folder: Path,
        runtime: Path | None,
        clock: Clock,
        boot: int,
        bounds: Callable[[], Recording],
        digest: Callable[[], str],
    ) -> None:
        """``folder``: for the segments. ``digest``: of the configuration in force."""
        self._files = FlightFiles(folder, runtime)
        self._clock, self._boot, self._bounds, self._digest = clock, boot, bounds, digest
        self._seen: deque[Turn | None] = deque()
        """``None``: facts are missing here."""
        self._gap = False
        """Facts were lost since the last one in ``_seen``."""
        self._lost = True
        """There is something between the segment before and the next one."""
        self._packer: Packer | None = None
        self._config: Config | None = None
        self._began = 0.0
        self._new = Items()
        """That no file has."""
        self._items = Items()
        """Of the segment, that are not in its own file; nor is its head, if there is one here."""
        self._head = b""
        self._largest = LARGEST
        self._error = ""

    # On the loop's thread

    def saw(self, turn: Turn) -> None:
        if len(self._seen) >= BOUND:
            self._gap = True
            return
        if self._gap:
            self._gap = False
            self._seen.append(None)
        self._seen.append(turn)

    # On the thread that writes

    def begin(self) -> None:
        self._try(self._files.recover)

    def take(self) -> None:
        """Writes down what is new; every two seconds or so."""
        self._try(self._take)

    def finish(self) -> None:
        """Everything that there is goes to its segment: now and then, and when edged ends."""
        self._try(self._finish)

    def _finish(self) -> None:
        self._take()
        self._write()

    def _try(self, do: Callable[[], None]) -> None:
        """A disk that is full or gone costs this segment: another one is begun when there is something new."""
        try:
            do()
        except OSError as error:
            self._give_up()
            if self._error != str(error):
                self._error = str(error)
                log.error("the flight recorder cannot write, what happens now cannot be replayed: %s", error)
        except Exception:
            self._give_up()
            log.exception("a mistake in the flight recorder: it begins a new segment")
        else:
            self._error = ""

    def _give_up(self) -> None:
        self._packer, self._new, self._items, self._head = None, Items(), Items(), b""
        self._lost = True

    def _take(self) -> None:
        while self._seen:
            turn = self._seen.popleft()
            if turn is not None:
                self._pack(turn)
                continue
            self._packer, self._lost = None, True
            log.error("the flight recorder did not keep up; it begins a new segment")
        if self._new.count:
            self._files.note(self._head, frame(RAW, self._new.row()))
            self._items.add(self._new)
            self._new = Items()
        if len(self._items.data) >= SPILL_BYTES:
            self._write()

    def _pack(self, turn: Turn) -> None:
        now, config = turn.now, turn.config
        over = not self._began <= now < self._began + LONGEST or self._files.size >= self._largest
        if self._packer is None or over:
            self._begin(now, config, turn.before)
        elif config is not self._config:
            self._new.append([CONFIG, config_picture(config)])
        self._config = config
        assert self._packer is not None
        self._new.append(self._packer.pack(now, turn.fact))
        if turn.actions or turn.events:
            self._new.append([DECISIONS, decisions(turn.actions, turn.events)])

    def _begin(self, now: float, config: Config, before: State) -> None:
        self._items.add(self._new)
        self._new = Items()
        self._write()
        self._packer, self._began = Packer(now), now
        bounds = self._bounds()
        self._largest = min(LARGEST, bounds.max_size // 4)
        self._files.trim(now - bounds.keep, bounds.max_size - self._largest)
        head = Head(
            version=__version__,
            number=self._files.next(now),
            boot=self._boot,
            now=now,
            wall=self._clock.wall(),
            digest=self._digest(),
            config=config_picture(config),
            state=picture(before),
            gap=self._lost,
        )
        self._lost = False
        self._head = frame(HEAD, encode(head))

    def _write(self) -> None:
        """What the segment's own file does not have yet."""
        if self._items.count:
            self._files.append(self._head + frame(PACKED, self._items.row()))
            self._head, self._items = b"", Items()
