"""Everything comes up again in order: what is needed and what is essential first, each seen well before the rest."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.config import Model
from edged.judge.order import ranks
from edged.vocabulary import actions as act
from edged.vocabulary import events as ev
from edged.vocabulary import facts
from edged.vocabulary.deployments import Artifact, Kind, Placed
from edged.vocabulary.state import AppState, State

from .test_runbooks import QUICK, ended, told
from .world import World, app, probed

HEALTH = {"every": 1.0, "timeout": 0.5, "failures": 2, "start_period": 3.0}


def plant(**more: Any) -> World:
    """``db`` is needed by the essential ``web``, which ``extra`` has nothing to do with."""
    apps = {
        "extra": probed(priority=90, restart=QUICK, health=HEALTH),
        "web": probed(priority=10, needs=("db",), restart=QUICK, health=HEALTH),
        "db": probed(priority=50, restart=QUICK, health=HEALTH),
        "shy": app(priority=95, restart={"enabled": False}),
    } | more
    w = World(apps)
    w.every(1.0, w.probes)
    w.run(5.0)
    return w.forget()


def starts(w: World) -> list[tuple[str, float]]:
    return [(a.subject, t) for t, a in w.asked if isinstance(a, act.StartContainer)]


def healthy_at(w: World, name: str) -> float:
    return next(t for t, e in w.told if isinstance(e, ev.AppChanged) and (e.subject, e.new) == (name, "healthy"))


def test_what_is_needed_by_the_essential_is_essential() -> None:
    needs = {"a": (50, ("b",)), "b": (70, ("c",)), "c": (90, ()), "d": (60, ())}
    apps = {n: AppState(name=n, config=app(priority=p, needs=needed)) for n, (p, needed) in needs.items()}
    found = ranks(State(apps=apps))
    assert sorted(apps, key=lambda name: found[name]) == ["c", "b", "a", "d"]


def test_apps_that_need_each_other_in_a_circle_have_a_rank_all_the_same() -> None:
    apps = {n: AppState(name=n, config=app(needs=(other,))) for n, other in (("a", "b"), ("b", "a"))}
    assert set(ranks(State(apps=apps))) == {"a", "b"}


def test_after_an_outage_of_the_engine_each_is_seen_well_before_the_next() -> None:
    w = plant()
    w.stop_engine()
    w.run(20.0)
    w.start_engine()
    w.run(60.0)
    assert [name for name, _ in starts(w)] == ["db", "web", "extra"]
    for (_, begun), before in zip(starts(w)[1:], ("db", "web"), strict=True):
        assert begun >= healthy_at(w, before)
    assert told(w, "EngineDown", "engine") == ["restart_engine done", "recover_all done"]
    assert ended(w, "EngineDown", "engine") == ["cleared"] and w.state.runs.keys() == {"AppDown/shy"}


def test_the_first_is_started_as_soon_as_it_is_seen_to_be_down() -> None:
    w = plant()
    w.stop_engine()
    w.run(20.0)
    w.start_engine()
    began = w.now
    w.run(0.5)
    assert starts(w) and starts(w)[0][1] - began < 0.01


def test_one_that_does_not_come_up_does_not_keep_the_rest_down_for_ever() -> None:
    w = plant()
    w.stop_engine()
    w.boxes["db"].start_error = "no space left on device"
    w.run(5.0)
    w.start_engine()
    w.run(120.0)
    assert w.condition("extra") == "healthy" and w.condition("web") == "healthy"
    assert "db (down)" in w.events(ev.RunbookStepEnded, step="recover_all")[0].reason


@pytest.mark.parametrize("engine", [True, False])
def test_after_power_was_gone_the_same_order_holds(engine: bool) -> None:
    w = plant()
    w.kill_edged()
    w.engine_up = engine
    for box in w.boxes.values():
        box.status, box.exit_code = "exited", 255
    w.run(5.0)
    w.begin(rebooted=True, end="power")
    w.run(10.0)
    if not engine:
        assert starts(w) == []
        w.start_engine()
    w.run(60.0)
    assert [name for name, _ in starts(w)] == ["db", "web", "extra"]
    assert starts(w)[1][1] >= healthy_at(w, "db")
    steps = w.events(ev.RunbookStepEnded, step="recover_all")
    assert [step.result for step in steps] == ["done"], "once is enough, whoever asked for it"
    assert w.state.runs.keys() == {"AppDown/shy"}


def test_the_model_of_each_is_tried_before_the_next_begins() -> None:
    w = plant()
    model = Model(path="/models", smoke="http://127.0.0.1:1/")
    for name in ("db", "extra"):
        changed = replace(w.app(name), config=replace(w.app(name).config, model=model))
        placed: dict[Kind, Placed] = {"model": Placed(current=Artifact(digest="sha256:1", name="m", version="1"))}
        changed = replace(changed, kept=replace(changed.kept, placed=placed))
        w.state = replace(w.state, apps={**w.state.apps, name: changed})
        w.config = replace(w.config, apps={**w.config.apps, name: changed.config})
    w.results["SmokeTest"] = lambda action: {"samples": 3}
    w.stop_engine()
    w.run(5.0)
    w.start_engine()
    w.run(60.0)
    asked = [(type(a).__name__, a.subject) for _, a in w.asked if isinstance(a, act.SmokeTest | act.StartContainer)]
    assert asked == [
        ("StartContainer", "db"), ("SmokeTest", "db/artifacts"), ("StartContainer", "web"),
        ("StartContainer", "extra"), ("SmokeTest", "extra/artifacts"),
    ]  # fmt: skip
    assert "db, extra answered the smoke inputs" in w.events(ev.RunbookStepEnded, step="recover_all")[0].reason


def test_edged_may_be_killed_in_the_middle_of_it() -> None:
    w = plant()
    w.stop_engine()
    w.run(5.0)
    w.start_engine()
    w.run(1.5)
    w.restart_edged(0.5)
    w.run(60.0)
    assert [name for name, _ in starts(w)] == ["db", "web", "extra"]
    assert w.state.runs.keys() == {"AppDown/shy"}, "edged only observes that one"


def test_an_app_in_maintenance_is_waited_for_by_nobody() -> None:
    w = plant()
    w.command("maintenance.set", app="db", on=True, seconds=3600.0, why="disk swap")
    w.stop_engine()
    w.run(5.0)
    w.start_engine()
    w.run(70.0)
    assert "db" not in dict(starts(w)) and dict(starts(w)).keys() == {"web", "extra"}


def test_all_down_at_once_are_brought_up_in_order() -> None:
    w = plant()
    w.kill_edged()
    for name in ("extra", "web", "db"):
        w.boxes[name].status, w.boxes[name].exit_code = "exited", 137
    w.run(5.0)
    w.begin(end="crash")
    w.run(60.0)
    assert [name for name, _ in starts(w)] == ["db", "web", "extra"]
    assert starts(w)[2][1] >= healthy_at(w, "web")
    assert told(w, "CompleteFailure", "host") == ["recover_all done"]
    assert ended(w, "CompleteFailure", "host") == ["done"]


def test_whoever_wants_no_order_has_none() -> None:
    w = plant()
    w.kill_edged()
    for name in ("extra", "web", "db"):
        w.boxes[name].status, w.boxes[name].exit_code = "exited", 137
    w.config = replace(w.config, runbooks={"CompleteFailure": ()})
    w.run(5.0)
    w.begin(end="crash")
    w.run(60.0)
    assert not w.events(ev.RunbookBegun, alert="CompleteFailure")
    assert all(w.condition(name) == "healthy" for name in ("extra", "web", "db"))


def test_the_order_holds_from_the_very_list_on() -> None:
    """Apps that neither need each other nor are of one kind: only the order keeps the last one waiting."""
    w = World({"first": probed(priority=1, health=HEALTH), "last": probed(priority=2, health=HEALTH)})
    w.every(1.0, w.probes)
    w.run(5.0)
    w.stop_engine()
    w.run(5.0)
    w.forget()
    w.feed(facts.EngineSeen(at=w.now, up=True, version="25.0"))
    assert w.state.runs["EngineDown/engine"].phase == "recovering"
    w.start_engine()
    w.run(30.0)
    assert [name for name, _ in starts(w)] == ["first", "last"]
    assert starts(w)[1][1] >= healthy_at(w, "first")
