"""Drift as it is told: the retained topic, the report and its bars, metrics."""

from __future__ import annotations

import json

import pytest

from edged.cli.drift import bar, bin_names, lines
from edged.report import drift
from edged.report.metrics import Counters, Vitals, render
from edged.report.retained import changes
from edged.report.snapshot import Snapshot
from tests.judge.test_inputs import Device, learned


def shot(device: Device) -> Snapshot:
    return Snapshot(device.state, device.config, device.now, 1e9)


@pytest.fixture
def device() -> Device:
    made = Device()
    made.refer(learned())
    return made


def test_the_topic_changes_when_there_is_something_to_say(device: Device) -> None:
    before = shot(device)
    assert changes(before, before) == {}
    device.count(100)
    full = shot(device)
    assert json.loads(changes(before, full)["app/box"])["drift"]["state"] == "steady"
    device.count(600)
    assert changes(full, shot(device)) == {}, "one window is like the other"
    device.count(600, shift=2.0)
    told = json.loads(changes(full, shot(device))["app/box"])["drift"]
    assert told["state"] == "drifted" and list(told["drifted"]) == ["x"] and told["reference"]["learned"]


def test_the_report_and_its_bars(device: Device) -> None:
    assert (drift.report(shot(Device()), "box") or {})["state"] == "waiting"
    assert drift.report(shot(Device(rules=None)), "box") is None
    device.count(1000)
    device.count(600, shift=2.0)
    report = drift.report(shot(device), "box")
    assert report is not None and report["rows"] == 1600
    assert [sum(one["before"]) for one in report["features"]] == pytest.approx([1.0, 1.0])
    assert [sum(one["after"]) for one in report["features"]] == pytest.approx([1.0, 1.0])
    report = json.loads(json.dumps(report))
    text = "\n".join(lines(report, blocks=True))
    assert "x: share of the rows by bin" in text and "█" in text and "w: share" not in text
    plain = "\n".join(lines(report, blocks=False, every=True))
    assert "#" in plain and "w: share" in plain and plain.replace("…", "").isascii()
    assert max(map(len, plain.splitlines())) < 140
    narrow = lines(report, blocks=True, every=True, columns=60)
    assert max(len(line) for line in narrow if "█" in line) in (59, 60)


def test_metrics(device: Device) -> None:
    vitals = Vitals(lambda: (0, 0), lambda: 0.0, dict)
    assert b"edged_drift_score{" not in render(shot(device), Counters(), vitals)
    device.count(200)
    page = render(shot(device), Counters(), vitals).decode()
    assert 'edged_drift_score{app="box",feature="x"} ' in page
    assert 'edged_drift_features{app="box"} 0.0' in page and 'edged_drift_rows_total{app="box"} 200.0' in page


def test_bars_and_bins() -> None:
    assert [bar(share, True).rstrip() for share in (0.0, 1 / 48, 1.0)] == ["", "▌", "█" * 24]
    assert {len(bar(share / 100, blocks)) for share in range(101) for blocks in (True, False)} == {24}
    assert bin_names("numeric", [1.0, 2.0], []) == ["< 1", "1 … 2", ">= 2"]
    assert bin_names("numeric", [], []) == ["(any)"]
    assert bin_names("categorical", [], ["a", "", "\x1b[31m"]) == ["a", '""', "?[31m", "(anything else)"]
