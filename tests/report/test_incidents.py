"""Incidents as others see them: retained topics, answers over the socket, metrics, Markdown, the terminal."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edged.cli import incidents as cli
from edged.ports import StoredEvent
from edged.report import incidents, retained
from edged.report.incident_markdown import report, update
from edged.report.journal import line
from edged.report.payloads import encode_event
from edged.report.snapshot import Snapshot
from edged.vocabulary import events as ev
from edged.vocabulary.incident_picture import picture
from tests.judge.incident_rig import WALL, Rig


def shot(rig: Rig) -> Snapshot:
    return Snapshot(rig.state, rig.config, rig.now, WALL + rig.now - 1000.0)


def stored(rig: Rig, *, wall: float = WALL) -> list[StoredEvent]:
    """What the history holds of incidents that were closed."""
    found = []
    for number, event in enumerate(e for e in rig.told if isinstance(e, ev.IncidentClosed)):
        payload = encode_event(number, 1, wall, event, device="d")
        found.append(StoredEvent(number, 1, wall, "event", payload))
    return found


def shown(rig: Rig) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(picture(rig.one, shot(rig).unix, rig.now)))
    return found


def test_the_retained_topic_follows_what_matters_and_is_cleared_at_the_end() -> None:
    rig = Rig(hold=1.0)
    empty = shot(rig)
    rig.up("AppDown", "other")
    opened = shot(rig)
    topic = f"incident/{rig.one.id}"
    card = json.loads(incidents.topics(empty, opened)[topic])
    assert card["severity"] == "P1" and card["opened"] == "2026-11-21T08:00:00.000Z" and "timeline" not in card
    assert retained.changes(empty, opened)[topic] == incidents.topics(empty, opened)[topic]
    rig.wait(0.5).feed(ev.RecoveryHeld(subject="other", ailment="AppDown", reason="maintenance"))
    assert incidents.topics(opened, shot(rig)) == {}, "a line more in its timeline is an event already"
    rig.feed(ev.AlertAcknowledged(subject="other", name="AppDown", severity="critical", by="ann"))
    assert json.loads(incidents.topics(opened, shot(rig))[topic])["acknowledged"]["by"] == "ann"
    last = shot(rig)
    rig.down("AppDown", "other").wait(2.0)
    assert incidents.topics(last, shot(rig)) == {topic: b""}


def test_past_ones_come_from_the_history_and_what_the_state_knows_better() -> None:
    rig = Rig(hold=1.0, reopen=0.0)
    for _ in range(40):
        rig.up("AppDown", "other").wait(10.0).down("AppDown", "other").wait(5.0)
    rig.up("DiskFull", "/data", "warning")
    rows = stored(rig)
    rows.insert(3, StoredEvent(99, 1, WALL, "event", b'{"data": {"of": "another version"}}'))
    rows.insert(5, StoredEvent(98, 1, WALL, "event", b"not JSON"))
    assert len(rig.state.incidents.closed) == 30, "the state forgets the oldest"
    known = incidents.known(shot(rig), rows)
    assert len(known) == 41 and next(iter(known)) == "INC-2026-11-21-001"
    listed = incidents.listed(shot(rig), rows, "1970")
    assert [i["id"] for i in listed["open"]] == ["INC-2026-11-21-041"] and len(listed["past"]) == 40
    assert "timeline" not in listed["past"][0]
    counts = listed["counts"]
    assert counts["incidents"] == 41 and counts["by_severity"] == {"P0": 0, "P1": 40, "P2": 1, "P3": 0}
    assert counts["by_cause"] == {"other": 40, "host": 1} and counts["mttr_seconds"] == 10.0
    later = incidents.listed(shot(rig), rows, "2026-11-21T08:09:00.000Z")
    assert 0 < len(later["past"]) < 10, "only those that were not over by then"


def test_drills_and_parts_of_others_do_not_count() -> None:
    rig = Rig(hold=1.0)
    rig.feed(ev.DrillStarted(subject="other", id="x", kind="kill", origin="ann")).up("AppDown", "other")
    rig.wait(30.0).down("AppDown", "other").wait(2.0)
    rig.up("Unhealthy", "detector").wait(1.0).up("AppDown", "base").wait(1.0)
    counts = incidents.listed(shot(rig), stored(rig), "1970")["counts"]
    assert counts["drills"] == 1 and counts["incidents"] == 1 and counts["mttr_seconds"] is None


@pytest.mark.parametrize(
    ("wanted", "number"), [("INC-2026-11-21-001", 1), ("001", 1), ("21-002", 1), ("1", 0), ("", 0)]
)
def test_the_end_of_an_id_is_enough(wanted: str, number: int) -> None:
    rig = Rig().up("AppDown", "other").up("ClockSkew", "host")
    assert len(incidents.find(incidents.known(shot(rig), []), wanted)) == number


def test_what_is_asked_for_over_the_socket() -> None:
    rig = Rig(hold=1.0).up("AppDown", "other").down("AppDown", "other").wait(2.0).up("ClockSkew", "host")
    rows, asked = stored(rig), list[float]()

    def history(since: float, types: tuple[str, ...], limit: int) -> list[StoredEvent]:
        asked.append(since)
        assert types == ("incident.closed",) and limit <= 1000
        return rows

    def ask(**query: str) -> tuple[dict[str, Any], int]:
        return incidents.answer(shot(rig), {name: [value] for name, value in query.items()}, history)

    found, code = ask(since="5")
    assert code == 200 and len(found["open"]) == 1 and len(found["past"]) == 1 and asked == [5.0]
    found, code = ask(id="002")
    assert code == 200 and found["alerts"][0]["name"] == "ClockSkew" and found["timeline"] and asked == [5.0, 0.0]
    assert ask(id="999")[1] == 404 and ask(id="nothing/else")[1] == 404 and ask(since="yesterday")[1] == 400
    assert ask(since="nan")[1] == 200 and "severity" in ask(rules="1")[0]


def test_times_of_what_is_over_stay_whatever_the_wall_clock_does() -> None:
    rig = Rig(hold=1.0).up("AppDown", "other").down("AppDown", "other").wait(2.0)
    (identity,) = rig.state.incidents.closed
    stepped = replace(shot(rig), wall=shot(rig).wall + 86400.0)
    assert incidents.known(stepped, [])[identity]["opened"] == "2026-11-21T08:00:00.000Z"


def test_each_severity_has_its_metric() -> None:
    rig = Rig().up("AppDown", "other").up("ClockSkew", "host", "warning")
    (family,) = incidents.families(shot(rig))
    assert {s.labels["severity"]: s.value for s in family.samples} == {"P0": 0.0, "P1": 1.0, "P2": 0.0, "P3": 1.0}


def test_the_rules_in_force_can_be_read() -> None:
    rules = incidents.rules(shot(Rig(severity={"AppDown": "P3"})))
    assert rules["severity"]["AppDown"] == {"warning": "P3", "critical": "P3", "why": "as configured"}
    assert rules["severity"]["EngineDown"]["critical"] == "P0" and rules["respond_seconds"]["P0"] == 900.0


def story() -> Rig:
    """With words that would like to be more than words."""
    rig = Rig()
    rig.feed(
        ev.DeploymentChanged(subject="other", id="d", kind="model", old="gating", new="committed", version="7")
    ).wait(60.0)
    rig.up("Unhealthy", "other").feed(
        ev.AppChanged(subject="other", old="healthy", new="unhealthy", reason="<img src=x> | **HTTP** 503\n# Title"),
        ev.ActionStarted(subject="other", action_id="a", action="RestartContainer", reason="Unhealthy", attempt=1),
    ).wait(10.0)
    rig.feed(
        ev.ActionEnded(subject="other", action_id="a", action="RestartContainer", ok=False, seconds=10.0, error="busy")
    )
    return rig


def test_the_report_and_the_update_are_filled_in_and_safe() -> None:
    found = shown(story())
    text = report(found)
    for part in ("## Summary", "## Impact", "## Detection", "## Timeline", "## Actions taken", "## Root cause"):
        assert f"\n{part}\n" in text
    assert "| Severity | P1 (high) |" in text and "Likely: deployment of model 7 to other: committed" in text
    assert "\\<img src=x\\> \\| \\*\\*HTTP\\*\\* 503 \\# Title" in text
    assert "<img" not in text.replace("\\<img", "") and "\n# Title" not in text
    rows = [row for row in text.splitlines() if row.startswith("| 20")]
    assert all(len(row.replace("\\|", "").split("|")) == 6 for row in rows) and len(rows) == len(found["timeline"])
    assert "RestartContainer other (Unhealthy): failed: busy" in text and "provisional" in text
    short = update(found)
    assert short.startswith("## Update on INC-2026-11-21-001 (P1, high): open") and len(short.splitlines()) < 20


def test_the_terminal_shows_all_of_it() -> None:
    rig = story()
    rig.feed(ev.NoteTaken(subject="other", text="\x1b[31mred\x07", by="ann"))
    text = "\n".join(cli.page(shown(rig)))
    for part in ("INC-2026-11-21-001", "likely", "RestartContainer begins, attempt 1", "unhealthy for", "fires"):
        assert part in text
    assert "\x1b" not in text and "\x07" not in text
    listed = "\n".join(cli.lines(incidents.cards(shot(rig)), "2026-11-21T08:02:00Z"))
    assert "acted on" in listed and "likely cause: deployment of model 7" in listed
    assert cli.lines([], None) == ["no open incidents"]


def test_each_event_has_a_sentence() -> None:
    rig = Rig(hold=1.0, respond=replace(Rig().config.incidents.respond, p1=5.0))
    rig.up("AppDown", "other").wait(10.0).up("EngineDown", "engine").down("AppDown", "other").down(
        "EngineDown", "engine"
    )
    rig.wait(2.0).up("AppDown", "other")
    said = [line(event, WALL, "plain", prefix=False) for event in rig.told]
    assert all(text.startswith("INC-2026-11-21-001") for text in said), said
    kinds = {type(event).__name__ for event in rig.told}
    assert kinds == {"IncidentOpened", "IncidentUpdated", "IncidentEscalated", "IncidentClosed", "IncidentReopened"}
