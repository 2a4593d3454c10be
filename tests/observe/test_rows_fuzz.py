"""A small run of ``scripts/fuzz inputs``; and its watch sees what it is there to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from edged.judge import inputs
from edged.judge.alerting import Reading, take
from edged.observe.input_rows import InputReader
from tests.fuzz import rows


def bars(count: int, seed: int) -> dict[str, bool]:
    return {figure.name.partition(": ")[2]: figure.met for figure in rows.run(count, seed)}


CRASHED, TOLD = "that crashed", "not told once as it began and once as it ended"


def test_two_thousand_hostile_inputs() -> None:
    met = bars(2000, 42)
    assert len(met) == 5 and all(met.values())


def test_the_watch_sees_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InputReader, "take", lambda self, job: 1 / 0)
    met = bars(60, 1)
    assert not met[CRASHED]


def test_the_watch_sees_what_is_told_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(alerts: Any, subject: str, readings: Mapping[str, Reading], *more: Any) -> Any:
        _, events = take({}, subject, readings, *more)
        return alerts, events

    monkeypatch.setattr(inputs, "take", forgetful)
    met = bars(300, 1)
    assert met[CRASHED] and not met[TOLD]


def test_the_watch_sees_what_is_told_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.judge.probes._about", lambda state, fact: None)
    assert not bars(300, 1)[TOLD]


def test_the_watch_sees_what_is_never_over(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = inputs._quality

    def bitter(*known: Any) -> Reading:
        found = quality(*known)
        return found if found.level is not None else Reading(level="warning", summary="still")

    monkeypatch.setattr(inputs, "_quality", bitter)
    assert not bars(1000, 1)[TOLD]
