"""Reviews of a short time and of a new device, and how they look on a terminal."""

from __future__ import annotations

from msgspec.structs import replace

from edged.ports.history import HOUR, MINUTE, Point, Series
from edged.review.build import review
from edged.review.document import Chart, Table, document
from edged.review.material import told
from edged.review.plain import text
from edged.vocabulary import events as ev

from .maker import APP, BEGIN, COUNTS, END, HOURS, STATUS, WEEK, amount, gauge, log, material


def test_an_app_that_has_just_started_is_no_finding() -> None:
    starting = (*HOURS[:6], amount("detector", "state.starting", 0.1), *HOURS[7:])
    made = review(material(hours=starting))
    assert made["apps"]["detector"]["availability"] == 0.0 and made["verdict"] == "ok"


def test_a_short_time_is_told_by_its_own_events_and_minutes() -> None:
    """Hours at its edges would tell of other times, and an hour is too short for a trend."""
    ended = ev.ActionEnded(subject="detector", action="RestartContainer", action_id="a", ok=True, seconds=1.0)
    events = log((WEEK - 5000.0, ended), (WEEK - 1800.0, ended))
    happened = told(events, END - HOUR, END, {"detector": "healthy"})
    minutes = tuple(Point(int(END) - HOUR + m * MINUTE, 1, v, v, v, v) for m in range(60) for v in [0.1 + 0.001 * m])
    restarts = Series("detector", "restarts", HOUR, (Point(int(END) - 2 * HOUR, 1, 2.0, 2.0, 2.0, 2.0),))
    down = Series("detector", "state.down", HOUR, (Point(int(END) - 2 * HOUR, 1, 900.0, 900.0, 900.0, 900.0),))
    latency = Series("detector", "latency", MINUTE, tuple(replace(p, mean=0.3) for p in minutes))
    growing = Series("detector", "memory.share", MINUTE, minutes)
    made = review(material(since=END - HOUR, told=happened, hours=(restarts, down, growing, latency)))
    app = made["apps"]["detector"]
    assert (app["restarts"], app["availability"], app["traffic"]["hours_over_budget"]) == (1, 1.0, 1.0)
    assert app["resources"]["memory.share"]["trend"] is None


def test_a_new_device_says_since_when_it_knows() -> None:
    started = ev.EdgedStarted(subject="edged", boot=1, version="1", previous_end="first", host_rebooted=False)
    happened = told(log((WEEK - 60.0, started)), BEGIN, END, {})
    made = review(material(told=happened, oldest=(1, "2027-01-15T07:59:00.000Z")))
    assert "nothing needs attention (edged has been here since 2027-01-15 07:59 only)" in text(document(made))
    trimmed = review(material(oldest=(900, "2027-01-14T00:00:00.000Z")))
    assert "nothing needs attention (known from 2027-01-14 00:00 on)" in text(document(trimmed))
    assert "Starts: 1 (the first)." in text(document(made))
    known = review(material(oldest=(900, "2026-12-01T00:00:00.000Z")))
    assert text(document(known)).splitlines()[1] == "OK: nothing needs attention"


def test_of_many_apps_the_worst_is_first() -> None:
    """A table ends after a while: what it leaves out is what is well."""
    apps = {f"a{n:02}": APP for n in range(50)} | {"sick": APP | {"state": "down", "container": {"name": "sick-1"}}}
    calm = tuple(gauge(name, "memory.share", 0.1) for name in apps)
    hours = (*calm, gauge("sick", "cpu.share", 0.97), gauge("host", "disk.share:/", 0.5, per_day=0.02))
    page = document(review(material(status=STATUS | {"apps": apps}, hours=hours)))
    tables = {section.title: [part for part in section.parts if isinstance(part, Table)] for section in page.sections}
    charts = [part.title for section in page.sections for part in section.parts if isinstance(part, Chart)]
    assert tables["Apps"][0].rows[0][0] == "sick" and tables["Apps"][0].left_out == 22
    shown = [row[:2] for row in tables["Resources and forecast"][0].rows]
    assert shown[:2] == [("host", "disk.share:/"), ("sick", "cpu.share")] and len(shown) == 30
    assert charts[:2] == ["host: disk.share:/", "sick: cpu.share"] and len(charts) == 12
    assert any("docker logs sick-1" in row[3] for row in tables["Findings"][0].rows)


def test_there_is_no_log_of_a_container_that_is_missing() -> None:
    gone = APP | {"state": "missing", "reason": "there is no such container", "container": None}
    (found,) = review(material(status=STATUS | {"apps": {"detector": gone}}))["findings"]
    assert found["do"] == "edged status; docker ps -a"


def test_wide_tables_are_folded_for_a_terminal() -> None:
    long = APP | {"state": "down", "reason": "word " * 60}
    shown = text(document(review(material(status=STATUS | {"apps": {"detector": long}})))).splitlines()
    assert max(map(len, shown)) <= 120 and sum("docker logs detector" in line for line in shown) == 1


def test_an_incident_that_only_waits_to_be_closed_says_so() -> None:
    opened = {"id": "INC-1", "severity": "P1", "title": "down", "cause": "detector", "opened": "2027-01-01T00:00:00Z",
              "seconds": 60.0, "drill": False}  # fmt: skip
    for state, words in (("restored", "is open, all its alerts are clear: down"), ("open", "is open: down")):
        found = {"open": [opened | {"state": state}], "past": [], "counts": COUNTS | {"incidents": 1}}
        made = review(material(incidents=found))
        assert [one["text"] for one in made["findings"]] == [f"INC-1 (P1) {words}"]
        assert "1 incident: none." in text(document(made))
