"""Incidents by example: what joins what, how bad it is, and what time brings."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edged.config.incidents import ByLevel
from edged.vocabulary.events import (
    ActionEnded,
    ActionStarted,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    IncidentReopened,
    IncidentUpdated,
    RecoveryGaveUp,
    RunbookExhausted,
)

from .incident_rig import Rig


def test_one_alert_one_incident_from_the_first_sign_to_the_end() -> None:
    rig = Rig().up("AppDown", "other", warn_since=993.0)
    opened = rig.one
    assert opened.id == "INC-2026-11-21-001" and opened.severity == "P1" and opened.cause == "other"
    assert opened.began_at == 993.0 and rig.events(IncidentOpened)[0].detected_after == 7.0
    rig.wait(60.0).down("AppDown", "other")
    assert rig.one.restored_at == rig.now
    rig.wait(299.0)
    assert rig.open
    rig.wait(1.0)
    assert not rig.open
    closed = rig.events(IncidentClosed)[0]
    assert closed.seconds == 67.0
    assert closed.record["began"] == "2026-11-21T07:59:53.000Z" and closed.record["resolve_seconds"] == 67.0
    assert [line["kind"] for line in closed.record["timeline"]] == ["sign", "detected", "cleared", "restored", "closed"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("AppDown", "detector"), ("HighMemory", "detector")),
        (("EngineDown", "engine"), ("AppDown", "other")),
        (("DependencyDown", "broker"), ("Unhealthy", "detector")),
        (("AppDown", "base"), ("Unhealthy", "detector")),
        (("HighMemory", "host"), ("OomKilled", "other")),
        (("DiskFull", "/data"), ("StorageFailing", "host")),
        (("DataDrift", "detector"), ("DataQuality", "detector")),
    ],
)
def test_alerts_of_one_cause_join(first: tuple[str, str], second: tuple[str, str]) -> None:
    rig = Rig().up(*first).wait(20.0).up(*second)
    assert [(a.name, a.subject) for a in rig.one.alerts] == [first, second]
    assert rig.one.cause == ("host" if first[1] == "/data" else first[1])
    assert len(rig.events(IncidentUpdated, what="alert")) == 1


@pytest.mark.parametrize(
    ("sign", "root"),
    [
        (("Unhealthy", "detector"), ("DependencyDown", "broker")),
        (("Unhealthy", "detector"), ("AppDown", "base")),
        (("AppDown", "other"), ("EngineDown", "engine")),
        (("HighInferenceLatency", "other"), ("HostHot", "host")),
    ],
)
def test_a_cause_that_is_found_later_takes_over_what_it_led_to(sign: tuple[str, str], root: tuple[str, str]) -> None:
    rig = Rig().up(*sign).wait(30.0).up(*root)
    assert rig.one.id.endswith("-001")
    assert (rig.one.cause, rig.one.title) == (root[1] if root[1] != "base" else "detector", rig.one.title)
    late = Rig().up(*sign, severity="warning").wait(1000.0).up(*root)
    assert len(late.open) == 2, "what came so much earlier has another cause"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("AppDown", "detector"), ("AppDown", "other")),
        (("DependencyDown", "broker"), ("AppDown", "other")),
        (("DependencyDown", "broker"), ("HighMemory", "detector")),
        (("DataDrift", "detector"), ("AppDown", "detector")),
        (("DiskFull", "/"), ("HighInferenceLatency", "other")),
        (("ClockSkew", "host"), ("AppDown", "other")),
        (("HighCpu", "host"), ("DiskFull", "/")),
    ],
)
def test_alerts_of_different_causes_do_not(first: tuple[str, str], second: tuple[str, str]) -> None:
    rig = Rig().up(*first).wait(20.0).up(*second)
    assert len(rig.open) == 2
    rig.holds()


def test_a_kill_for_want_of_memory_explains_what_came_with_it_alone() -> None:
    """Its alert is shown for minutes; it was a moment."""
    killed = ("OomKilled", "host", "warning")
    assert len(Rig().up("Unhealthy", "other").wait(20.0).up(*killed).open) == 1
    assert len(Rig().up("Unhealthy", "other").wait(40.0).up(*killed).open) == 2
    assert len(Rig().up(*killed).wait(20.0).up("Unhealthy", "other").open) == 1
    assert len(Rig().up(*killed).wait(40.0).up("Unhealthy", "other").open) == 2
    assert len(Rig().up(*killed).wait(40.0).up("Unhealthy", "other", warn_since=1020.0).open) == 1


def test_what_the_engine_took_down_is_seen_when_it_is_back_and_belongs_to_its_outage() -> None:
    rig = Rig().up("EngineDown", "engine").wait(100.0).down("EngineDown", "engine").wait(1.0)
    rig.up("AppDown", "other", warn_since=1001.0)
    assert [(a.name, a.subject) for a in rig.one.alerts] == [("EngineDown", "engine"), ("AppDown", "other")]
    assert rig.one.restored_at is None
    rig.wait(60.0).up("AppDown", "base")
    assert len(rig.open) == 2, "that began later"


def test_two_incidents_that_turn_out_to_be_one_are_merged() -> None:
    rig = Rig(hold=10.0).up("Unhealthy", "detector").wait(5.0).up("AppDown", "base")
    assert len(rig.open) == 1, "the detector needs the base"
    rig = Rig(hold=10.0).up("Unhealthy", "detector").wait(5.0).up("AppDown", "other").wait(5.0)
    first, second = rig.open
    rig.up("EngineDown", "engine")
    assert rig.one.id == first.id and rig.one.merged == (second.id,) and rig.one.severity == "P0"
    assert {a.subject for a in rig.one.alerts} == {"detector", "other", "engine"}
    gone = rig.events(IncidentClosed)[0]
    assert (gone.incident, gone.merged_into) == (second.id, first.id)
    assert rig.closed(second.id).merged_into == first.id
    rig.holds()


def test_what_stands_for_long_does_not_swallow_what_comes() -> None:
    """An app that is throttled for weeks has other troubles, too."""
    rig = Rig(hold=10.0).up("CpuThrottled", "other", "warning").wait(86400.0).up("AppDown", "other")
    old, new = rig.open
    assert [a.name for a in old.alerts] == ["CpuThrottled"] and [a.name for a in new.alerts] == ["AppDown"]
    rig.down("AppDown", "other").wait(11.0)
    assert rig.one.id == old.id and rig.one.severity == "P3"


def test_an_alert_belongs_to_one_open_incident_only() -> None:
    rig = Rig().up("CpuThrottled", "other", "warning").wait(60.0).up("AppDown", "other").wait(60.0)
    assert len(rig.open) == 1
    rig.down("AppDown", "other").wait(7200.0).up("AppDown", "other")
    old, new = rig.open
    assert [a.name for a in old.alerts] == ["CpuThrottled"] and [a.name for a in new.alerts] == ["AppDown"]
    rig.holds()


def test_severity_by_rules_and_by_what_the_app_is() -> None:
    assert Rig().up("AppDown", "other").one.severity == "P1"
    assert Rig().up("AppDown", "detector").one.severity == "P0", "it is essential"
    assert Rig().up("HighMemory", "detector", "warning").one.severity == "P3", "a warning is not"
    assert Rig(severity={"AppDown": "P3"}).up("AppDown", "other").one.severity == "P3"
    by_level = {"HighMemory": ByLevel(critical="P0")}
    assert Rig(severity=by_level).up("HighMemory", "other").one.severity == "P0"
    assert Rig(severity=by_level).up("HighMemory", "other", "warning").one.severity == "P3"
    assert Rig(essential=-1).up("AppDown", "detector").one.severity == "P1"


def test_it_gets_worse_and_never_better_and_the_promise_with_it() -> None:
    rig = Rig().up("HighMemory", "other", "warning")
    assert rig.one.respond_by == rig.now + 86400.0
    rig.wait(600.0).change("HighMemory", "other", "critical")
    assert rig.one.severity == "P1" and rig.one.respond_by == rig.now + 3600.0
    assert rig.events(IncidentUpdated, what="severity")[0].text == "P3 → P1"
    rig.wait(60.0).change("HighMemory", "other", "warning")
    assert rig.one.severity == "P1"


def test_nobody_responds_and_nothing_is_resolved() -> None:
    rig = Rig().up("EngineDown", "engine").wait(899.0)
    assert not rig.events(IncidentEscalated)
    rig.wait(1.0)
    assert [e.why for e in rig.events(IncidentEscalated)] == ["respond"]
    rig.wait(7200.0)
    assert [e.why for e in rig.events(IncidentEscalated)] == ["respond", "resolve"]
    rig.wait(10 * 86400.0)
    assert len(rig.events(IncidentEscalated)) == 2 and len(rig.one.escalated) == 2


def test_whoever_acts_has_responded() -> None:
    begins = ActionStarted(subject="other", action_id="a1", action="StartContainer", reason="it is down", attempt=1)
    ends = ActionEnded(subject="other", action_id="a1", action="StartContainer", ok=False, seconds=2.0, error="no room")
    rig = Rig().up("AppDown", "other").feed(begins).wait(2.0).feed(ends)
    deed = rig.one.actions[0]
    assert (deed.action, deed.ok, deed.seconds, deed.error) == ("StartContainer", False, 2.0, "no room")
    assert rig.one.responded_at == 1000.0
    rig.wait(4000.0)
    assert not rig.events(IncidentEscalated)


def test_it_escalates_when_edged_is_at_its_end() -> None:
    rig = Rig().up("AppDown", "other")
    rig.feed(RecoveryGaveUp(subject="other", ailment="AppDown", attempts=5, retry_in=1800.0))
    rig.feed(RunbookExhausted(subject="other", alert="AppDown", reason="5 attempts did not help"))
    assert [e.why for e in rig.events(IncidentEscalated)] == ["recovery"], "that is one and the same"
    rig.wait(100.0).feed(RunbookExhausted(subject="other", alert="AppDown", reason="all steps were taken"))
    rig.feed(RunbookExhausted(subject="other", alert="AppDown", reason="once more"))
    assert [e.why for e in rig.events(IncidentEscalated)] == ["recovery", "runbook"]


def test_a_run_without_memory_gives_no_number_of_that_day_again() -> None:
    rig = Rig()
    rig.state = replace(rig.state, boot=3, previous_end="first")
    assert rig.up("AppDown", "other").one.id.endswith("-201")
    assert [i.id[-3:] for i in rig.up("DataDrift", "base").open] == ["201", "202"]
    rig.down("AppDown", "other").down("DataDrift", "base").wait(2 * 86400.0)
    assert rig.up("AppDown", "other").one.id.endswith("-001"), "another day"


def test_it_is_opened_again_when_the_same_returns_soon() -> None:
    rig = Rig(hold=10.0).up("AppDown", "other").down("AppDown", "other").wait(11.0)
    name = rig.events(IncidentOpened)[0].incident
    assert not rig.open
    rig.wait(800.0).up("AppDown", "other")
    assert rig.one.id == name and rig.one.reopened == 1 and rig.one.closed_at is None
    assert rig.events(IncidentReopened)[0].alert == "AppDown/other"
    assert rig.one.alerts[0].times == 2
    rig.down("AppDown", "other").wait(11.0 + 901.0).up("AppDown", "other")
    assert rig.one.id != name, "that is too long ago"
    assert any(name in hint for hint in rig.one.hints), "but it is told"
