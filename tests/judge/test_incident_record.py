"""Incidents by example: what is written down, what is to blame, and what people do."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from edged.durable import Differ, restore
from edged.judge import judge
from edged.judge.incidents.desk import MOST_CLOSED
from edged.judge.incidents.record import MOST
from edged.vocabulary import facts
from edged.vocabulary.events import (
    AppChanged,
    CommandAnswered,
    ConfigReloaded,
    DeploymentChanged,
    DrillEnded,
    DrillStarted,
    IncidentClosed,
    IncidentEscalated,
    IncidentOpened,
    MaintenanceChanged,
    NoteTaken,
)
from edged.vocabulary.incident_picture import picture
from edged.vocabulary.state import Alert

from .incident_rig import WALL, Rig
from .world import World, app


def test_what_was_changed_shortly_before_is_the_likely_cause() -> None:
    changed = DeploymentChanged(
        subject="other", id="d1", kind="model", old="gating", new="committed", name="m", version="7"
    )
    rig = Rig().feed(changed).wait(120.0).up("HighErrorRate", "other")
    assert rig.one.likely == "deployment of model m 7 to other: committed (2 min before)"
    assert rig.events(IncidentOpened)[0].likely == rig.one.likely
    rig = Rig().feed(changed).wait(1200.0).up("HighErrorRate", "other")
    assert rig.one.likely == "" and rig.one.changes[0].ref == "d1"
    rig = Rig().feed(changed).wait(120.0).up("HighErrorRate", "base")
    assert rig.one.likely == "" and not rig.one.changes, "it was another app"
    reloaded = ConfigReloaded(subject="edged", digest="d", path="p", changed=("apps.base.memory.warn",))
    assert "apps.base.memory.warn" in Rig().feed(reloaded).wait(5.0).up("HighMemory", "base").one.likely


def test_a_person_who_takes_it_into_maintenance_has_responded_and_is_told_of() -> None:
    rig = Rig().up("AppDown", "other").wait(60.0)
    rig.feed(MaintenanceChanged(subject="other", on=True, owner="ann", why="cable", seconds=600.0))
    assert rig.one.responded_at == 1060.0 and rig.one.timeline[-1].text == "maintenance of other by ann: on"


def test_what_happens_in_maintenance_is_in_hands_already() -> None:
    w = World({"a": app(health={"http": "http://127.0.0.1:1/"})})
    w.command("maintenance.set", app="a", on=True, seconds=86400.0, why="new cable")
    assert w.app("a").kept.maintenance is not None
    w.boxes["a"].sick = True
    w.every(5.0, w.probes)
    w.run(7200.0)
    (incident,) = w.state.incidents.open.values()
    assert incident.responded_at == incident.opened_at and "new cable" in incident.hints[0]
    assert not w.events(IncidentEscalated)


def test_a_new_image_is_a_change() -> None:
    before = AppChanged(subject="other", old="unknown", new="healthy", reason="", image="app:1")
    after = AppChanged(subject="other", old="starting", new="healthy", reason="", image="app:2")
    rig = Rig().feed(before).wait(60.0).feed(after).wait(30.0).up("Unhealthy", "other")
    assert rig.one.likely == "other has another image: app:1 → app:2 (30 s before)"


def test_a_drill_is_told_from_the_real_thing() -> None:
    rig = Rig().feed(DrillStarted(subject="other", id="x", kind="kill", origin="ann")).wait(3.0).up("AppDown", "other")
    assert rig.one.drill and "drill kill on other by ann" in rig.one.likely
    assert not Rig().up("AppDown", "other").one.drill


def test_the_real_thing_after_a_drill_counts() -> None:
    begun = DrillStarted(subject="other", id="x", kind="kill", origin="schedule")
    over = DrillEnded(subject="other", id="x", kind="kill", origin="schedule", ok=True, seconds=3.0)
    rig = Rig(hold=10.0).feed(begun).wait(1.0).up("AppDown", "other").wait(2.0).down("AppDown", "other").feed(over)
    drill = rig.one.id
    assert rig.one.drill
    # While the drill's own incident is still open, it is that one that counts from now on.
    joined = rig.wait(8.0).up("AppDown", "other").one
    assert joined.id == drill and not joined.drill
    # After it was closed it is another one, and a drill does not open it again.
    rig = Rig(hold=10.0).feed(begun).wait(1.0).up("AppDown", "other").wait(2.0).down("AppDown", "other").feed(over)
    real = rig.wait(30.0).up("AppDown", "other").one
    assert real.id != drill and not real.drill and not real.reopened
    rig.down("AppDown", "other").wait(30.0).feed(replace(begun, id="y")).up("AppDown", "other")
    assert rig.one.id not in (drill, real.id) and rig.one.drill


def test_what_a_drill_leads_to_is_of_the_drill() -> None:
    rig = Rig().feed(DrillStarted(subject="base", id="x", kind="kill", origin="ann")).up("AppDown", "base")
    assert rig.up("Unhealthy", "detector").one.drill, "it needs base"
    rig.down("Unhealthy", "detector").down("AppDown", "base")
    rig.feed(DrillEnded(subject="base", id="x", kind="kill", origin="ann", ok=True, seconds=3.0))
    assert rig.wait(20.0).up("LogErrors", "base").one.drill, "what it has written meanwhile"


def test_the_impact_is_how_long_the_app_did_not_serve() -> None:
    down = AppChanged(subject="other", old="healthy", new="down", reason="exited")
    well = AppChanged(subject="other", old="starting", new="healthy", reason="")
    rig = Rig().up("AppDown", "other").feed(down).wait(40.0).feed(well).down("AppDown", "other")
    harm = rig.one.impact["other"]
    assert (harm.seconds, harm.since, harm.worst) == (40.0, None, "down")


def test_an_alert_that_is_only_still_shown_makes_no_repair_longer() -> None:
    down = AppChanged(subject="other", old="healthy", new="down", reason="exited")
    well = AppChanged(subject="other", old="starting", new="healthy", reason="")
    rig = Rig(hold=1.0).up("AppDown", "other").feed(down).up("CrashLoop", "other").wait(40.0)
    rig.feed(well).down("AppDown", "other")
    seen = rig.one
    assert seen.well_at == 1040.0 and seen.restored_at is None
    seen = rig.wait(10.0).up("AppDown", "other").one
    assert seen.well_at is None
    rig.wait(20.0).down("AppDown", "other").wait(30000.0)
    assert not rig.events(IncidentEscalated, why="resolve"), "nothing is wrong any more"
    rig.down("CrashLoop", "other").wait(2.0)
    closed = rig.events(IncidentClosed)[0]
    assert closed.seconds == 70.0 and closed.record["resolve_seconds"] == 70.0


def test_the_timeline_is_bounded_and_keeps_its_beginning_and_its_end() -> None:
    rig = Rig().up("AppDown", "other")
    for number in range(500):
        rig.wait(1.0).feed(NoteTaken(subject="other", text=f"note {number} " + "x" * 1000, by="ann"))
    lines = rig.one.timeline
    assert len(lines) == MOST and rig.one.left_out == 501 - MOST
    assert lines[0].kind == "detected" and "note 499" in lines[-1].text
    assert len(msgspec.json.encode(rig.one)) < 40_000
    shown = picture(rig.one, lambda at: at, rig.now)
    assert shown["timeline_left_out"] == 501 - MOST


def test_numbers_are_never_given_twice_whatever_the_clock_does() -> None:
    rig, seen = Rig(hold=0.0, reopen=0.0), list[str]()
    for wall in (WALL, 0.0, WALL, WALL + 86400.0, WALL):
        rig.state = replace(rig.state, started_wall=wall, started_at=rig.now)
        rig.up("AppDown", "other")
        seen.append(rig.one.id)
        rig.down("AppDown", "other").wait(1.0).restart()
    day = "INC-2026-11-21-"
    assert seen == [day + "001", seen[1], day + "002", "INC-2026-11-22-001", day + "003"]
    assert len({*seen}) == 5


def test_it_outlives_edged_and_what_was_lost_is_set_right() -> None:
    rig = Rig().up("AppDown", "other").up("DependencyDown", "broker").wait(5.0)
    before = rig.open
    rig.restart()
    assert [i.id for i in rig.open] == [i.id for i in before] and not rig.events(IncidentClosed)
    rig.put("AppDown", "other", None)  # a part of the state was damaged
    rig.put("CrashLoop", "base", Alert(severity="critical", since=rig.now, summary="it ended three times"))
    rig.restart().holds()
    assert rig.open[0].restored_at == rig.now
    assert any(a.name == "CrashLoop" for i in rig.open for a in i.firing)


def test_a_quiet_turn_writes_nothing_and_what_is_forgotten_is_deleted() -> None:
    rig, disk = Rig(hold=1.0, reopen=0.0), dict[str, bytes]()
    differ = Differ({})
    for _ in range(MOST_CLOSED + 5):
        rig.up("AppDown", "other").down("AppDown", "other").wait(2.0)
        disk.update(differ.changes(rig.state))
        assert differ.changes(rig.state) == {} == differ.changes(replace(rig.state, broker=True))
    kept = {key for key, data in disk.items() if data and key.startswith("incident/")}
    assert len(kept) == MOST_CLOSED and len({key for key in disk if key.startswith("incident/")}) == MOST_CLOSED + 5
    again = Differ({key: data for key, data in disk.items() if data})
    restored = restore(disk, rig.config).incidents
    assert again.changes(replace(rig.state, incidents=restored)) == {}, "what was read needs no writing"
    assert [*restored.closed] == [*rig.state.incidents.closed]


def test_a_turn_without_events_is_left_alone() -> None:
    rig = Rig().up("AppDown", "other")
    state = rig.state
    rig.now += 1.0
    assert rig.feed().state is state


def test_by_command_one_takes_care_of_all_of_it_and_leaves_a_note() -> None:
    w = World({"a": app(restart={"enabled": False})})
    w.crash("a")
    w.run(5.0)
    (incident,) = w.state.incidents.open.values()
    w.command("alert.ack", incident=incident.id, note="mine")
    (incident,) = w.state.incidents.open.values()
    assert incident.acknowledged is not None and incident.acknowledged.note == "mine" and incident.responded_at == w.now
    assert w.app("a").kept.alerts["AppDown"].acknowledged is not None
    w.command("incident.note", incident=incident.id, text="the plug")
    assert "the plug" in w.state.incidents.open[incident.id].timeline[-1].text
    for args, reason in (
        ({"incident": "INC-1"}, "not_open"),
        ({"incident": incident.id, "name": "AppDown"}, "bad_arguments"),
        ({"name": "AppDown"}, "bad_arguments"),
        ({}, "bad_arguments"),
    ):
        assert reason_of(w.command("alert.ack", **args)) == reason
    w.start("a")
    w.run(30.0)
    assert reason_of(w.command("alert.ack", incident=incident.id)) == "not_firing"
    w.run(400.0)
    w.command("incident.note", incident=incident.id, text="too late for the board, not for the record")
    assert "too late" in w.state.incidents.closed[incident.id].timeline[-1].text
    assert reason_of(w.command("incident.note", incident="INC-1", text="x")) == "unknown_incident"


def reason_of(world: World) -> str:
    """Of the last answer."""
    return world.events(CommandAnswered)[-1].reason


def test_a_reload_leaves_open_ones_alone_and_takes_leave_of_what_is_not_watched() -> None:
    off = {"restart": {"enabled": False}}
    w = World({"a": app(**off), "b": app(**off)})
    w.crash("a")
    w.crash("b")
    w.run(60.0)
    first, second = w.state.incidents.open.values()
    rules = replace(w.config.incidents, hold=5.0)
    w.reload(replace(w.config, apps={"a": w.config.apps["a"]}, incidents=rules), ("apps.b", "incidents.hold"))
    assert [*w.state.incidents.open] == [first.id, second.id] and not w.state.incidents.open[second.id].firing
    w.run(6.0)
    assert [*w.state.incidents.open] == [first.id] and second.id in w.state.incidents.closed


def test_the_judge_folds_them_in_at_the_end_of_its_turn() -> None:
    w = World({"a": app()})
    w.crash("a")
    w.run(60.0)
    kinds = [type(e).__name__ for _, e in w.told]
    assert kinds.index("IncidentOpened") == kinds.index("RecoveryStarted") + 1
    (incident,) = w.state.incidents.open.values()
    assert [d.action for d in incident.actions] == ["StartContainer"] and incident.actions[0].ok
    idle = judge(w.state, facts.Tick(at=w.now), w.config, w.now)
    assert idle.state.incidents is w.state.incidents
