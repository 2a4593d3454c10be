"""What is told of the apps' logs: Prometheus and ``edged status``."""

from __future__ import annotations

from edged.cli.status import _log
from edged.config import App, Config
from edged.report.metrics import Counters, Vitals, render
from edged.report.snapshot import Snapshot
from edged.report.status import status
from edged.vocabulary.logs import LogBook, LogMark, LogMinute
from edged.vocabulary.state import AppState, State

MINUTE = LogMinute((LogMark(30.0, {"errors": 100}), LogMark(80.0, {"errors": 2, "auth": 1})), {"errors": ("one",)})


def shot(app: AppState, now: float = 100.0) -> Snapshot:
    books = {"a": LogBook(position="p", kept={"lines": 1}, totals={"lines": 500, "errors": 7, "skipped": 3})}
    return Snapshot(State(apps={"a": app}, logs=books), Config(), now=now, wall=1.7e9)


def test_prometheus() -> None:
    page = render(
        shot(AppState(name="a", config=App())), Counters(), Vitals(lambda: (0, 0), lambda: 0.0, dict)
    ).decode()
    assert [line for line in page.splitlines() if line.startswith("edged_log")] == [
        'edged_log_lines_total{app="a",kind="lines"} 500.0',
        'edged_log_lines_total{app="a",kind="errors"} 7.0',
        'edged_log_lines_total{app="a",kind="slow"} 0.0',
        'edged_log_lines_total{app="a",kind="auth"} 0.0',
        'edged_log_lines_total{app="a",kind="skipped"} 3.0',
    ]


def test_status() -> None:
    told = status(shot(AppState(name="a", config=App(), log=MINUTE)), {})["apps"]["a"]["logs"]
    assert told["last_minute"] == {"errors": 2, "slow": 0, "auth": 1} and told["samples"] == {"errors": ["one"]}
    assert told["totals"] == {"lines": 500, "errors": 7, "slow": 0, "auth": 0, "skipped": 3}
    assert _log(told) == "log lines in a minute: 2 errors, 1 auth"


def test_later_it_is_quiet() -> None:
    told = status(shot(AppState(name="a", config=App(), log=MINUTE), now=500.0), {})["apps"]["a"]["logs"]
    assert told["samples"] == {} and not any(told["last_minute"].values()) and _log(told) == ""


def test_logs_that_are_not_read() -> None:
    for app in (AppState(name="a", config=App(), discovered=True), AppState(name="a", config=App(logs="off"))):
        seen = shot(app)
        assert status(seen, {})["apps"]["a"]["logs"] is None
        page = render(seen, Counters(), Vitals(lambda: (0, 0), lambda: 0.0, dict)).decode()
        assert "edged_log_lines_total{" not in page
    assert _log(None) == ""
