"""edged's own configuration by command: reloaded, or on trial until it has proved itself."""

from __future__ import annotations

from typing import Any

import pytest

from edged.vocabulary import facts
from edged.vocabulary.events import CommandAnswered, ConfigRefused, ConfigTrial

from .world import World, app

TEXT = "apps: {a: {priority: 3}}\npassword: hunter2\n"
NEW = {"digest": "new", "changed": ["apps.a.priority"], "mqtt": True}


def world(*, broker: bool = False, found: dict[str, Any] | None = None) -> World:
    """One whose executors find ``found`` when they check, and for whom the rest goes well."""
    w = World({"a": app()}).run(5.0)
    if broker:
        w.feed(facts.BrokerSeen(at=w.now, connected=True))
    w.results["CheckConfig"] = lambda action: found or NEW
    w.results["TryConfig"] = lambda action: _in_force(w, "new")
    w.results["UndoConfig"] = lambda action: _in_force(w, "d")
    w.results["KeepConfig"] = lambda action: {"digest": "new"}
    w.results["ReloadConfig"] = lambda action: found or {"errors": [], "path": "p", "changed": ["log"]}
    return w


def _in_force(w: World, digest: str) -> dict[str, Any]:
    w.feed(facts.ConfigLoaded(at=w.now, digest=digest, path="p", changed=("apps.a.priority",)))
    return {"errors": []}


def apply(w: World, hold: float = 20.0) -> World:
    return w.command("edged.config.deploy", config=TEXT, hold=hold)


def answers(w: World) -> list[tuple[str, str]]:
    return [(e.status, e.reason) for e in w.events(CommandAnswered)]


def states(w: World) -> list[str]:
    return [e.state for e in w.events(ConfigTrial)]


def steps(w: World) -> list[str]:
    return [type(a).__name__ for _, a in w.asked if a.subject == "edged"]


def test_one_that_proves_itself_is_kept_when_its_time_is_over() -> None:
    w = apply(world(broker=True)).run(19.0)
    assert states(w) == ["begun"] and steps(w) == ["CheckConfig", "TryConfig"] and w.state.config.digest == "new"
    w.run(2.0)
    assert states(w) == ["begun", "kept"] and steps(w)[-1] == "KeepConfig"
    assert [s for s, _ in answers(w)] == ["accepted", "running", "running", "succeeded"]
    assert w.state.config.trial is None and not w.state.commands and not w.disk["trial"]


def test_one_that_loses_the_broker_is_taken_back_and_says_why() -> None:
    w = apply(world(broker=True)).run(1.0)
    w.feed(facts.BrokerSeen(at=w.now, connected=False, detail="nobody listens on 10.0.0.1:1"))
    w.run(30.0)
    assert states(w) == ["begun", "undone"] and answers(w)[-1] == ("failed", "broker")
    assert w.state.config.digest == "d" and "nobody listens" in w.events(CommandAnswered)[-1].message


def test_a_connection_from_before_says_nothing_of_another_broker() -> None:
    w = apply(world(broker=True, found=NEW | {"changed": ["mqtt.url"]})).run(30.0)
    assert states(w) == ["begun", "undone"] and w.state.broker


def test_a_new_connection_to_another_broker_does() -> None:
    w = apply(world(broker=True, found=NEW | {"changed": ["mqtt.url"]})).run(5.0)
    w.feed(facts.BrokerSeen(at=w.now, connected=False))
    w.run(5.0)
    w.feed(facts.BrokerSeen(at=w.now, connected=True))
    w.run(20.0)
    assert states(w) == ["begun", "kept"]


def test_a_broker_that_was_away_before_is_not_held_against_it() -> None:
    assert states(apply(world()).run(30.0)) == ["begun", "kept"]


def test_a_first_broker_has_to_be_reached() -> None:
    first = NEW | {"changed": ["mqtt"]}
    w = apply(world(found=first)).run(30.0)
    assert states(w) == ["begun", "undone"] and answers(w)[-1] == ("failed", "broker")
    w = apply(world(found=first)).run(5.0)
    w.feed(facts.BrokerSeen(at=w.now, connected=True))
    assert states(w.run(30.0)) == ["begun", "kept"]


def test_an_engine_that_is_gone_at_the_end_is() -> None:
    w = apply(world()).run(5.0)
    w.stop_engine()
    w.run(30.0)
    assert states(w) == ["begun", "undone"] and answers(w)[-1] == ("failed", "engine")


def test_a_bad_one_is_refused_and_nothing_else_happens() -> None:
    w = apply(world(found={"errors": ["x:1:1 there is no key appz"]})).run(30.0)
    assert steps(w) == ["CheckConfig"] and not states(w)
    assert answers(w)[-1] == ("failed", "refused") and w.state.config.refused == 1
    (told,) = w.events(ConfigRefused)
    assert told.errors == ("x:1:1 there is no key appz",) and not w.state.config.errors


def test_from_afar_the_broker_cannot_be_taken_away_and_here_it_can() -> None:
    w = world(broker=True, found=NEW | {"mqtt": False, "changed": ["mqtt"]})
    far = facts.CommandReceived(
        at=w.now, id="far", type="edged.config.deploy", args={"config": TEXT, "hold": 5.0}, origin="fleet:key=ops"
    )
    w.feed(far)
    w.run(10.0)
    assert answers(w)[-1] == ("failed", "refused") and steps(w) == ["CheckConfig"]
    assert states(apply(w, 5.0).run(10.0)) == ["begun", "kept"]


def test_what_is_in_force_already_needs_no_trial() -> None:
    w = apply(world(found=NEW | {"digest": "d"})).run(5.0)
    assert answers(w)[-1] == ("succeeded", "") and steps(w) == ["CheckConfig"]


@pytest.mark.parametrize(
    ("step", "code"), [("CheckConfig", "not_checked"), ("TryConfig", "not_taken"), ("KeepConfig", "not_kept")]
)
def test_a_step_that_fails_ends_with_the_old_one(step: str, code: str) -> None:
    w = world()
    w.failing[step] = "No space left on device"
    apply(w).run(30.0)
    assert answers(w)[-1] == ("failed", code) and "No space left" in w.events(CommandAnswered)[-1].message
    assert states(w)[-1:] == ([] if step == "CheckConfig" else ["undone"])
    assert w.state.config.digest == "d" and w.state.config.trial is None


def test_when_not_even_the_way_back_works_it_is_said() -> None:
    w = world(broker=True)
    w.failing["UndoConfig"] = "the loop did not take it over"
    apply(w).run(1.0)
    w.feed(facts.BrokerSeen(at=w.now, connected=False))
    w.run(30.0)
    assert answers(w)[-1] == ("failed", "broker") and "systemctl restart" in w.events(CommandAnswered)[-1].message


@pytest.mark.parametrize("after", [0.0005, 0.003, 1.0, 19.9])
def test_whatever_ends_edged_meanwhile_ends_the_trial(after: float) -> None:
    w = apply(world()).run(after)
    w.restart_edged()
    w.run(60.0)
    assert [s for s, _ in answers(w) if s not in ("accepted", "running")] == ["failed"]
    assert answers(w)[-1] == ("failed", "interrupted") and w.state.config.trial is None
    assert not w.state.commands


def test_one_that_was_kept_just_before_edged_ended_is_told_as_kept() -> None:
    w = world()
    w.lost.add("KeepConfig")
    apply(w).run(30.0)
    assert w.state.config.trial is not None and w.state.config.trial.phase == "keeping"
    w.kill_edged()
    again = World({"a": app()}, begin=False)
    again.disk, again.now = dict(w.disk), w.now
    again.begin()
    assert answers(again) == [("failed", "interrupted")]
    kept = World({"a": app()}, begin=False)
    kept.disk = {**w.disk, "trial": w.disk["trial"].replace(b'"digest":"new"', b'"digest":"d"')}
    kept.begin()
    assert answers(kept) == [("succeeded", "")] and states(kept) == ["kept"]


def test_the_text_may_hold_a_password_and_is_remembered_nowhere() -> None:
    w = apply(world()).run(10.0)
    assert b"hunter2" not in b"".join(w.disk.values()) and "hunter2" not in repr(w.told) + repr(w.state)
    assert all("hunter2" not in repr(action) for action in w.intents.values())
    assert not any("hunter2" in repr(a) for _, a in w.asked if a.journalled)


def test_one_at_a_time() -> None:
    w = apply(world()).run(1.0)
    w.command("edged.reload")
    assert answers(w)[-1] == ("rejected", "busy")
    apply(w)
    assert answers(w)[-1] == ("rejected", "busy")
    w.run(30.0)
    assert states(w) == ["begun", "kept"]


def test_a_reload_answers_with_its_outcome() -> None:
    w = world().command("edged.reload").run(1.0)
    assert answers(w)[-1] == ("succeeded", "") and "log" in w.events(CommandAnswered)[-1].message
    w = world(found={"errors": ["x:1:1 bad"]}).command("edged.reload").run(1.0)
    assert answers(w)[-1] == ("failed", "refused")
    w = world()
    w.lost.add("ReloadConfig")
    w.command("edged.reload").run(1.0)
    w.restart_edged()
    assert answers(w)[-1] == ("failed", "interrupted")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"config": "x" * (256 * 1024 + 1)}, "too_large"),
        ({"config": " \n"}, "bad_arguments"),
        ({"config": "\udcff"}, "bad_arguments"),
        ({"config": "a: 1", "hold": 0.5}, "bad_arguments"),
        ({"config": "a: 1", "hold": 241}, "bad_arguments"),
        ({"config": "a: 1", "path": "/etc/passwd"}, "bad_arguments"),
        ({}, "bad_arguments"),
    ],
)
def test_arguments_are_checked(args: dict[str, Any], code: str) -> None:
    w = world().command("edged.config.deploy", **args)
    assert answers(w) == [("rejected", code)] and not w.asked
