"""A restore that somebody asks for at an awkward moment: a slip of the pen, a crash loop, a start being verified."""

from __future__ import annotations

import pytest

from edged.judge.run import runs
from edged.vocabulary import actions as act
from edged.vocabulary.events import AlertRaised, CommandAnswered

from .dockerd import Box
from .test_data import answers, data, world


def test_a_slip_of_the_pen_stops_nothing_and_calls_nobody() -> None:
    w = world()
    w.failing["FindBackup"] = "no_backup|there is no backup nope; there are: backup-1"
    w.command("data.restore", app="a", which="nope").run(10.0)
    assert w.actions() == ["FindBackup"] and answers(w)[-1] == ("failed", "no_backup")
    assert "a was not touched" in w.events(CommandAnswered)[-1].message
    assert not w.events(AlertRaised) and data(w).restoring is None and w.app("a").kept.stopped is None
    w.crash("a")
    w.run(10.0)
    assert w.condition("a") == "healthy", "its recovery goes on as ever"


def test_an_empty_name_is_no_wish_for_the_newest_one() -> None:
    """``restore "$WHICH"`` of a script that knows none."""
    w = world()
    w.command("data.restore", app="a", which="").run(10.0)
    assert answers(w) == [("rejected", "bad_arguments")] and w.actions() == []


def test_an_app_that_dies_while_a_backup_is_looked_for_is_helped_as_ever() -> None:
    w = world()
    w.lost.add("FindBackup")
    w.command("data.restore", app="a").run(3.0)
    w.crash("a")
    w.run(10.0)
    assert w.condition("a") == "healthy" and w.actions() == ["FindBackup", "StartContainer"]
    w.run(1200.0)
    assert answers(w)[-1] == ("failed", "lost") and data(w).restoring is None
    for number in range(30):
        w = world()
        w.command("data.restore", app="a")
        w.crash("a")
        w.run(0.001 * number)
        w.run(60.0)
        assert answers(w)[-1] == ("succeeded", "") and w.condition("a") == "healthy", number


def test_looking_for_a_backup_is_tried_again() -> None:
    w = world()
    w.failing["FindBackup"] = "storage|the disk does not answer"
    w.command("data.restore", app="a").run(3.0)
    del w.failing["FindBackup"]
    w.run(30.0)
    assert w.condition("a") == "healthy" and answers(w)[-1] == ("succeeded", "")


@pytest.mark.parametrize("list_only", [False, True])
def test_an_app_that_docker_restarts_again_and_again_is_stopped_first(list_only: bool) -> None:
    """Whatever the moment is: its next run must not begin while its data is replaced."""
    for number in range(25):
        w = world()
        box = w.boxes["a"]
        box.policy, box.crash_after = "always", 0.2

        def healed(_: act.Action, box: Box = box) -> dict[str, str]:
            assert not box.up and box.status != "restarting"
            box.crash_after = None
            return {"name": "backup-1", "digest": "sha256:1", "aside": "aside-2"}

        w.results["RestoreData"] = healed
        w.deaf = list_only
        w.list_now()
        w.crash("a")
        w.run(1.0 + 0.1 * number)
        w.command("data.restore", app="a").run(90.0)
        assert answers(w)[-1] == ("succeeded", ""), (number, w.events(CommandAnswered)[-1].message)
        assert w.condition("a") == "healthy" and "RestoreData" in w.actions(), number


def test_a_person_stops_what_docker_is_about_to_restart() -> None:
    w = world()
    box = w.boxes["a"]
    box.policy, box.crash_after = "always", 0.2
    w.crash("a")
    w.until(lambda: box.status == "restarting" and box.tries > 3)
    w.list_now()
    assert w.condition("a") == "restarting"
    w.command("stop", app="a").run(30.0)
    assert answers(w)[-1] == ("succeeded", "") and w.condition("a") == "stopped"


def test_while_a_start_of_edged_is_verified_a_person_comes_first() -> None:
    """The engine has started it, and the news of that is not there yet."""
    w = world()
    w.crash("a")
    w.deaf = True
    w.until(lambda: w.app("a").kept.recovery.phase == "verifying")
    assert not runs(w.app("a"))
    w.deaf = False
    w.forget().command("data.restore", app="a").run(60.0)
    assert answers(w)[-1] == ("succeeded", "") and w.condition("a") == "healthy"
    assert w.actions().count("RestoreData") == 1, "none was refused by the guard"


def test_a_persons_own_restart_is_brought_to_its_end_first() -> None:
    w = world()
    w.boxes["a"].sick = True
    w.command("restart", app="a").run(3.0)
    assert w.app("a").kept.recovery.phase == "verifying"
    w.command("data.restore", app="a").run(1.0)
    last = w.events(CommandAnswered)[-1]
    assert (last.status, last.reason) == ("rejected", "busy") and "restart by" in last.message
    w.boxes["a"].sick = False
    w.run(30.0)
    assert answers(w)[-1] == ("succeeded", ""), "the restart has its own answer"
