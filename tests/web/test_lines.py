"""Where the page's lines and its past deployments come from."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
from msgspec.structs import replace

from edged.ports import StorageError, StoredEvent
from edged.ports.history import MINUTE, Point, Series
from edged.report.web import past, trends
from edged.report.web.past import Deployments
from edged.report.web.recent import EVERY, Recent
from edged.report.web.trends import ENOUGH, SPAN, Trends
from edged.vocabulary.deployments import Deployment, Request

from .busy import WALL, busy
from .busy import past as rows

BEGIN = (int(WALL) - SPAN) // MINUTE * MINUTE


class History:
    """Minutes of ``detector``'s memory, the newest ``known`` ones."""

    def __init__(self, known: int) -> None:
        self.known, self.asked, self.broken = known, 0, False

    def rollups(
        self, since: float, until: float, *, subject: str = "", metric: str = "", step: int = 0
    ) -> list[Series]:
        assert (since, until, step) == (BEGIN, WALL, MINUTE) and metric
        self.asked += 1
        if self.broken:
            raise StorageError("no disk")
        last = SPAN // MINUTE - 1
        points = tuple(Point(BEGIN + MINUTE * n, 6, 1.0, float(n), 9.0, 5.0) for n in range(last - self.known, last))
        return [Series("detector", "memory", MINUTE, points)] if metric == "memory" else []


def memory(points: int = 5) -> Recent:
    recent, shot = Recent(), busy()
    for step in range(points):
        recent.take(replace(shot, now=shot.now + step * EVERY))
    return recent


def test_the_history_is_drawn_once_it_knows_enough() -> None:
    history = History(ENOUGH)
    line = Trends(memory(), history, lambda: WALL).line("detector", "memory")
    assert (len(line.values), line.span) == (SPAN // MINUTE, "last 3 hours")
    known = [value for value in line.values if math.isfinite(value)]
    assert known == [float(n) for n in range(SPAN // MINUTE - 1 - ENOUGH, SPAN // MINUTE - 1)]
    assert math.isnan(line.values[-1]) and math.isnan(line.values[0])


@pytest.mark.parametrize("history", [None, History(0), History(ENOUGH - 1)], ids=["none", "empty", "little"])
def test_until_then_what_is_in_memory(history: History | None) -> None:
    made = Trends(memory(), history, lambda: WALL)
    line = made.line("detector", "memory")
    assert (line.values, line.span) == ([40.0 * 2**20] * 5, "last 1 minute")
    assert made.line("nobody", "memory").values == []


def test_a_history_that_cannot_be_read_is_not_asked_all_the_time() -> None:
    history = History(ENOUGH)
    history.broken = True
    made = Trends(memory(), history, lambda: WALL)
    for _ in range(50):
        assert len(made.line("detector", "memory").values) == 5
    assert history.asked == 1


def test_it_is_read_once_a_minute_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(ENOUGH)
    made = Trends(memory(), history, lambda: WALL)
    for _ in range(50):
        made.line("detector", "memory")
    assert history.asked == len(trends.METRICS)
    monkeypatch.setattr(trends, "FRESH", 0.0)
    made.line("detector", "memory")
    assert history.asked == 2 * len(trends.METRICS)


def test_deployments_are_read_again_only_when_one_has_moved_on() -> None:
    asked: list[tuple[Any, ...]] = []

    def history(*question: Any) -> list[StoredEvent]:
        asked.append(question)
        return rows()

    made, shot = Deployments(history), busy()
    for _ in range(5):
        found, trouble = made.latest(shot)
        assert ([one["phase"] for one in found], trouble) == (
            ["failed", "committed", "refused", "rolled_back", "committed"],
            "",
        )
    assert asked == [(WALL - past.SINCE, ("deployment.changed",), past.MOST_EVENTS)]
    app = shot.state.apps["ocr"]
    begun = replace(app.kept, deployment=Deployment(request=Request(id="n", kind="model", source="x")))
    apps = shot.state.apps | {"ocr": replace(app, kept=begun)}
    made.latest(replace(shot, state=replace(shot.state, apps=apps)))
    assert len(asked) == 2


def test_rows_that_nobody_can_read_are_left_out() -> None:
    broken = [StoredEvent(9, 1, WALL, "event", data) for data in (b"", b"{", b"[1]", b'{"subject":1}')]
    odd = StoredEvent(10, 1, WALL, "event", b'{"subject":"a","time":"","data":{}}')
    found = past.fold([*rows(), *broken, odd])
    assert len(found) == 6 and found[0]["app"] == "a" and found[0]["phase"] == ""


def test_a_slow_medium_holds_up_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def history(*question: Any) -> list[StoredEvent]:
        assert go_on.wait(30.0)
        return rows()

    monkeypatch.setattr(past, "PATIENCE", 0.01)
    made, shot = Deployments(history), busy()
    assert made.latest(shot) == ((), "") == made.latest(shot)
    assert sum(thread.name == "edged-page" for thread in threading.enumerate()) == 1
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "edged-page":
            thread.join(30.0)
    assert len(made.latest(shot)[0]) == 5
