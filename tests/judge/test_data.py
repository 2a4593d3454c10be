"""Backups of an app's data: when they are made, and what is told of them."""

from __future__ import annotations

from typing import Any

from edged.vocabulary.data_events import DataBackedUp
from edged.vocabulary.events import CommandAnswered

from .world import World, probed

DAY = 3 * 3600.0
"""The pace of the tests: days in full take seconds each to simulate."""


def world(**more: Any) -> World:
    w = World({"a": probed(data={"path": "/data", "every": DAY, **more.pop("data", {})}, **more)})
    w.every(2.0, w.probes)
    w.every(10.0, w.list_soon)
    w.results.update(
        BackUpData=lambda _: {"name": "backup-1", "digest": "sha256:1", "bytes": 9, "verified": "on the copy"},
        FindBackup=lambda _: {"name": "backup-1"},
        RestoreData=lambda _: {"name": "backup-1", "digest": "sha256:1", "aside": "aside-2"},
    )
    return w.run(5.0).forget()


def answers(w: World) -> list[tuple[str, str]]:
    return [(e.status, e.reason) for e in w.events(CommandAnswered)]


def data(w: World) -> Any:
    return w.app("a").kept.data


def test_the_first_one_soon_then_every_day() -> None:
    w = world()
    w.run(400.0)
    assert w.actions() == ["BackUpData"]
    (told,) = w.events(DataBackedUp)
    assert (told.ok, told.by, told.name, told.verified) == (True, "edged", "backup-1", "on the copy")
    w.run(3 * DAY)
    assert len(w.events(DataBackedUp)) == 4 and data(w).last == "backup-1"
    assert {a.subject for _, a in w.asked} == {"a/data"}, "no recovery waits for it"


def test_a_restart_of_edged_neither_puts_it_off_nor_makes_another() -> None:
    w = world()
    for _ in range(30):
        w.restart_edged().run(100.0)
    assert len(w.events(DataBackedUp)) in (0, 1)
    w.run(DAY)
    assert 1 <= len(w.events(DataBackedUp)) <= 2
    w.run(DAY / 2)
    w.restart_edged().forget().run(DAY / 3)
    assert len(w.events(DataBackedUp)) <= 1


def test_what_is_not_well_is_not_backed_up() -> None:
    w = world()
    w.boxes["a"].sick = True
    w.failing["RestartContainer"] = "no"
    w.run(DAY)
    assert "BackUpData" not in w.actions()
    w.boxes["a"].sick = False
    del w.failing["RestartContainer"]
    w.forget().run(400.0)
    assert w.condition("a") == "healthy" and "BackUpData" in w.actions()


def test_only_on_command() -> None:
    w = world(data={"every": 0.0})
    w.run(3 * DAY)
    assert w.actions() == []
    w.command("data.backup", app="a").run(1.0)
    assert answers(w) == [("accepted", ""), ("succeeded", "")] and w.actions() == ["BackUpData"]
    assert w.events(DataBackedUp)[0].by == "local:uid=1(ann)"


def test_a_failure_is_an_alert_and_tried_again() -> None:
    w = world()
    w.failing["BackUpData"] = "no_room|the disk is full"
    w.run(400.0)
    assert w.firing("a") == {"BackupFailed"} and w.events(DataBackedUp)[0].reason == "the disk is full"
    assert w.app("a").kept.alerts["BackupFailed"].severity == "warning"
    w.run(4 * 3600.0)
    assert 5 <= len(w.events(DataBackedUp)) <= 12
    del w.failing["BackUpData"]
    w.run(4000.0)
    assert w.firing("a") == set()


def test_bad_data_is_critical_and_no_reason_to_forget_the_backups_before() -> None:
    w = world()
    w.failing["BackUpData"] = "verify|check-db ended with 1"
    w.run(400.0)
    alert = w.app("a").kept.alerts["BackupFailed"]
    assert alert.severity == "critical" and "edged data a restore" in alert.advice


def test_another_thing_in_the_way_is_no_news() -> None:
    w = world()
    w.failing["BackUpData"] = "busy|another action"
    w.run(330.0)
    assert w.events(DataBackedUp) == [] and w.firing("a") == set()
    del w.failing["BackUpData"]
    w.run(200.0)
    assert w.events(DataBackedUp)[0].ok


def test_not_configured() -> None:
    w = World({"a": probed()})
    w.run(5.0).forget()
    for kind in ("data.backup", "data.restore"):
        w.forget().command(kind, app="a")
        assert answers(w) == [("rejected", "not_configured")]
    w.run(DAY)
    assert "BackUpData" not in w.actions()


def test_in_maintenance_only_a_person_backs_up() -> None:
    w = world()
    w.command("maintenance.set", app="a", on=True, seconds=12 * 3600.0, why="x").run(0.5)
    w.forget().run(6 * 3600.0)
    assert w.actions() == []
    w.command("data.backup", app="a").run(1.0)
    assert answers(w)[-1] == ("succeeded", "")
