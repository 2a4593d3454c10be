"""A small run of ``scripts/fuzz metrics``; and its watch sees what it is there to see."""

from __future__ import annotations

import pytest

from edged.observe.exposition import Page
from tests.fuzz import metrics


def bars(count: int, seed: int) -> dict[str, bool]:
    return {figure.name.partition(": ")[2]: figure.met for figure in metrics.run(count, seed)}


CRASHED, UNSAID = "pages that crashed", "bad pages not told once, or figures that cannot be"


def test_two_thousand_hostile_pages() -> None:
    met = bars(2000, 42)
    assert len(met) == 4 and all(met.values())


def test_the_watch_sees_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Page.feed

    def careless(page: Page, piece: bytes) -> None:
        if b"NaN" in piece:
            raise ZeroDivisionError
        feed(page, piece)

    monkeypatch.setattr(Page, "feed", careless)
    met = bars(200, 1)
    assert not met[CRASHED] and met[UNSAID]


def test_the_watch_sees_figures_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.judge.inference.quantile", lambda *_: float("nan"))
    met = bars(200, 1)
    assert met[CRASHED] and not met[UNSAID]


def test_the_watch_sees_what_is_said_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.judge.probes._about", lambda state, fact: None)
    met = bars(200, 1)
    assert met[CRASHED] and not met[UNSAID]
