"""Recordings of the simulated world, made by the real recorder."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edged.adapters.flight_files import contents
from edged.adapters.flight_recorder import FlightRecorder
from edged.config import Config
from edged.config.model import Recording
from edged.judge import judge
from edged.judge.outcome import Judgement
from edged.vocabulary.facts import Fact, Started
from edged.vocabulary.state import State
from edged.witness import Turn
from tests.judge import world as simulated
from tests.judge.chaos import FAULTS, Chaos

WALL = 1_790_000_000.0


class Clock:
    def now(self) -> float:
        return 1000.0

    def wall(self) -> float:
        return WALL


def recorder(folder: Path, runtime: Path | None = None, boot: int = 1, **bounds: Any) -> FlightRecorder:
    return FlightRecorder(folder, runtime, Clock(), boot, lambda: Recording(**bounds), lambda: "sha256:0")


@contextmanager
def listening(heard: Callable[[float, Fact, Config, State, Judgement], None]) -> Iterator[None]:
    """Hears every fact that a simulated world gives to the judge, and what came of it."""

    def spy(state: State, fact: Fact, config: Config, now: float) -> Judgement:
        judged = judge(state, fact, config, now)
        heard(now, fact, config, state, judged)
        return judged

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "judge", spy)
        yield


def walk(steps: int = 30, seed: int = 3) -> list[tuple[float, Fact, Config, State, Judgement]]:
    """Everything that a device with random faults saw and decided."""
    heard: list[tuple[float, Fact, Config, State, Judgement]] = []
    with listening(lambda *turn: heard.append(turn)):
        chaos, rng = Chaos(seed), random.Random(seed)
        for _ in range(steps):
            chaos.step(rng.choice(FAULTS), rng.choice(("base", "mid", "top")), 5.0)
    return heard


def recorded(folder: Path, heard: list[tuple[float, Fact, Config, State, Judgement]]) -> list[tuple[str, bytes]]:
    """Each run of edged has a recorder of its own."""
    begins = [i for i, turn in enumerate(heard) if i and isinstance(turn[1], Started)]
    for boot, (first, end) in enumerate(pairwise([0, *begins, len(heard)]), 1):
        made = recorder(folder, boot=boot)
        made.begin()
        feed(made, heard[first:end])
        made.finish()
    return contents(folder, None)


def feed(made: FlightRecorder, heard: list[tuple[float, Fact, Config, State, Judgement]]) -> None:
    for now, fact, config, before, judged in heard:
        made.saw(Turn(now, fact, config, before, judged.state, judged.actions, judged.events))


def one_run(
    heard: list[tuple[float, Fact, Config, State, Judgement]],
) -> list[tuple[float, Fact, Config, State, Judgement]]:
    """Up to where edged was started anew."""
    again = (i for i, turn in enumerate(heard) if i and isinstance(turn[1], Started))
    return heard[: next(again, len(heard))]
