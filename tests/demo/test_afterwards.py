"""What the demo shows of incidents and the report is held against what the console heard."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edged.demo import afterwards
from edged.demo.events import Told
from edged.demo.settings import APP
from edged.demo.stage import Stage
from edged.demo.timeline import Timeline
from edged.demo.verdict import Outcome

RAISED = Told("alert.raised", APP, 0.0, 1, {"name": "AppDown"})
RESTARTED = Told("action.started", APP, 0.1, 2, {"action": "StartContainer"})
LOOKED = Told("action.started", APP, 0.1, 3, {"action": "CaptureEvidence"})
ROLLED_BACK = Told("deployment.changed", APP, 0.2, 4, {"new": "rolled_back"})
TOLD = (RAISED, RESTARTED, LOOKED, ROLLED_BACK)
INCIDENT: dict[str, Any] = {"id": "INC-1", "merged_into": "", "alerts": [{"name": "AppDown", "subject": APP}]}
REVIEW: dict[str, Any] = {
    "verdict": "attention",
    "apps": {APP: {"restarts": 1}},
    "deployments": [{"new": "rolled_back"}],
    "events": {"missing": []},
}
PAGE = "INC-1  P1  open\n\nalerts\n  x\n\ntimeline\n" + "\n".join(f"  line {n}" for n in range(30))
REPORT = "demo-box: 1h\nATTENTION: 1 thing to look at\n\nFINDINGS\n\n  level  about\n  attention  x\n\nAPPS\n\n  app\n"


class Console:
    def __init__(self, events: Sequence[Told]) -> None:
        self.events = list(events)


class Edged:
    """Answers the verbs."""

    def __init__(self, incidents: list[dict[str, Any]], review: dict[str, Any], code: int) -> None:
        self._code = code
        self._answers = {"incidents": {"open": incidents, "past": []}, "report": review}

    def command(self, *words: str) -> tuple[int, str]:
        if words == ("incidents", "INC-1"):
            return 0, PAGE
        code = self._code if words[0] == "report" else 0
        shown = REPORT if words[0] == "report" else "no open incidents"
        return code, json.dumps(self._answers[words[0]]) if "json" in words[-1] else shown


def account(
    incidents: Sequence[dict[str, Any]] = (INCIDENT,), code: int = 1, **review: Any
) -> tuple[list[Outcome], str]:
    """``review``: what the report says otherwise."""
    out = io.StringIO()
    stage = SimpleNamespace(
        timeline=Timeline(out),
        folder=Path("/none"),
        console=Console(TOLD),
        edged=Edged(list(incidents), REVIEW | review, code),
    )
    return afterwards.account(cast(Stage, stage)), out.getvalue()


def test_what_is_true_is_shown_in_few_lines() -> None:
    outcomes, shown = account()
    assert [(one.name, one.failures) for one in outcomes] == [("incidents", ()), ("report", ())]
    assert "line 9\n" in shown and "line 10\n" not in shown and "… and 20 more" in shown
    assert "ATTENTION: 1 thing to look at" in shown and "attention  x" in shown and "APPS" not in shown
    assert "1 restarts, deployments 1 rolled back; no event is missing" in shown


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"incidents": [INCIDENT | {"alerts": []}]}, "in no incident: AppDown of detector"),
        ({"incidents": [INCIDENT | {"merged_into": "INC-0"}]}, "no incident of detector"),
        ({"apps": {APP: {"restarts": 2}}}, "it counts {'restarts': 2"),
        ({"deployments": []}, "the console heard of {'restarts': 1, 'deployments': {'rolled_back': 1}"),
        ({"events": {"missing": [[3, 4]]}}, "'missing': [[3, 4]]"),
        ({"verdict": "ok"}, "do not fit its verdict ok"),
        ({"code": 0}, "exit codes 0 and 0 do not fit"),
        ({"code": 4}, "edged report --json ended with 4"),
    ],
)
def test_what_is_not_true_fails(changed: dict[str, Any], why: str) -> None:
    outcomes, shown = account(**changed)
    assert why in "; ".join(failure for one in outcomes for failure in one.failures), shown
