"""``alert.ack`` and ``incident.note``: what people add to what edged tells."""

from __future__ import annotations

from typing import Any

import pytest

from edged.config import Config, Dependency
from edged.report.retained import changes
from edged.report.snapshot import Snapshot
from edged.vocabulary import facts
from edged.vocabulary.events import AlertAcknowledged, AlertChanged, CommandAnswered, NoteTaken
from edged.vocabulary.state import Alert

from .world import World, app


def broken(**more: Any) -> World:
    w = World({"a": app(restart={"enabled": False})}, **more).run(2.0)
    w.crash("a")
    return w.run(5.0).forget()


def last(w: World) -> tuple[str, str]:
    told = w.events(CommandAnswered)[-1]
    return told.status, told.reason


def alert(w: World) -> Alert:
    return w.app("a").kept.alerts["AppDown"]


def shot(w: World) -> Snapshot:
    return Snapshot(w.state, w.config, w.now, 1.7e9 + w.now)


def test_it_is_marked_with_who_when_and_why_and_told() -> None:
    w = broken()
    before = shot(w)
    w.command("alert.ack", name="AppDown", subject="a", note="I am on it")
    seen = alert(w).acknowledged
    assert last(w) == ("succeeded", "") and seen is not None
    assert (seen.by, seen.at, seen.note) == ("local:uid=1(ann)", w.now, "I am on it")
    (told,) = w.events(AlertAcknowledged)
    assert (told.subject, told.name, told.severity, told.by) == ("a", "AppDown", "critical", "local:uid=1(ann)")
    topic = changes(before, shot(w))["alert/AppDown/a"]
    assert b'"acknowledged":{"at":' in topic and b"I am on it" in topic


def test_it_outlives_edged_and_ends_with_the_alert() -> None:
    w = broken()
    w.command("alert.ack", name="AppDown", subject="a")
    w.restart_edged().run(5.0)
    assert alert(w).acknowledged is not None
    w.start("a")
    w.run(5.0)
    assert not w.firing("a")
    w.crash("a")
    w.run(5.0)
    assert alert(w).severity == "critical" and alert(w).acknowledged is None


def test_what_does_not_fire_cannot_be_acknowledged() -> None:
    w = broken()
    before = w.state.apps
    for name, subject in (("AppDown", "b"), ("Unhealthy", "a"), ("AppDown", "host"), ("EngineDown", "engine")):
        w.command("alert.ack", name=name, subject=subject)
        assert last(w) == ("rejected", "not_firing")
    assert w.state.apps == before and not w.events(AlertAcknowledged)


def test_alerts_of_the_host_the_engine_and_dependencies() -> None:
    w = World({"a": app()}, config=Config(dependencies={"plc": Dependency(tcp="127.0.0.1:1")})).run(2.0)
    w.every(1.0, lambda: w.host(used=0.97))
    for _ in range(5):
        w.probe("plc", False, kind="dependency")
        w.run(10.0)
    w.hang_engine()
    w.run(60.0).forget()
    firing = {("HighMemory", "host"), ("EngineDown", "engine"), ("DependencyDown", "plc")}
    for name, subject in firing:
        w.command("alert.ack", name=name, subject=subject)
        assert last(w) == ("succeeded", ""), name
    state = w.state
    assert state.host.alerts["HighMemory"].acknowledged and state.engine.alerts["EngineDown"].acknowledged
    assert state.dependencies["plc"].alerts["DependencyDown"].acknowledged


def test_one_that_becomes_worse_is_to_be_seen_anew() -> None:
    used = [0.85]
    w = World({"a": app()}).run(2.0)
    w.every(1.0, lambda: w.host(used=used[0]))
    w.run(60.0)
    w.command("alert.ack", name="HighMemory", subject="host")
    assert w.state.host.alerts["HighMemory"].acknowledged is not None
    used[0] = 0.97
    w.run(60.0)
    assert w.events(AlertChanged)[-1].severity == "critical"
    assert w.state.host.alerts["HighMemory"].acknowledged is None


def test_a_note_is_kept_as_an_event() -> None:
    w = broken()
    w.command("incident.note", app="a", text="the cable was loose")
    w.command("incident.note", about="host", text="new fan")
    assert [(e.subject, e.text, e.by) for e in w.events(NoteTaken)] == [
        ("a", "the cable was loose", "local:uid=1(ann)"),
        ("host", "new fan", "local:uid=1(ann)"),
    ]
    assert last(w) == ("succeeded", "")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"text": "x"}, "bad_arguments"),
        ({"text": "x", "app": "a", "about": "host"}, "bad_arguments"),
        ({"text": "x" * 2001, "app": "a"}, "bad_arguments"),
        ({"text": "", "app": "a"}, "bad_arguments"),
        ({"text": "x", "about": "weather"}, "bad_arguments"),
        ({"text": "x", "app": "nobody"}, "unknown_app"),
    ],
)
def test_a_note_needs_words_and_something_that_it_is_about(args: dict[str, Any], code: str) -> None:
    w = broken()
    w.feed(facts.CommandReceived(at=w.now, id="n", type="incident.note", args=args, origin="key:ops"))
    assert last(w) == ("rejected", code) and not w.events(NoteTaken)
