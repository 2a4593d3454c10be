"""A restore of an app's data: by the recovery machine, forward only, with edged ending at every instant."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edged.judge.guard import refusal
from edged.vocabulary import actions as act
from edged.vocabulary.data_events import DataRestored
from edged.vocabulary.events import CommandAnswered
from edged.vocabulary.state import EngineState

from .test_data import DAY, answers, data, world


def test_a_restore_stops_the_app_with_evidence_first_and_starts_it_again() -> None:
    w = world()
    w.command("data.restore", app="a").run(10.0)
    steps = ["FindBackup", "CaptureEvidence", "StopContainer", "RestoreData", "StartContainer"]
    assert w.actions(evidence=True) == steps
    assert answers(w)[0] == ("accepted", "") and answers(w)[-1] == ("succeeded", "")
    (told,) = w.events(DataRestored)
    assert (told.ok, told.name, told.aside, told.by) == (True, "backup-1", "aside-2", "local:uid=1(ann)")
    assert w.condition("a") == "healthy" and data(w).restoring is None and not w.state.commands
    assert w.firing("a") == set() and w.app("a").kept.stopped is None


def test_bad_data_is_over_when_good_data_is_in_its_place() -> None:
    w = world()
    w.failing["BackUpData"] = "verify|check-db ended with 1"
    w.command("data.backup", app="a").run(10.0)
    assert w.firing("a") == {"BackupFailed"} and data(w).bad
    w.failing["RestoreData"] = "no_backup|there is none"
    w.command("data.restore", app="a").run(10.0)
    assert w.firing("a") >= {"BackupFailed"} and data(w).bad
    del w.failing["RestoreData"]
    w.command("data.restore", app="a").run(10.0)
    assert answers(w)[-1] == ("succeeded", "") and w.firing("a") == set() and not data(w).error


def test_a_named_one() -> None:
    w = world()
    w.command("data.restore", app="a", which="backup-7").run(10.0)
    (action,) = [a for _, a in w.asked if isinstance(a, act.RestoreData)]
    assert action.which == "backup-7"


def test_no_good_backup_and_the_app_goes_on_as_it_was() -> None:
    w = world()
    w.failing["RestoreData"] = "no_backup|there is none"
    w.command("data.restore", app="a").run(10.0)
    assert w.actions() == ["FindBackup", "StopContainer", "RestoreData", "StartContainer"]
    assert w.condition("a") == "healthy" and answers(w)[-1] == ("failed", "no_backup")
    assert not w.events(DataRestored)[0].ok and "RestoreFailed" not in w.firing("a"), "it is well"


def test_an_app_that_crashes_on_its_data_is_restored_while_it_is_down() -> None:
    w = world(restart={"budget": 1, "retry_after": 3600.0})
    w.failing["StartContainer"] = "it dies at once"
    w.crash("a")
    w.run(30.0)
    assert w.condition("a") == "down"
    w.forget()
    del w.failing["StartContainer"]
    w.command("data.restore", app="a").run(10.0)
    assert w.actions(evidence=True) == ["CaptureEvidence", "RestoreData", "StartContainer"]
    assert w.condition("a") == "healthy"


@pytest.mark.parametrize("stopped", [False, True])
def test_evidence_that_edged_could_not_finish_is_kept_before_the_data_is_touched(stopped: bool) -> None:
    w = world()
    if stopped:
        w.command("stop", app="a").run(5.0)
        w.forget()
    w.lost.add("CaptureEvidence")
    w.command("data.restore", app="a").run(3.0)
    assert w.actions(evidence=True)[-1] == "CaptureEvidence"
    w.lost.clear()
    w.restart_edged(0.5)
    w.run(20.0)
    done = w.actions(evidence=True)
    assert done.count("CaptureEvidence") == 2 and done.index("RestoreData") > 1 + done.index("CaptureEvidence")
    assert answers(w)[-1][0] == "succeeded" and w.condition("a") == ("stopped" if stopped else "healthy")


def test_what_a_person_stopped_stays_stopped() -> None:
    w = world()
    w.command("stop", app="a").run(5.0)
    w.forget().command("data.restore", app="a").run(30.0)
    assert w.actions() == ["RestoreData"] and w.condition("a") == "stopped"
    assert answers(w)[-1] == ("succeeded", "") and "stays stopped" in w.events(CommandAnswered)[-1].message


def test_nobody_starts_it_in_between() -> None:
    w = world()
    w.lost.add("RestoreData")
    w.command("data.restore", app="a").run(5.0)
    for kind in ("start", "restart", "stop", "isolate", "data.restore", "data.backup"):
        w.forget().command(kind, app="a").run(5.0)
        assert answers(w)[0][0] == "rejected" and w.actions() == [], kind
    w.run(300.0)
    assert w.actions() == [] and w.condition("a") == "stopped"


def test_a_restore_that_stays_half_leaves_the_app_stopped_and_calls_for_a_person() -> None:
    w = world()
    w.failing["RestoreData"] = "half|/data holds a part only"
    w.command("data.restore", app="a").run(600.0)
    assert w.actions() == ["FindBackup", "StopContainer", *["RestoreData"] * 6]
    assert w.condition("a") == "stopped" and "RestoreFailed" in w.firing("a")
    assert answers(w)[-1] == ("failed", "half")
    w.run(DAY)
    assert w.actions().count("StartContainer") == 0
    del w.failing["RestoreData"]
    w.command("data.restore", app="a").run(10.0)
    assert w.condition("a") == "healthy" and "RestoreFailed" not in w.firing("a")


def test_half_of_the_data_is_not_started_by_recovery_either() -> None:
    """It was down already, so nobody has stopped it on purpose."""
    w = world(restart={"budget": 1, "retry_after": 60.0})
    w.failing.update(StartContainer="it dies at once", RestoreData="half|a part only")
    w.crash("a")
    w.run(30.0)
    w.command("data.restore", app="a").run(400.0)
    del w.failing["StartContainer"]
    w.forget().run(DAY)
    assert w.actions() == [] and w.condition("a") == "down" and "RestoreFailed" in w.firing("a")


def test_the_engine_is_away_for_a_while() -> None:
    w = world()
    w.failing["RestoreData"] = "unreachable|no answer"
    w.command("data.restore", app="a").run(3.0)
    del w.failing["RestoreData"]
    w.run(30.0)
    assert w.condition("a") == "healthy" and w.events(DataRestored)[0].ok


@pytest.mark.parametrize("away", [0.0, 20.0])
def test_edged_ends_at_any_instant(away: float) -> None:
    """Whatever was under way is ended by the next run: restored, healthy, one answer."""
    for number in range(60):
        w = world()
        w.boxes["a"].stop_takes = 1.0
        w.command("data.restore", app="a").run(0.05 * number)
        w.restart_edged(away).run(150.0)
        assert w.condition("a") == "healthy", number
        told = w.events(DataRestored)
        assert len(told) <= 1 and all(one.ok for one in told), number
        assert data(w).restoring is None and not w.state.commands, number
        final = [status for status, _ in answers(w) if status in ("succeeded", "failed")]
        assert len(final) == 1, number
        if told:
            assert final == ["succeeded"]


def test_the_guard_lets_nothing_be_replaced_under_a_running_app() -> None:
    w = world()
    w.lost.add("RestoreData")
    w.command("data.restore", app="a").run(5.0)
    (action,) = [a for _, a in w.asked if isinstance(a, act.RestoreData)]
    assert refusal(action, w.state, frozenset(), w.now) == ""
    assert "was asked for" in refusal(replace(action, id="other"), w.state, frozenset(), w.now)
    w.start("a")
    w.run(1.0)
    assert refusal(action, w.state, frozenset(), w.now) == "a runs"
    backup = act.BackUpData(
        id="x", subject="a/data", reason="r", timeout=1.0, container_id="c", data=action.data
    )  # fmt: skip
    assert "is due" in refusal(backup, w.state, frozenset(), w.now)
    assert "does not answer" in refusal(backup, replace(w.state, engine=EngineState()), frozenset(), w.now)


def test_a_deployment_waits_for_a_restore_and_an_app_that_leaves_too() -> None:
    w = world()
    w.lost.add("RestoreData")
    w.command("data.restore", app="a").run(5.0)
    w.reload(replace(w.config, apps={}))
    assert "a" in w.state.apps and w.state.apps["a"].leaving
    w.lost.clear()
    w.restart_edged().run(60.0)
    assert w.boxes["a"].status == "running"


@pytest.mark.parametrize("back", [True, False])
def test_the_container_goes_while_its_data_is_restored(back: bool) -> None:
    w = world()
    w.failing["RestoreData"] = "unreachable|no such container"
    w.command("data.restore", app="a").run(4.0)
    w.remove("a")
    w.run(60.0)
    assert data(w).restoring is not None and w.condition("a") == "missing"
    del w.failing["RestoreData"]
    if back:
        w.create("a")
        w.run(60.0)
        assert w.condition("a") == "healthy" and answers(w)[-1] == ("succeeded", "")
    else:
        w.run(700.0)
        assert data(w).restoring is None and answers(w)[-1] == ("failed", "no_container")


@pytest.mark.parametrize(
    ("error", "started"),
    [
        ("unreachable|the engine is slow", True),  # six times, and the journal would have said half
        ("it did not come back within 20 s", False),  # nobody knows what it has done, or still does
        ("damaged|none is good", True),
    ],
)
def test_an_app_is_only_started_with_data_that_is_known_to_be_whole(error: str, started: bool) -> None:
    w = world()
    w.failing["RestoreData"] = error
    w.command("data.restore", app="a").run(700.0)
    assert ("StartContainer" in w.actions()) is started
    assert ("RestoreFailed" in w.firing("a")) is not started


def test_what_a_run_of_edged_left_unclear_the_next_attempt_finds_out() -> None:
    w = world()
    w.lost.add("RestoreData")
    w.command("data.restore", app="a").run(5.0)
    w.lost.clear()
    w.failing["RestoreData"] = "no_backup|none is good"
    w.restart_edged().run(60.0)
    assert w.condition("a") == "healthy" and answers(w)[-1] == ("failed", "no_backup")
