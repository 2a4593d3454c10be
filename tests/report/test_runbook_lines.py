"""What runbooks do is said in the log, as loud as it is urgent."""

from __future__ import annotations

import pytest

from edged.report.journal import sentence, severity
from edged.vocabulary import events as ev
from edged.vocabulary.runbooks import Past

ABOUT = {"subject": "a", "alert": "AppDown"}
STEPS = (Past("capture", "done"), Past("start", "failed", "2 attempts did not help"))
CASES: list[tuple[ev.Event, str, str]] = [
    (
        ev.RunbookBegun(**ABOUT, runbook="AppDown", severity="critical", steps=("capture", "start")),
        "info",
        "a: runbook of AppDown begins: capture, start",
    ),
    (
        ev.RunbookStepEnded(**ABOUT, step="start", result="failed", reason="no", seconds=1.0),
        "warning",
        "a: runbook of AppDown: start failed: no",
    ),
    (
        ev.RunbookStepEnded(**ABOUT, step="capture", result="done", reason="", seconds=1.0),
        "info",
        "a: runbook of AppDown: capture done",
    ),
    (
        ev.RunbookHeld(**ABOUT, step="start", reason="in maintenance by ann"),
        "warning",
        "a: runbook of AppDown: start waits: in maintenance by ann",
    ),
    (ev.RunbookEscalated(**ABOUT, reason="hot"), "critical", "a: runbook of AppDown calls a person: hot"),
    (
        ev.RunbookExhausted(**ABOUT, reason="start failed"),
        "critical",
        "a: runbook of AppDown is at its end and did not help, a person is needed: start failed",
    ),
    (
        ev.RunbookEnded(**ABOUT, result="exhausted", steps=STEPS, seconds=9.0),
        "info",
        "a: runbook of AppDown is over (exhausted): capture done, start failed",
    ),
    (ev.RunbookEnded(**ABOUT, result="done", steps=(), seconds=9.0), "info", "a: runbook of AppDown is over (done)"),
]


@pytest.mark.parametrize(("event", "loud", "words"), CASES)
def test_it_is_said(event: ev.Event, loud: str, words: str) -> None:
    assert (severity(event), sentence(event)) == (loud, words)
