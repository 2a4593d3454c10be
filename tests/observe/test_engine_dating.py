"""When something happened, as a judge is told: an engine tells late what it did before it answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from edged.observe.engine import EngineWatcher
from edged.ports import Containers
from edged.vocabulary.facts import ContainerChanged, Fact

WALL = 1_700_000_000.0


class StoppedClock:
    """``passed`` seconds after the start, by both clocks."""

    passed = 0.0

    def now(self) -> float:
        return 50.0 + self.passed

    def wall(self) -> float:
        return WALL + self.passed


class Stream:
    """An event stream as (seconds at which it comes, its time), or only the seconds of its acceptance."""

    def __init__(self, clock: StoppedClock, script: list[tuple[float, float | None]]) -> None:
        self._clock, self._script = clock, script

    def events(self, since: float, at: Callable[[], float]) -> Iterator[ContainerChanged | None]:
        for comes, happened in self._script:
            self._clock.passed = comes
            yield (
                None
                if happened is None
                else ContainerChanged(at=at(), id="c", name="app", action="stop", time=WALL + happened)
            )


def told(*script: tuple[float, float | None]) -> list[float]:
    """Seconds after the start at which each is said to have happened."""
    clock, facts = StoppedClock(), list[Fact]()
    watcher = EngineWatcher(cast(Containers, Stream(clock, list(script))), clock, facts.append, 30.0)
    watcher._first = watcher._last = watcher._began = WALL
    assert watcher._read() is False
    return [round(fact.at - 50.0, 3) for fact in facts]


def test_what_it_did_before_it_answered_is_dated_then_however_short_that_is_ago() -> None:
    # Asked at 0, while the engine still stops what it found; answered at 0.6; read on a busy machine at 0.9.
    assert told((0.6, None), (0.9, 0.4)) == [0.4]


def test_what_happens_while_the_stream_stands_is_news() -> None:
    assert told((0.6, None), (0.9, 0.8), (5.2, 5.1)) == [0.9, 5.2]


def test_after_a_silence_everything_is_news() -> None:
    assert told((0.6, None), (0.7, None), (0.9, 0.4)) == [0.9]
