"""The last minutes in memory: what was seen and told, bounded, and no more than that."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from edged.app.moments import EVENTS, PROBES, SAMPLES, SHOWN, Moments
from edged.app.readings import OwnReadings
from edged.audit import Head
from edged.config import App, Config
from edged.report.snapshot import Snapshot
from edged.vocabulary.events import AlertRaised, AppChanged, CommandPiece, IncidentClosed
from edged.vocabulary.signs import Cpu, Streak
from edged.vocabulary.state import AppState, HostState, State
from edged.vocabulary.world import HostSample, Usage

WALL = 1.7e9
HOST = HostSample(memory_total=100, memory_available=40, cpu_busy=0.5)


def shot(second: float, ok: bool = True, memory: int = 7, names: tuple[str, ...] = ("a",)) -> Snapshot:
    probe = Streak(good=int(ok), bad=int(not ok), detail="" if ok else "HTTP 503", last_at=second, seconds=0.01)
    apps = {
        name: AppState(
            name=name, config=App(), probe=probe, usage=Usage(container_id="c", memory=memory), usage_at=second,
            cpu=Cpu(share=0.25), condition="healthy", reason="well",
        )
        for name in names
    }  # fmt: skip
    state = State(apps=apps, host=HostState(sample=HOST, sampled_at=second))
    return Snapshot(state, Config(), now=second, wall=WALL + second)


def test_what_was_seen_and_told() -> None:
    seen = Moments()
    for second in range(10):
        for _ in range(3):  # the same thing again is no news
            seen.take(shot(float(second), ok=second != 5))
    seen.told((AppChanged(subject="a", old="healthy", new="down", reason="x" * 1000),), WALL + 9.0)
    seen.told((AlertRaised(subject="b", name="AppDown", severity="critical", summary="s"),), WALL + 9.0)
    recent = seen.recent("a", WALL + 9.0)
    assert len(recent["usage"]) == len(recent["probes"]) == len(recent["host"]) == 10
    assert recent["usage"][0] == {"time": "2023-11-14T22:13:20.000Z", "memory_bytes": 7, "cpu_ratio": 0.25}
    assert [one["verdict"] for one in recent["probes"]].count("failed") == 1
    assert recent["probes"][5]["detail"] == "HTTP 503" and recent["host"][0]["memory_used_ratio"] == 0.6
    assert [(one["type"], one["subject"]) for one in recent["events"]] == [("app.changed", "a"), ("alert.raised", "b")]
    assert len(recent["events"][0]["data"]["reason"]) == 300
    assert seen.recent("nobody", WALL + 9.0)["usage"] == []


def test_what_is_old_is_not_told_and_an_app_that_went_is_forgotten() -> None:
    seen = Moments()
    seen.take(shot(0.0, names=("a", "b")))
    seen.told((AlertRaised(subject="b", name="AppDown", severity="critical", summary="s"),), WALL)
    late = seen.recent("a", WALL + 400.0)
    assert late["usage"] == [] and late["events"] == []
    seen.take(shot(1.0, names=("a",)))
    assert seen.recent("b", WALL + 1.0)["usage"] == []


def test_it_is_bounded() -> None:
    seen = Moments()
    for second in range(10 * SAMPLES):
        seen.take(shot(second / 10))
        seen.told((AlertRaised(subject="a", name="AppDown", severity="critical", summary="s"),) * 3, WALL)
    recent = seen.recent("a", WALL + 60.0)
    assert len(recent["usage"]) == SAMPLES and len(recent["probes"]) == PROBES and len(recent["events"]) == SHOWN
    assert len(seen._events) == EVENTS


def test_long_things_and_pieces_of_answers_are_left_out() -> None:
    seen = Moments()
    piece = CommandPiece(subject="a", id="1", command="logs.get", origin="x", status="running", message="m")
    closed = IncidentClosed(
        subject="a", incident="INC-1", severity="P1", seconds=1.0, record={"much": "x" * 5000}
    )  # fmt: skip
    seen.told((piece, closed), WALL)
    (event,) = seen.recent("a", WALL)["events"]
    assert event["data"]["incident"] == "INC-1" and "record" not in event["data"]
    assert len(msgspec.json.encode(event)) < 500


def test_the_moment_is_all_that_edged_knows() -> None:
    seen = Moments()
    seen.take(shot(5.0))
    readings = OwnReadings(lambda: shot(5.0), dict, Head, Path("/none"), seen)
    moment = readings.moment("a")
    assert moment["app"]["state"] == "healthy" and moment["apps"] == {"a": "healthy: well"}
    assert moment["host"]["memory_used_ratio"] == 0.6 and moment["recent"]["usage"]
    assert "app" not in readings.moment("engine") and readings.moment("engine")["edged"]["version"]
    assert len(msgspec.json.encode(moment)) < 10_000


def test_the_status_for_a_console_names_the_head_of_the_audit() -> None:
    head = Head(number=7, hash="5f" * 32)
    told = OwnReadings(lambda: shot(5.0), dict, lambda: head, Path("/none"), Moments()).status("")
    assert msgspec.json.decode(told)["audit"] == {"head": str(head), "records": 7}


def test_twenty_apps_for_hours_cost_less_than_two_megabytes() -> None:
    seen, names = Moments(), tuple(f"app-{number}" for number in range(20))
    for second in range(2 * SAMPLES):
        seen.take(shot(5.0 * second, names=names, memory=10**9 + second))
    counted = sum(
        sys.getsizeof(queue) + sum(sys.getsizeof(row) + sum(map(sys.getsizeof, row)) for row in queue)
        for line in seen._apps.values()
        for queue in (line.usage, line.probes)
    )  # fmt: skip
    assert counted < 2 * 2**20
