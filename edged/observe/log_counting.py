"""What is made of the lines of a log: counts, a few samples, and a bound on how many are looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from ..config import Logs
from ..config.log_rules import LOOK
from ..ports import LogLine
from ..redact import sample
from ..vocabulary.log_facts import LOG_KINDS, LogCount, LogKind

SAMPLES, LENGTH = 3, 160
_MANY = 4
"""Lines between two looks at the clock."""
_WORDS = re.compile(r"(\(\?i\))?([\w =:\"'-]+(?:\|[\w =:\"'-]+)*)", re.ASCII)
_DIGITS = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")


class Allowance:
    """So much a second, and at first (or after a quiet time) ``burst`` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left = burst
        self._at: float | None = None

    def left(self, now: float) -> int:
        if self._at is not None:
            self._left = min(self._burst, self._left + self._rate * max(0.0, now - self._at))
        self._at = now
        return max(0, int(self._left))

    def take(self, number: int) -> None:
        """May take more than there is: later ones pay for it."""
        self._left -= number


Finds = Callable[[str, str], bool]
"""Whether a line matches, given as it is and in small letters."""


def finder(pattern: str) -> Finds:
    """Most patterns are a few words, which Python finds ten times faster than a regular expression does."""
    plain = _WORDS.fullmatch(pattern)
    if plain is None:
        search = re.compile(pattern).search
        return lambda line, small: search(line) is not None
    if plain[1]:
        return _any(plain[2].lower().split("|"), 1)
    return _any(plain[2].split("|"), 0)


def _any(words: list[str], which: int) -> Finds:
    return lambda *lines: any(map(lines[which].__contains__, words))


class Tally:
    """What was seen of one app's log since it was last told."""

    def __init__(self, app: str, rules: Logs, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock
        self._finders = [(kind, finder(pattern)) for kind in LOG_KINDS if (pattern := getattr(rules, kind))]
        self._begin()

    def _begin(self) -> None:
        self.lines = self.skipped = 0
        self._counts: dict[LogKind, int] = {}
        self._late: dict[LogKind, int] = {}
        self._samples: dict[LogKind, dict[str, str]] = {}

    @property
    def matched(self) -> bool:
        return bool(self._counts)

    def leave_out(self, lines: int) -> None:
        """So many, it seems, were not even read."""
        self.lines += lines
        self.skipped += lines

    def look(self, lines: list[LogLine], most: int, until: float, fresh: str) -> None:
        """Looks at ``most`` lines, and at none any more after ``until``. Those from before ``fresh`` are late."""
        self.lines += len(lines)
        for index, line in enumerate(lines):
            if index >= most or (index % _MANY == _MANY - 1 and self._clock() > until):
                self.skipped += len(lines) - index
                return
            text = line.text.decode("utf-8", "replace")[:LOOK].rstrip("\r\n")
            small = text.lower()
            for kind, found in self._finders:
                if found(text, small):
                    self._count(kind, text, line.at < fresh)

    def _count(self, kind: LogKind, text: str, late: bool) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if late:
            self._late[kind] = self._late.get(kind, 0) + 1
        samples = self._samples.setdefault(kind, {})
        if len(samples) < SAMPLES:
            samples.setdefault(shape(text), text)

    def told(self, position: str) -> LogCount:
        """All of it; it begins anew."""
        count = LogCount(
            app=self._app,
            lines=self.lines,
            counts=self._counts,
            late=self._late,
            skipped=self.skipped,
            samples={kind: tuple(sample(t, LENGTH) for t in one.values()) for kind, one in self._samples.items()},
            position=position,
        )
        self._begin()
        return count


def shape(text: str) -> str:
    """The same for lines that differ in numbers alone."""
    return _DIGITS.sub("0", text[:LENGTH])
