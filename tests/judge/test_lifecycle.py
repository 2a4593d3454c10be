"""edged's own start and stop, broker, storage, spool; and what is remembered."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edged.config import Config, Dependency
from edged.durable import Differ, encode, restore, sections
from edged.vocabulary import facts
from edged.vocabulary.events import (
    AlertCleared,
    AlertRaised,
    ConfigRefused,
    EdgedStarted,
    EdgedStopping,
    EventsDropped,
    StorageTrouble,
)
from edged.vocabulary.state import Kept, Recovery

from .world import World, app

BROKER = Config(dependencies={"broker": Dependency(tcp="127.0.0.1:1883", failures=1)})


def test_a_start_says_how_the_run_before_ended() -> None:
    w = World({"a": app()})
    (told,) = w.events(EdgedStarted)
    assert (told.boot, told.previous_end, told.host_rebooted) == (1, "first", False)
    w.restart_edged()
    assert (w.events(EdgedStarted)[-1].boot, w.events(EdgedStarted)[-1].previous_end) == (2, "crash")


def test_a_stop_says_why() -> None:
    w = World()
    w.feed(facts.StopRequested(at=w.now, reason="signal SIGTERM"))
    assert w.events(EdgedStopping)[0].reason == "signal SIGTERM" and w.state.stopping


def test_a_bad_file_changes_nothing_and_is_told() -> None:
    w = World({"a": app()}).run(2.0).forget()
    before = w.state.apps
    w.feed(facts.ConfigRejected(at=w.now, path="p", errors=("x: wrong",)))
    assert w.events(ConfigRefused)[0].errors == ("x: wrong",)
    assert w.state.apps == before and w.state.config.errors == ("x: wrong",) and w.state.config.refused == 1


def test_the_broker_is_seen_without_an_event() -> None:
    w = World().forget()
    w.feed(facts.BrokerSeen(at=w.now, connected=True, detail="ok"))
    assert w.state.broker and not w.told


def test_what_the_spool_gave_up_is_told() -> None:
    w = World()
    w.feed(facts.SpoolDropped(at=w.now, first=3, last=9, count=7, reason="age"))
    assert w.events(EventsDropped)[0].count == 7


def test_storage_trouble_is_told_when_it_begins_and_ends() -> None:
    w = World().forget()
    for _ in range(3):
        w.feed(facts.StorageSeen(at=w.now, ok=False, error="disk full"))
    w.feed(facts.StorageSeen(at=w.now, ok=True))
    assert [e.ok for e in w.events(StorageTrouble)] == [False, True]


# What is remembered


def test_a_quiet_hour_writes_nothing() -> None:
    w = World({"a": app()}, config=BROKER).run(5.0)
    stored = dict(w.disk)
    for _ in range(60):
        w.resources()
        w.host()
        w.list_now()
        w.probe("broker", kind="dependency")
        w.run(60.0)
    assert w.disk == stored


def test_what_is_stored_is_restored() -> None:
    w = World({"a": app()}, config=BROKER).run(5.0)
    w.probe("broker", False, kind="dependency")
    w.crash("a")
    w.run(5.0)
    stored = {key: encode(part) for key, part in sections(w.state).items()}
    again = restore(stored, w.config)
    assert {key: encode(part) for key, part in sections(again).items()} == stored


def test_an_unreadable_part_is_left_out_and_the_rest_is_kept() -> None:
    w = World({"a": app(), "b": app()}).run(5.0)
    w.docker_stop("b")
    w.run(2.0)
    again = restore(w.disk | {"app/a": b"{broken"}, w.config)
    assert again.apps["a"].kept == Kept() and again.apps["b"].kept.stopped is not None


def test_alerts_survive_and_are_not_raised_again() -> None:
    w = World({"a": app()}, config=BROKER).run(5.0)
    w.probe("broker", False, kind="dependency")
    w.boxes["a"].start_error = "no"
    w.crash("a")
    w.run(5.0)
    before = w.firing()
    w.forget().restart_edged().run(0.5)
    w.probe("broker", False, kind="dependency")
    assert w.firing() == before and not w.events(AlertRaised)


def test_an_alert_of_a_dependency_that_went_with_the_file_is_cleared_at_the_next_start() -> None:
    w = World({"a": app()}, config=BROKER).run(5.0)
    w.probe("broker", False, kind="dependency")
    w.kill_edged()
    w.config = replace(w.config, dependencies={})
    w.begin()
    assert [(e.name, e.subject) for e in w.events(AlertCleared)] == [("DependencyDown", "broker")]
    assert not w.disk.get("dependency/broker")


def test_so_is_one_of_an_app() -> None:
    w = World({"a": app(), "b": app()}).run(5.0)
    w.boxes["b"].start_error = "no"
    w.crash("b")
    w.run(5.0)
    w.kill_edged()
    w.config = replace(w.config, apps={"a": app()})
    w.begin()
    w.run(1.0)
    assert {e.subject for e in w.events(AlertCleared)} == {"b"}


def test_discovered_apps_are_excused_after_a_reboot_too() -> None:
    w = World(boxes={"x": {"status": "running", "labels": {"edged.enable": "true"}}}).run(5.0)
    w.kill_edged()
    w.boxes["x"].status = "exited"
    w.begin(rebooted=True, end="power")
    w.run(5.0)
    assert w.condition("x") == "healthy" and not w.app("x").kept.recovery.charged


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_shutdown_of_the_host_is_no_stop_by_a_person(order: str) -> None:
    w = World({"a": app()}).run(60.0)
    if order == "before":
        w.docker_stop("a")
        w.run(2.0)
    w.feed(facts.StopRequested(at=w.now, reason="signal SIGTERM"))
    if order == "after":
        w.docker_stop("a")
        w.run(0.5)
    assert w.app("a").kept.stopped is not None
    w.kill_edged()
    w.run(30.0)
    w.begin(rebooted=True, end="clean")
    w.run(5.0)
    assert w.condition("a") == "healthy" and not w.app("a").kept.recovery.charged


def test_a_stop_long_before_the_shutdown_is_one() -> None:
    w = World({"a": app()}).run(60.0)
    w.docker_stop("a")
    w.run(60.0)
    w.feed(facts.StopRequested(at=w.now, reason="signal SIGTERM"))
    w.kill_edged()
    w.begin(rebooted=True, end="clean")
    w.run(60.0)
    assert w.condition("a") == "stopped"


def test_a_restart_of_edged_alone_doubts_nothing() -> None:
    w = World({"a": app()}).run(60.0)
    w.docker_stop("a")
    w.run(2.0)
    w.feed(facts.StopRequested(at=w.now, reason="signal SIGTERM"))
    w.kill_edged()
    w.begin(end="clean")
    w.run(60.0)
    assert w.condition("a") == "stopped"
    w.kill_edged()
    w.begin(rebooted=True, end="power")
    w.run(60.0)
    assert w.condition("a") == "stopped"


def test_ids_of_actions_are_never_used_twice() -> None:
    w = World({"a": app()}).run(5.0)
    for _ in range(3):
        w.crash("a")
        w.run(5.0)
        w.restart_edged()
    ids = [action.id for _, action in w.asked]
    assert len(ids) == len(set(ids)) >= 6


def test_the_differ_deletes_what_is_gone() -> None:
    w = World({"a": app()}).run(5.0)
    differ = Differ({"app/old": b"{}"})
    assert differ.changes(w.state)["app/old"] == b""


def test_a_recovery_that_was_being_verified_goes_on_being_verified() -> None:
    recovery = Recovery(phase="acting", remedy="restart", action_id="a-1-2", command="c1", acted_at=5.0, deadline=90.0)
    again = restore({"app/a": encode(Kept(recovery=recovery))}, Config(apps={"a": app()})).apps["a"].kept.recovery
    assert (again.phase, again.action_id, again.command, again.acted_at) == ("verifying", "", "c1", 5.0)


def test_one_that_had_not_begun_to_act_begins_anew() -> None:
    recovery = Recovery(phase="capturing", remedy="restart", action_id="a-1-1")
    again = restore({"app/a": encode(Kept(recovery=recovery))}, Config(apps={"a": app()})).apps["a"].kept.recovery
    assert again.phase == "idle"
