"""How long each app was in which state, from the events that tell of changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

UNWATCHED = "unwatched"
"""edged did not run."""


class Times:
    """Between ``since`` and ``until`` (Unix time). Events before help to know how things stood then.

    Steps back of the wall clock count as no time at all.
    """

    def __init__(self, since: float, until: float) -> None:
        self._since, self._until = since, until
        self._now: dict[str, tuple[str, float]] = {}
        """The state of each app that was heard of, and since when."""
        self._sums: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._seen: float | None = None

    def seen(self, wall: float) -> None:
        """edged ran then. To be called after what happened at that moment was taken in."""
        self._seen = wall

    def changed(self, app: str, old: str, new: str, wall: float) -> None:
        # What an app was before its first change that is known is only known from that.
        state, at = self._now.get(app, (old, self._since))
        self._add(app, state, at, wall)
        self._now[app] = (new, wall)

    def stopped(self, wall: float) -> None:
        self._everywhere(UNWATCHED, wall)

    def started(self, wall: float) -> None:
        """A run that ended without a word was last seen with its last event."""
        self._everywhere(UNWATCHED, wall if self._seen is None else min(wall, self._seen))
        self._everywhere("unknown", wall)

    def _everywhere(self, new: str, wall: float) -> None:
        for app, (state, at) in list(self._now.items()):
            if state != new:
                self._add(app, state, at, wall)
                self._now[app] = (new, max(at, wall))

    def _add(self, app: str, state: str, begin: float, end: float) -> None:
        self._sums[app][state] += max(0.0, min(end, self._until) - max(begin, self._since))

    def result(self, states: Mapping[str, str]) -> dict[str, dict[str, float]]:
        """Seconds by app and state. ``states``: how they stand at the end, for apps that did not change."""
        for app, (state, at) in self._now.items():
            self._add(app, state, at, self._until)
        for app, state in states.items():
            if app not in self._now:
                self._add(app, state, self._since, self._until)
        return {
            app: {state: round(seconds, 1) for state, seconds in sorted(sums.items()) if round(seconds, 1)}
            for app, sums in self._sums.items()
        }
