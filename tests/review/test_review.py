"""What a week comes to, and what of it needs attention."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from edged.review.build import review
from edged.review.document import document, percent
from edged.review.html import html
from edged.review.plain import markdown, text
from edged.vocabulary import events as ev
from edged.vocabulary.drills import DrillEnded

from .maker import APP, COUNTS, HOURS, STATUS, amount, gauge, material

RAISED = ev.AlertRaised(subject="detector", name="HighMemory", severity="warning", summary="81 %", threshold=0.8)
CLEARED = ev.AlertCleared(subject="detector", name="HighMemory", severity="warning", seconds=60.0, summary="it is over")


def levels(made: dict[str, Any]) -> dict[str, str]:
    return {one["text"]: one["level"] for one in made["findings"]}


def attention(made: dict[str, Any]) -> str:
    """The one thing that needs it."""
    (found,) = [one for one in made["findings"] if one["level"] == "attention"]
    assert found["do"], "it says what to do"
    return str(found["text"])


def test_a_quiet_week_is_ok() -> None:
    made = review(material())
    assert (made["verdict"], made["findings"]) == ("ok", [])
    app = made["apps"]["detector"]
    assert app["availability"] == 1.0 and app["model"] == "anomaly 1.4" and app["logs"]["errors"] == 336
    assert app["traffic"]["requests"] == 168_000 and app["traffic"]["error_ratio"] == pytest.approx(0.001)
    assert app["resources"]["memory.share"]["max"] == pytest.approx(0.404) and made["events"]["missing"] == []
    assert msgspec.json.decode(msgspec.json.encode(made)) == made, "it is plain JSON"


def test_each_sign_of_trouble_is_one_finding_with_what_to_do() -> None:
    sick = APP | {"state": "unhealthy", "reason": "its probe fails"}
    status = STATUS | {"apps": {"detector": sick}}
    assert attention(review(material(status=status))) == "it is unhealthy: its probe fails"
    drifted = APP | {"drift": {"drifted": {"vibration": {}}, "problems": []}}
    assert "drifted: vibration" in attention(review(material(status=STATUS | {"apps": {"detector": drifted}})))
    full = (*HOURS[:-2], gauge("host", "disk.share:/", 0.6, per_day=0.02))
    assert "disk.share:/ grows 2.0% a day: 90% is reached in 8 days" in attention(review(material(hours=full)))
    broken = {"ok": False, "records": 4, "head": "4:ab", "faults": ["record 2: it does not fit its hash"]}
    assert "chain is broken: record 2" in attention(review(material(audit=broken)))
    slow = (*HOURS[:2], gauge("detector", "latency", 0.3), *HOURS[3:])
    assert "over 0.2 s on average in 168 hours" in attention(review(material(hours=slow)))
    slower = (*HOURS[:2], gauge("detector", "latency", 0.05, per_day=0.01), *HOURS[3:])
    assert attention(review(material(hours=slower))) == (
        "its latency grows by 0.01 s a day: 0.2 s is reached in 8 days"
    )
    limits = {"detector": {"metrics.quality.min": 0.8}, "host": {}}
    worse = review(material(hours=(*HOURS, gauge("detector", "quality", 0.99, per_day=-0.01)), limits=limits))
    assert attention(worse) == "its quality falls by 0.01 a day: 0.8 is reached in 12 days"
    assert "0.955, -0.01 a day" in text(document(worse))
    assert "cannot write: disk full" in attention(review(material(status=STATUS | {"storage_error": "disk full"})))
    down = (
        *HOURS[:6],
        amount("detector", "state.healthy", 3500.0),
        amount("detector", "state.down", 100.0),
        *HOURS[7:],
    )
    assert attention(review(material(hours=down))) == "available 97.22% (280 min down)"
    opened = {"id": "INC-2027-01-01-001", "severity": "P1", "title": "detector is down", "cause": "detector",
              "opened": "2027-01-01T00:00:00Z", "seconds": 60.0, "drill": False}  # fmt: skip
    incidents = {"open": [opened], "past": [], "counts": COUNTS}
    assert "INC-2027-01-01-001 (P1) is open" in attention(review(material(incidents=incidents)))


def test_endpoints_are_counted_by_how_they_answered() -> None:
    hours = (
        gauge("detector", "probe", 0.01),
        amount("detector", "probe.failed", 3.0),
        amount("db", "probe.failed", 1.0),
    )
    made = review(material(hours=hours))
    seen = made["endpoints"]["detector"]
    assert (seen["answered"], seen["failed"], seen["failed_ratio"]) == (
        10_080,
        504,
        pytest.approx(504 / 10_584, abs=1e-6),
    )
    assert made["endpoints"]["db"]["failed_ratio"] == 1.0 and "ENDPOINTS" in text(document(made))


def test_events_of_trouble_are_findings_too() -> None:
    crash = ev.EdgedStarted(subject="edged", boot=4, version="1", previous_end="crash", host_rebooted=False)
    assert attention(review(material((60.0, crash)))) == "edged itself did not end in order: 1 x crash"
    drill = DrillEnded(subject="detector", id="d", kind="kill", origin="local", ok=False, seconds=9.0)
    assert attention(review(material((60.0, drill)))).startswith("the drill kill of ")
    gave_up = ev.RecoveryGaveUp(subject="detector", ailment="exited", attempts=5, retry_in=1800.0)
    assert attention(review(material((60.0, gave_up)))) == "its restart budget was spent once"


def test_a_missing_event_is_seen_and_one_that_was_told_to_be_lost_is_not() -> None:
    three = [(float(n), CLEARED) for n in range(3)]
    made = review(material(*three, skip=(3,)))
    assert made["events"]["missing"] == [[3, 3]] and "events 3 to 3 are missing" in attention(made)
    told = ev.EventsDropped(subject="edged", first=3, last=3, count=1, reason="size")
    made = review(material(*three, (9.0, told), skip=(3,)))
    assert made["events"]["missing"] == [] and made["verdict"] == "ok"
    assert "1 events were given up" in next(iter(levels(made)))


def test_alerts_are_counted_by_whether_they_mattered() -> None:
    pairs = [pair for n in range(6) for pair in ((1000.0 * n, RAISED), (1000.0 * n + 60.0, CLEARED))]
    (found,) = review(material(*pairs))["alert_quality"]
    assert (found["raised"], found["mattered"], found["median_seconds"]) == (6, 0, 60.0)


class _Tags(HTMLParser):
    """Are all elements closed in order, and is nothing fetched?"""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href", "onload", "onclick"} & {name for name, _ in attributes}
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_all_formats_say_the_same_and_none_can_be_steered() -> None:
    evil = APP | {"state": "down", "reason": "\x1b[2J<script>alert(1)</script> | a `b` [c](d)"}
    made = review(material(status=STATUS | {"apps": {"detector": evil}}))
    page = document(made)
    shown = text(page), markdown(page), html(page)
    for one in shown:
        assert "ATTENTION" in one and "detector" in one and "\x1b" not in one
    assert "\\<script\\>" in shown[1] and "<script" not in shown[2] and "\\[c\\](d)" in shown[1]
    tags = _Tags()
    tags.feed(shown[2])
    assert not tags.open and {"svg", "path", "table", "main", "h1"} <= tags.seen and "script" not in tags.seen
    assert len(json.dumps(made)) > 1000


@pytest.mark.parametrize(("value", "shown"), [(1.0, "100.0%"), (0.99999, ">99.9%"), (0.5, "50.0%"), (None, "-")])
def test_nearly_all_is_not_all(value: float | None, shown: str) -> None:
    assert percent(value) == shown


def test_an_empty_device_has_a_review_too() -> None:
    made = review(material(hours=(), audit={}, limits={}, status=STATUS | {"apps": {}}))
    page = document(made)
    assert made["verdict"] == "ok" and "Audit: none." in text(page) and html(page).startswith("<!doctype html>")
