"""The past in numbers over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.ports import Request, StorageError
from edged.ports.history import HOUR, MINUTE, Point, Series
from edged.report.past import rollups

SERIES = Series("a", "memory", MINUTE, (Point(60, 2, 1.0, 1.5, 2.0, 2.0),))


class Past:
    def __init__(self, error: str = "") -> None:
        self.error = error
        self.asked: dict[str, Any] = {}

    def rollups(self, since: float, until: float, **more: Any) -> list[Series]:
        if self.error:
            raise StorageError(self.error)
        self.asked = {"since": since, "until": until, **more}
        return [SERIES]


def ask(past: Past, **query: str) -> tuple[int, Any]:
    request = Request("/v1/rollups", {key: [value] for key, value in query.items()}, b"", "test")
    response = rollups(past, request)
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    return response.status, json.loads(body)


def test_series_with_their_points() -> None:
    past = Past()
    code, told = ask(past, since="60", until="120", subject="a", metric="memory", step="60")
    assert code == 200
    assert told == [{"subject": "a", "metric": "memory", "step": 60, "points": [[60, 2, 1.0, 1.5, 2.0, 2.0]]}]
    assert past.asked == {"since": 60.0, "until": 120.0, "subject": "a", "metric": "memory", "step": MINUTE}


def test_without_a_question_it_is_all_hours() -> None:
    past = Past()
    assert ask(past)[0] == 200
    assert past.asked["since"] == 0.0 and past.asked["step"] == HOUR and past.asked["subject"] == ""


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"step": "7"}, {"step": "x"}, {"until": ""}])
def test_what_is_wrong_is_said(query: dict[str, str]) -> None:
    code, told = ask(Past(), **query)
    assert code == 400 and "must be" in told["error"]


def test_a_disk_that_cannot_be_read_is_told() -> None:
    assert ask(Past("the disk is gone")) == (503, {"error": "the disk is gone"})
