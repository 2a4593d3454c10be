"""Every event has a sentence of its own, and both styles carry it."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from edged.report import journal
from edged.vocabulary import events as ev
from edged.vocabulary.drift import DriftFeature
from edged.vocabulary.runbooks import Past

FILL: dict[str, Any] = {
    "severity": "critical",
    "old": "warning",
    "new": "healthy",
    "status": "succeeded",
    "by": "edged",
    "kind": "kill",
    "state": "undone",
    "change": "added",
    "what": "severity",
    "why": "respond",
    "verdict": "attention",
    "top": (DriftFeature(name="f", direction="up", why="w", psi=1.0, before=(0.5, 0.5), after=(0.1, 0.9)),),
}


def example(kind: type[ev.Event]) -> ev.Event:
    """An event with something in each field."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        values[field.name] = FILL.get(field.name) or {
            "str": f"<{field.name}>",
            "int": 7,
            "float": 3.5,
            "bool": True,
        }.get(getattr(field.type, "__name__", ""), ("one",) if "tuple" in str(field.type) else None)
        if "Past" in str(field.type):
            values[field.name] = (Past(step="start", result="done"),)
        if values[field.name] is None and get_origin(field.type) is Literal:
            values[field.name] = get_args(field.type)[0]
        if values[field.name] is None:
            del values[field.name]
    return kind(**values)


@pytest.mark.parametrize("kind", get_args(ev.AnyEvent), ids=lambda kind: kind.__name__)
def test_every_event_has_its_own_sentence(kind: type[ev.Event]) -> None:
    event = example(kind)
    text = journal.sentence(event)
    assert text != f"{event.subject}: {event.type}" and "\n" not in text
    assert journal.severity(event) in journal.PRIORITY


def test_styles() -> None:
    event = ev.AlertRaised(subject="app", name="AppDown", severity="critical", summary="app is down", advice="look")
    assert journal.line(event, 0.0, "plain", prefix=False) == "ALERT AppDown app (critical): app is down. Next: look"
    assert journal.line(event, 0.0, "plain", prefix=True).startswith("<3>ALERT")
    told = json.loads(journal.line(event, 0.0, "json", prefix=False))
    assert (told["event"], told["level"], told["data"]["name"]) == ("alert.raised", "critical", "AppDown")
    assert told["time"] == "1970-01-01T00:00:00.000Z"


def test_a_line_is_one_line_whatever_the_world_says() -> None:
    event = ev.CheckBroken(subject="app", check="probe", error="evil\nALERT fake\x1b[31m", broken=True)
    assert "\n" not in journal.line(event, 0.0, "plain", prefix=False)
    assert "\x1b" not in journal.line(event, 0.0, "plain", prefix=False)
