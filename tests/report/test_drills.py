"""What is told of drills and of runbooks: status and Prometheus."""

from __future__ import annotations

from edged.config import App, Config
from edged.report.metrics import Counters, Vitals, render
from edged.report.snapshot import Snapshot
from edged.report.status import status
from edged.vocabulary.drills import Drill, Drilled
from edged.vocabulary.events import RunbookBegun, RunbookEnded, RunbookStepEnded
from edged.vocabulary.runbooks import Past, Run
from edged.vocabulary.state import AppState, Kept, State

PAST = {"kill": Drilled(40.0, True, 0.01, 1.5), "hang": Drilled(50.0, False, code="not_detected")}
RUN = Run(alert="HighMemory", subject="a", severity="warning", book="", began=90.0)
OVER = Run(alert="AppDown", subject="b", severity="critical", book="", began=90.0, over=True)


def shot() -> Snapshot:
    now = Drill(id="d", kind="oom", origin="edged", phase="detecting", began=99.0, deadline=200.0)
    apps = {
        "a": AppState(name="a", config=App(), kept=Kept(drilled=PAST, drill=now)),
        "b": AppState(name="b", config=App()),
    }
    runs = {"HighMemory/a": RUN, "AppDown/b": OVER}
    return Snapshot(State(apps=apps, runs=runs), Config(), now=100.0, wall=1.7e9)


def page(counters: Counters) -> str:
    return render(shot(), counters, Vitals(lambda: (0, 0), lambda: 0.0, dict)).decode()


def test_status() -> None:
    told = status(shot(), {})
    a, b = told["apps"]["a"], told["apps"]["b"]
    assert a["drill"] == {"kind": "oom", "phase": "detecting"} and b["drill"] is None and b["drills"] == {}
    assert a["drills"]["kill"] == {
        "time": "2023-11-14T22:12:20.000Z", "ok": True, "detection_seconds": 0.01, "recovery_seconds": 1.5, "code": "",
    }  # fmt: skip
    assert a["drills"]["hang"]["code"] == "not_detected" and a["drills"]["hang"]["recovery_seconds"] is None
    (run,) = told["runbooks"]
    assert (run["alert"], run["subject"], run["since"]) == ("HighMemory", "a", "2023-11-14T22:13:10.000Z")
    assert run["step"] and run["past"] == []


def test_drills_in_prometheus() -> None:
    text = page(Counters())
    for line in (
        'edged_drill_running{app="a"} 1.0', 'edged_drill_running{app="b"} 0.0',
        'edged_drill_ok{app="a",kind="kill"} 1.0', 'edged_drill_ok{app="a",kind="hang"} 0.0',
        'edged_drill_detection_seconds{app="a",kind="kill"} 0.01',
        'edged_drill_recovery_seconds{app="a",kind="kill"} 1.5',
        'edged_drill_timestamp_seconds{app="a",kind="kill"} 1.69999994e+09',
    ):  # fmt: skip
        assert line + "\n" in text, line
    assert 'recovery_seconds{app="a",kind="hang"}' not in text and 'kind="kill",app="b"' not in text


def test_runbooks_in_prometheus() -> None:
    counters, about = Counters(), {"subject": "a", "alert": "AppDown"}
    counters.count(RunbookBegun(**about, runbook="AppDown", severity="critical", steps=("capture", "restart")))
    text = page(counters)
    assert 'edged_runbook_begun_total{alert="AppDown"} 1.0' in text
    assert 'edged_runbook_ended_total{alert="AppDown",result="exhausted"} 0.0' in text
    assert 'edged_runbook_running{alert="HighMemory",subject="a"} 1.0' in text and 'alert="AppDown",subject' not in text
    counters.count(RunbookStepEnded(**about, step="restart", result="failed", reason="no", seconds=1.0))
    steps = (Past("capture", "skipped"), Past("restart", "failed"))
    counters.count(RunbookEnded(**about, result="exhausted", steps=steps, seconds=2.0))
    text = page(counters)
    assert 'edged_runbook_ended_total{alert="AppDown",result="exhausted"} 1.0' in text
    assert 'edged_runbook_ended_total{alert="AppDown",result="cleared"} 0.0' in text
    assert 'edged_runbook_steps_total{result="skipped",step="capture"} 1.0' in text
    assert 'edged_runbook_steps_total{result="failed",step="restart"} 1.0' in text
