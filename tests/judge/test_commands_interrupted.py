"""edged ends while a command is carried out: the next run gives the one last answer."""

from __future__ import annotations

from typing import Any

import pytest

from edged.durable import Differ, restore
from edged.vocabulary import facts
from edged.vocabulary.events import CommandAnswered
from edged.vocabulary.state import CommandState

from .dockerd import UNIX
from .world import World, app

FINAL = ("succeeded", "failed", "rejected")


def one(**more: Any) -> World:
    return World({"a": app(**more)}).run(2.0).forget()


def finals(w: World) -> list[tuple[str, str]]:
    return [(e.status, e.reason) for e in w.events(CommandAnswered) if e.status in FINAL]


def asked(w: World, kind: str) -> bool:
    return kind in w.actions("a", evidence=True)


@pytest.mark.parametrize("kind", ["restart", "stop", "start"])
@pytest.mark.parametrize("rebooted", [False, True])
def test_whenever_edged_ends_there_is_one_last_answer(kind: str, rebooted: bool) -> None:
    def world() -> World:
        w = one()
        if kind == "start":
            w.docker_stop("a")
            w.run(15.0).forget()
        return w.command(kind, app="a")

    reference = world().run(30.0)
    moments = sorted({at for at, _ in reference.asked} | {at for at, _ in reference.told})
    assert len(moments) > 2 and finals(reference) == [("succeeded", "")]
    for moment in moments:
        for after in (0.0, 0.0015):
            w = world()
            w.run(max(0.0, moment + after - w.now))
            w.kill_edged()
            w.run(0.5)
            w.begin(rebooted=rebooted, end="power" if rebooted else "crash")
            w.run(120.0)
            (last,) = finals(w)
            assert last in (("succeeded", ""), ("failed", "interrupted")), (moment, after, last)
            assert not w.state.commands and not any(w.disk[k] for k in w.disk if k.startswith("command/"))
            if last[0] == "succeeded":
                assert w.condition("a") == ("stopped" if kind == "stop" else "healthy"), (moment, after)


def just_restarted() -> World:
    """So that nobody has looked yet when the present run began."""
    w = one().command("restart", app="a").run(3.0)
    container = w.app("a").container
    assert container is not None and container.started_at is None and finals(w) == [("succeeded", "")]
    return w.forget()


@pytest.mark.parametrize("known", [True, False])
def test_what_the_engine_went_on_with_is_a_success(known: bool) -> None:
    w = (one() if known else just_restarted()).command("restart", app="a")
    w.until(lambda: asked(w, "RestartContainer"))
    runs = w.boxes["a"].run
    w.restart_edged(5.0)
    w.run(30.0)
    assert finals(w) == [("succeeded", "")] and w.boxes["a"].run == runs + 1


@pytest.mark.parametrize("known", [True, False])
def test_what_the_engine_never_began_is_no_success_though_the_app_is_well(known: bool) -> None:
    w = one() if known else just_restarted()
    if known:
        w.inspect("a")
    w.command("restart", app="a")
    w.lost = {"RestartContainer"}
    w.until(lambda: asked(w, "RestartContainer"))
    w.lost = set()
    w.restart_edged(0.5)
    w.inspect("a")
    w.run(60.0)
    assert finals(w) == [("failed", "interrupted")] and w.condition("a") == "healthy"
    assert w.app("a").kept.recovery.phase == "idle" and w.actions("a") == ["RestartContainer"]


@pytest.mark.parametrize("known", [True, False])
def test_a_start_that_the_engine_tells_again_is_no_restart(known: bool) -> None:
    w = just_restarted()
    w.host(wall=UNIX + w.now)
    began = w.seen(w.boxes["a"]).started_at
    if known:
        w.inspect("a")
    w.command("restart", app="a")
    w.lost = {"RestartContainer"}
    w.until(lambda: asked(w, "RestartContainer"))
    w.lost = set()
    w.restart_edged(0.5)
    w.run(0.5)
    w.host(wall=UNIX + w.now)
    again = facts.ContainerChanged(at=w.now, id=w.boxes["a"].id, name="a", action="start", time=began or 0.0)
    w.feed(again)
    w.run(1.0)
    assert finals(w) == [], "healthy again, and nobody has looked yet since when"
    w.inspect("a")
    w.run(1.0)
    assert finals(w) == [("failed", "interrupted")] and w.condition("a") == "healthy"


def test_what_had_not_begun_is_not_done_any_more_and_that_is_said() -> None:
    w = one()
    w.lost = {"CaptureEvidence"}
    w.command("restart", app="a").run(1.0)
    w.lost = set()
    w.restart_edged()
    (answer,) = [e for e in w.events(CommandAnswered) if e.status in FINAL]
    assert (answer.status, answer.reason, answer.subject) == ("failed", "interrupted", "a")
    assert "ask again" in answer.message and answer.origin == "local:uid=1(ann)"
    w.run(30.0)
    assert not w.actions("a") and len(finals(w)) == 1


def test_who_asks_again_gets_the_same_answer() -> None:
    w = one().command("restart", app="a", identity="x")
    w.until(lambda: asked(w, "RestartContainer"))
    w.restart_edged()
    w.run(30.0).forget()
    w.command("restart", app="a", identity="x")
    assert finals(w) == [("succeeded", "")] and not w.actions("a")


def test_a_slow_start_after_a_long_night_is_waited_for() -> None:
    """edged's clock goes on while the device is off: that is no patience spent."""
    w = World({"a": app(health={"http": "http://127.0.0.1:1/", "start_period": 60.0})})
    w.every(1.0, w.probes)
    w.run(2.0).forget()
    w.boxes["a"].policy = "always"
    w.command("restart", app="a")
    w.until(lambda: asked(w, "RestartContainer"))
    w.kill_edged()
    w.run(10.0)
    w.boxes["a"].sick = True
    w.run(36000.0)
    w.begin(rebooted=True, end="power")
    w.run(30.0)
    assert not finals(w)
    w.boxes["a"].sick = False
    w.run(10.0)
    assert finals(w) == [("succeeded", "")]


def test_a_command_about_an_app_that_is_no_more_is_answered() -> None:
    w = World({"a": app(), "b": app()}).run(2.0).forget()
    w.command("restart", app="b")
    w.until(lambda: "RestartContainer" in w.actions("b"))
    w.kill_edged()
    w.config = type(w.config)(apps={"a": app()})
    w.begin(end="crash")
    w.run(10.0)
    assert [status for status, _ in finals(w)] == ["failed"] and not w.state.commands


def test_open_commands_survive_as_bytes() -> None:
    w = one().command("restart", app="a")
    stored = {key: data for key, data in Differ({}).changes(w.state).items() if data}
    again = restore(stored, w.config)
    assert again.commands == w.state.commands == {"c1": CommandState("c1", "restart", "a", "local:uid=1(ann)", w.now)}
