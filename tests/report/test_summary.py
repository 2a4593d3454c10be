"""What happened, counted from the history."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edged.ports import StoredEvent
from edged.report.payloads import encode_event
from edged.report.summary import summary
from edged.vocabulary import events as ev

REPO = Path(__file__).resolve().parents[2]
T = 1_800_000_000.0
HOUR = 3600.0


def rows(*told: tuple[float, ev.Event]) -> list[StoredEvent]:
    return [
        StoredEvent(number, 1, T + at, "event", encode_event(number, 1, T + at, event, device="d"))
        for number, (at, event) in enumerate(told, 1)
    ]


def changed(old: str, new: str, app: str = "a") -> ev.Event:
    return ev.AppChanged(subject=app, old=old, new=new, reason="r")


def started(end: str = "clean") -> ev.Event:
    return ev.EdgedStarted(subject="edged", boot=1, version="1", previous_end=end, host_rebooted=False)


def ended(action: str, ok: bool = True) -> ev.Event:
    return ev.ActionEnded(subject="a", action_id="1", action=action, ok=ok, seconds=1.0)


def answered(command: str, status: Any) -> ev.Event:
    return ev.CommandAnswered(subject="a", id="i", command=command, origin="key:ops", status=status)


def result(*told: tuple[float, ev.Event], **more: Any) -> dict[str, Any]:
    return summary(rows(*told), T, T + HOUR, more.pop("states", {}), **more)


def test_counts_by_app() -> None:
    got = result(
        (1, ended("StartContainer")),
        (2, ended("RestartContainer")),
        (3, ended("RestartContainer", ok=False)),
        (4, ended("CaptureEvidence")),
        (5, ev.RecoverySucceeded(subject="a", ailment="AppDown", attempts=1, seconds=2.0)),
        (6, ev.RecoverySucceeded(subject="a", ailment="AppDown", attempts=1, seconds=9.0)),
        (7, ev.AlertRaised(subject="a", name="AppDown", severity="critical", summary="s")),
        (8, ev.AlertCleared(subject="a", name="AppDown", severity="critical", seconds=30.0, summary="s")),
        (9, ev.DeploymentChanged(subject="a", id="x", kind="model", old="gating", new="committed")),
        (10, ev.IsolationChanged(subject="a", state="isolated", by="ann")),
        (11, ev.IsolationChanged(subject="a", state="again", by="ann")),
    )
    a = got["apps"]["a"]
    assert a["counts"] == {"restarts": 2, "failed_restarts": 1, "recoveries": 2, "isolations": 1}
    assert a["recovery_seconds"] == {"median": 9.0, "longest": 9.0} and a["alerts"] == {"AppDown": 1}
    assert a["deployments"] == {"committed": 1}
    assert got["alerts"] == [{"name": "AppDown", "subject": "a", "raised": 1, "seconds": 30.0}]


def test_what_edged_itself_went_through() -> None:
    got = result(
        (1, started("crash")),
        (2, ev.AlertRaised(subject="engine", name="EngineDown", severity="critical", summary="s")),
        (3, ev.AlertCleared(subject="engine", name="EngineDown", severity="critical", seconds=12.0, summary="s")),
        (4, answered("restart", "accepted")),
        (5, answered("restart", "succeeded")),
        (6, answered("restart", "rejected")),
        (7, ev.CommandsRefused(subject="edged", code="bad_signature", count=40)),
        (8, ev.EventsDropped(subject="edged", first=1, last=9, count=9, reason="size")),
        (9, ev.NoteTaken(subject="host", text="new fan", by="ann")),
        (10, ev.ConfigRefused(subject="edged", path="p", errors=("e",))),
    )
    assert got["edged"] == {"starts": 1, "ends": {"crash": 1}, "config": {"refused": 1}}
    assert got["engine"] == {"outages": 1, "seconds": 12.0}
    assert got["commands"] == {"restart": {"succeeded": 1, "rejected": 1}} and got["refused"] == {"bad_signature": 40}
    assert got["dropped"] == {"size": 9} and got["notes"][0]["text"] == "new fan" and got["events"] == 10


def test_time_in_each_state_adds_up() -> None:
    got = result((600, changed("healthy", "down")), (660, changed("down", "healthy")))
    assert got["apps"]["a"]["seconds_in"] == {"down": 60.0, "healthy": 3540.0}


def test_an_app_that_never_changed_was_what_it_is() -> None:
    assert result(states={"b": "healthy"})["apps"]["b"]["seconds_in"] == {"healthy": HOUR}


def test_older_events_tell_how_things_stood_at_the_beginning() -> None:
    got = result((-9000, changed("unknown", "healthy")), (1800, changed("healthy", "down")))
    assert got["apps"]["a"]["seconds_in"] == {"down": 1800.0, "healthy": 1800.0} and got["events"] == 1


@pytest.mark.parametrize(("stop", "unwatched"), [(True, 300.0), (False, 400.0)])
def test_while_edged_is_away_nobody_knows(stop: bool, unwatched: float) -> None:
    """Without a word at its end, its last event is the last that is known."""
    told: list[tuple[float, ev.Event]] = [(-10, changed("unknown", "healthy")), (500, ended("CaptureEvidence"))]
    if stop:
        told.append((600, ev.EdgedStopping(subject="edged", reason="r")))
    told += [(900, started()), (910, changed("unknown", "healthy"))]
    seconds = result(*told)["apps"]["a"]["seconds_in"]
    assert seconds == {"healthy": HOUR - unwatched - 10.0, "unknown": 10.0, "unwatched": unwatched}


def test_a_clock_that_steps_back_counts_as_no_time() -> None:
    seconds = result((600, changed("healthy", "down")), (300, changed("down", "healthy")))["apps"]["a"]["seconds_in"]
    assert all(value >= 0.0 for value in seconds.values()) and "down" not in seconds


def test_what_cannot_be_read_is_left_out_and_counted() -> None:
    odd = [StoredEvent(1, 1, T + 1, "event", payload) for payload in (b"no json", b'{"type":"dev.edged.app.changed"}')]
    got = summary(odd, T, T + HOUR, {}, complete=False)
    assert got["edged"]["config"] == {"unreadable": 2} and got["complete"] is False


def test_its_types_are_events_that_exist() -> None:
    from typing import get_args

    named = set(re.findall(r'"([a-z]+\.[a-z_]+)"', (REPO / "edged/report/summary.py").read_text()))
    assert len(named) > 10 and named <= {kind.type for kind in get_args(ev.AnyEvent)}
