"""One app's log: its stream, how far it was read, and what was counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from ..config import Logs
from ..ports import Containers, LogLine, LogRead, LogStream, PortError
from ..vocabulary.log_facts import LogCount
from .jobs import LogTarget
from .log_counting import Allowance, Tally
from .log_position import NOWHERE, Position, behind, seconds

CATCH_UP = 5000
"""Lines of the past that are read at most, after edged, the engine or the container was away."""
LINES_PER_SECOND = 1000
BYTES_PER_SECOND, BYTES_AT_ONCE = 256 * 1024, 2 * 2**20
A_READ = 64 * 1024
"""Bytes that are taken at a time."""
A_LOOK = 0.05
"""Seconds for looking at these. An expression that is so slow on them sees no more of them."""
BUSY = 100
"""So many lines at a time, and there may be more in the next moment."""
LAGGING = 15.0
"""Seconds of having more to read than is allowed, after which the rest is skipped."""
LEAVING = 5.0
"""Seconds for which the last words of a container are waited for."""
RECENT = 120.0
"""A container that was started less than so many seconds ago is read from its start."""
EARLY = 2.0
"""Engines note the time of a start a moment after the container has begun, and perhaps written, already."""
UNSEEN = 3.0
"""Seconds for which it is waited for that time, since it says from where to read."""
LATE = 60.0
CATCHING_UP = 30.0
"""Seconds after which what comes is of now, whatever its time says: the engine's clock may be another one."""
TELL, KEEP = 2.0, 60.0
"""Seconds between two reports, and between two that are kept on disk."""
AHEAD = 60.0
"""Seconds that a position may be in the future; beyond, one of the clocks was wrong, and nothing would be read."""
AGAIN, SELDOM = (1.0, 30.0), 600.0
"""Seconds until it is opened again: doubling; and after the engine refused it more than once."""
FAREWELL = 0.05
SHORT = 12
"""Characters of a container's id, as people see it."""


class LogReader:
    def __init__(self, app: str, rules: Logs, resume: str, monotonic: Callable[[], float]) -> None:
        self.rules, self.position = rules, Position.decode(resume)
        self._monotonic = monotonic
        self._tally = Tally(app, rules, monotonic)
        self._target = LogTarget(app=app, rules=rules)
        self._from = ""
        """Where a container is read from that was started lately, for ``since``."""
        self._stream: LogStream | None = None
        self._lines = Allowance(LINES_PER_SECOND, CATCH_UP)
        self._bytes = Allowance(BYTES_PER_SECOND, BYTES_AT_ONCE)
        self._skip = NOWHERE
        """What the engine tells again."""
        self._source = ""
        """The container that it is the log of."""
        self._since = self._opened = self._opened_wall = 0.0
        self._caught: tuple[float, int] | None = None
        """While catching up: the time of the first line, and the number so far."""
        self._open_at, self._pause = 0.0, AGAIN[0]
        self._left_at: float | None = None
        self._lagging_since: float | None = None
        self._lag_lines, self._lag_from = 0, 0.0
        """Lines that were read since then, and the time of the one before them: that gives their rate."""
        self._jumped = False
        self._refusals = 0
        self._told_refused = self._mended = False
        self._told_at = self._kept_at = float("-inf")
        self._moved = False
        """The position is not the one that was told last."""

    def aim(self, target: LogTarget, now: float, wall: float) -> None:
        """The container that it is about now; an empty id: none runs."""
        before, self._target = self._target, target
        if target.container:
            self._left_at = None
            if (target.container, target.started) != (before.container, before.started):
                self._open_at = now if target.started else now + UNSEEN
                self._pause, self._refusals = AGAIN[0], 0
                recent = target.started > 0.0 and 0.0 <= wall - target.started < RECENT
                self._from = f"{target.started - EARLY:.6f}" if recent else ""
                if target.container != before.container and before.container:
                    with suppress(PortError):  # the last words of the one before
                        self.drain(now, now + FAREWELL, wall)
                    self._lose()
        elif self._left_at is None:
            self._left_at = now
        elif now > self._left_at + LEAVING:
            self._lose()

    def due(self, now: float) -> bool:
        """Whether it should be opened now."""
        return self._stream is None and bool(self._target.container) and now >= self._open_at

    def open(self, containers: Containers, wall: float, now: float, timeout: float) -> None:
        """Raises ``PortError``."""
        self._open_at, self._pause = now + self._pause, min(AGAIN[1], 2.0 * self._pause)
        began, since, tail = seconds(self.position.at), "", CATCH_UP
        self._skip = NOWHERE
        if self._jumped or (began is not None and began > wall + AHEAD):
            tail = 0
        elif began is not None:
            since = self.position.since
            self._skip = self.position if self.position.container == self._target.container[:SHORT] else NOWHERE
        elif self._from:
            since = self._from
        else:
            tail = 0
        self._stream = containers.follow_logs(self._target.container, since, tail, timeout)
        self._opened, self._opened_wall, self._since = now, wall, float(since or 0.0)
        self._caught = (0.0, 0) if since else None
        self._source = self._target.container[:SHORT]
        self._jumped = False
        self._lagging_since = None

    def refused(self, now: float) -> bool:
        """The engine does not give it. True when that is news: one that is just being removed is refused as well."""
        self._lose()
        self._refusals += 1
        lasting = self._refusals > 1
        self._open_at = now + (SELDOM if lasting else AGAIN[0])
        news = lasting and not self._told_refused
        self._told_refused = self._told_refused or lasting
        return news

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _lose(self) -> None:
        self.close()
        self._lagging_since = None

    def drain(self, now: float, until: float, wall: float) -> int:
        """Takes what has come; what is still there at ``until`` waits. The number of lines. Raises ``PortError``."""
        lines = 0
        while self._stream is not None:
            asked = min(self._bytes.left(now), A_READ)
            if not asked or self._monotonic() > until:
                self.wait(now, wall)
                break
            got = self._read(self._stream, asked)
            if got.size:
                self._pause = AGAIN[0]
                lines += len(got.lines)
                self._take(got.lines, now, wall)
            if got.ended:
                self._lose()
            elif self._since > wall + AHEAD:  # the clock was set back: the engine would leave out all until then
                self._jump()
            elif got.size < asked:
                self._lagging_since = None
                break
        return lines

    def _read(self, stream: LogStream, most: int) -> LogRead:
        try:
            got = stream.read(most)
        except PortError:
            self._lose()
            raise
        self._bytes.take(got.size)
        if not got.ended:
            self._refusals = 0
            self._mended = self._mended or self._told_refused
            self._told_refused = False
        return got

    def _take(self, lines: list[LogLine], now: float, wall: float) -> None:
        if self._skip.lines:
            lines, self._skip = behind(lines, self._skip)
        if not lines:
            return
        self._miss(lines)
        self.position, self._moved = self.position.after(lines, self._source), True
        self._lag_lines += len(lines)
        fresh = _stamp(wall - LATE) if now < self._opened + CATCHING_UP else ""
        allowed = self._lines.left(now)
        self._lines.take(min(allowed, len(lines)))
        self._tally.look(lines, allowed, self._monotonic() + A_LOOK, fresh)

    def _miss(self, lines: list[LogLine]) -> None:
        """When the past was longer than what is caught up with, how much it was is guessed from its pace."""
        if self._caught is None:
            return
        first, number = self._caught
        first, number = first or seconds(lines[0].at) or 0.0, number + len(lines)
        last = seconds(lines[-1].at) or 0.0
        self._caught = (first, number) if last < self._opened_wall else None
        if number >= CATCH_UP and self._since < first < last:
            self._tally.leave_out(int(number / (last - first) * (first - self._since)))
            self._caught = None

    def wait(self, now: float, wall: float) -> None:
        """There is, or may be, more than may be read now."""
        if self._stream is None:
            return
        last = seconds(self.position.at) or 0.0
        if self._lagging_since is None:
            self._lagging_since, self._lag_lines, self._lag_from = now, 0, last
        elif now > self._lagging_since + LAGGING:
            if 0.0 < self._lag_from < last < wall:
                self._tally.leave_out(int(self._lag_lines / (last - self._lag_from) * (wall - last)))
            self._jump()

    def _jump(self) -> None:
        self._lose()
        self._jumped, self._open_at = True, 0.0

    def tell(self, now: float) -> LogCount | None:
        """What there is to tell, if it is time."""
        tally = self._tally
        keep = self._moved and now >= self._kept_at + KEEP
        soon = (tally.matched and now >= self._told_at + TELL) or self._mended
        if not keep and not soon:
            return None
        self._told_at, self._mended = now, False
        if keep:
            self._kept_at, self._moved = now, False
        return tally.told(self.position.encode() if keep else "")


def _stamp(wall: float) -> str:
    """As engines begin theirs."""
    return datetime.fromtimestamp(max(0.0, wall), UTC).strftime("%Y-%m-%dT%H:%M:%S")
