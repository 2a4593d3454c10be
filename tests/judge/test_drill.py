"""Drills: a failure on purpose, timed, undone in any case, at no cost to the app's budget."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.config import App, Config, Drills, Health, Restart
from edged.judge.drill_plan import next_kind
from edged.vocabulary.actions import InjectSignal, RestoreMemory
from edged.vocabulary.drills import Drilled, DrillEnded, DrillStarted
from edged.vocabulary.events import CommandAnswered
from edged.vocabulary.facts import ConfigLoaded, HostSampled
from edged.vocabulary.world import HostSample

from .world import World, app, probed

GIB = 2**30
MIB = 2**20


def world(**more: Any) -> World:
    w = World({"a": probed(**more)})
    w.every(1.0, w.probes)
    w.every(5.0, w.resources)
    w.every(10.0, w.list_soon)
    hands(w)
    w.run(20.0).forget()
    return w


def hands(w: World) -> None:
    """What the steps do to the simulated container."""

    def signal(action: Any) -> dict[str, Any]:
        box = w.boxes["a"]
        w.change(box, "kill", signal={"KILL": 9, "STOP": 19, "CONT": 18}[action.signal])
        if action.signal == "KILL":
            w.crash("a", 137)
        else:
            box.sick = action.signal == "STOP"
        return {}

    def squeeze(action: Any) -> dict[str, Any]:
        w.change(w.boxes["a"], "oom")
        w.at(0.5, lambda: w.crash("a", 137))
        return {"limit": 6 * MIB}

    w.results.update(
        InjectSignal=signal,
        FindLimits=lambda action: {"memory": 100 * MIB, "swap": -1},
        SqueezeMemory=squeeze,
        RestoreMemory=lambda action: {},
    )


def answers(w: World) -> list[tuple[str, str]]:
    return [(e.status, e.reason or e.result.get("phase", "")) for e in w.events(CommandAnswered)]


def ended(w: World) -> DrillEnded:
    (one,) = w.events(DrillEnded)
    return one


def drill(w: World, kind: str, seconds: float = 120.0) -> World:
    w.command("drill.run", app="a", kind=kind)
    return w.run(seconds)


def well(w: World) -> None:
    assert w.condition("a") == "healthy" and w.app("a").kept.drill is None
    assert not w.app("a").kept.recovery.charged and w.app("a").kept.recovery.attempts == 0


def test_kill_is_noticed_at_once_and_spends_nothing() -> None:
    w = drill(world(), "kill")
    assert w.actions("a", evidence=True) == ["InjectSignal", "CaptureEvidence", "StartContainer"]
    assert answers(w) == [
        ("accepted", ""), ("running", "injecting"), ("running", "detecting"), ("running", "recovering"),
        ("succeeded", ""),
    ]  # fmt: skip
    told = ended(w)
    assert told.ok and told.detection_seconds is not None and told.detection_seconds < 0.2
    assert told.recovery_seconds is not None and told.detection_seconds < told.recovery_seconds < 10.0
    assert w.events(CommandAnswered)[-1].result["detection_seconds"] == told.detection_seconds
    assert not w.app("a").kept.deaths and len(w.events(DrillStarted)) == 1
    well(w)


def test_the_last_one_of_each_kind_is_remembered_unless_it_says_nothing() -> None:
    w = drill(world(), "kill")
    first = w.app("a").kept.drilled
    assert first == {"kill": Drilled(first["kill"].at, True, ended(w).detection_seconds, ended(w).recovery_seconds)}
    w.results["InjectSignal"] = lambda action: {}
    w.command("drill.run", app="a", kind="kill").run(1.0)
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="new camera").run(1.0)
    assert w.events(DrillEnded)[-1].code == "interfered"
    w.restart_edged()
    w.run(100.0)
    assert w.app("a").kept.drilled == first
    drill(w, "hang", 400.0)
    assert w.app("a").kept.drilled.keys() == {"kill", "hang"}
    assert w.app("a").kept.drilled["hang"].code == "not_detected" and not w.app("a").kept.drilled["hang"].ok


def test_a_restart_policy_does_not_act_after_a_kill_through_the_engine_and_edged_does() -> None:
    w = World({"a": probed()}, boxes={"a": {"policy": "always"}})
    w.every(1.0, w.probes)
    hands(w)
    w.run(20.0).forget()
    w.boxes["a"].by_hand = True
    drill(w, "kill")
    assert ended(w).ok and w.actions("a") == ["InjectSignal", "StartContainer"]
    well(w)


def test_hang_is_seen_by_the_health_check_and_mended_by_a_restart() -> None:
    w = world()
    w.command("drill.run", app="a", kind="hang")
    w.until(lambda: "RestartContainer" in w.actions("a"), 60.0)
    w.boxes["a"].sick = False
    w.run(60.0)
    assert w.actions("a", evidence=True) == ["InjectSignal", "CaptureEvidence", "RestartContainer"]
    assert ended(w).ok and (ended(w).detection_seconds or 0.0) > 1.0
    well(w)


@pytest.mark.parametrize("kind", ["kill", "oom"])
def test_what_is_seen_before_the_engine_has_answered_is_detected_then(kind: str) -> None:
    w = world()
    w.lost |= {"InjectSignal", "SqueezeMemory"}
    w.command("drill.run", app="a", kind=kind)
    w.until(lambda: bool({"InjectSignal", "SqueezeMemory"} & set(w.actions("a"))), 5.0)
    _, late = w.asked[-1]
    w.run(1.0)
    w.change(w.boxes["a"], "oom" if kind == "oom" else "kill")
    w.crash("a", 137)
    w.run(8.0)
    assert w.condition("a") == "down" and w.app("a").kept.drill is not None
    w.lost.clear()
    w.busy.pop("a")
    w.feed(w.ended(late, seconds=9.0))
    w.run(60.0)
    told = ended(w)
    assert told.ok and told.detection_seconds is not None and told.recovery_seconds is not None
    assert told.detection_seconds < 2.0 and told.recovery_seconds > 8.0, told
    well(w)


def test_what_nobody_notices_is_undone_and_told_as_a_failure() -> None:
    w = world()
    w.results["InjectSignal"] = lambda action: {}  # others answer its health check
    drill(w, "hang", 400.0)
    signals = [a.signal for _, a in w.asked if isinstance(a, InjectSignal)]
    assert signals == ["STOP", "CONT"]
    assert answers(w)[-1] == ("failed", "not_detected") and ended(w).code == "not_detected"
    assert len([e for e in w.events(CommandAnswered) if e.status in ("failed", "succeeded")]) == 1
    well(w)


def test_unhealthy_takes_good_answers_for_bad_ones_until_it_is_restarted() -> None:
    w = drill(world(), "unhealthy")
    assert w.actions("a", evidence=True) == ["CaptureEvidence", "RestartContainer"]
    assert ended(w).ok and "takes every answer" in str([e for _, e in w.told])
    well(w)


def test_oom_has_its_limit_back_before_it_is_started() -> None:
    w = drill(world(), "oom")
    assert w.actions("a") == ["FindLimits", "SqueezeMemory", "RestoreMemory", "StartContainer"]
    (restored,) = [a for _, a in w.asked if isinstance(a, RestoreMemory)]
    assert (restored.memory, restored.swap) == (100 * MIB, -1)
    assert ended(w).ok
    well(w)


def test_a_limit_that_kills_nothing_is_raised_again() -> None:
    w = world()
    w.results["SqueezeMemory"] = lambda action: {"limit": 6 * MIB}
    drill(w, "oom")
    assert w.actions("a") == ["FindLimits", "SqueezeMemory", "RestoreMemory"]
    assert answers(w)[-1] == ("failed", "no_effect")
    well(w)


@pytest.mark.parametrize("kind", ["hang", "oom"])
def test_edged_ends_in_the_middle_and_the_next_run_undoes_it(kind: str) -> None:
    w = world()
    w.lost |= {"InjectSignal", "SqueezeMemory"}
    w.command("drill.run", app="a", kind=kind)
    w.until(lambda: bool({"InjectSignal", "SqueezeMemory"} & set(w.actions("a"))), 5.0)
    w.lost.clear()
    w.restart_edged()
    w.run(60.0)
    undone = {"hang": "InjectSignal", "oom": "RestoreMemory"}[kind]
    assert w.actions("a")[-1] == undone and ended(w).code == "interrupted"
    assert answers(w)[-1] == ("failed", "interrupted") and not w.state.commands
    well(w)


def test_it_cannot_be_undone() -> None:
    w = world()
    w.results["SqueezeMemory"] = lambda action: {"limit": 6 * MIB}
    del w.results["RestoreMemory"]
    w.failing["RestoreMemory"] = "no"
    drill(w, "oom", 300.0)
    assert ended(w).code == "not_restored" and "memory limit is lowered" in ended(w).reason
    assert w.actions("a").count("RestoreMemory") == 6


def test_a_person_comes_first() -> None:
    w = world()
    w.results["InjectSignal"] = lambda action: {}
    w.command("drill.run", app="a", kind="hang").run(1.0)
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="new camera").run(1.0)
    assert ended(w).code == "interfered" and w.actions("a") == ["InjectSignal", "InjectSignal"]


def refused(w: World, kind: str = "kill", name: str = "a") -> str:
    w.forget()
    w.command("drill.run", app=name, kind=kind).run(0.2)
    last = w.events(CommandAnswered)[-1]
    assert last.status == "rejected" and not w.actions(name), last
    return last.reason


def test_it_does_not_begin_when_something_else_goes_on() -> None:
    w = world()
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="new camera").run(1.0)
    assert refused(w) == "in_maintenance"
    w.command("maintenance.set", app="a", on=False).run(1.0)
    w.boxes["a"].sick = True
    w.until(lambda: w.condition("a") == "unhealthy", 60.0)
    assert w.app("a").kept.recovery.phase != "idle"
    w.forget()
    w.command("drill.run", app="a", kind="kill").run(0.1)
    assert w.events(CommandAnswered)[-1].reason == "busy"


def test_it_does_not_begin_without_what_it_needs() -> None:
    w = World({"a": app(), "b": replace(app(), drills=False), "c": app(restart=Restart(enabled=False))})
    w.run(5.0)
    assert [refused(w, kind) for kind in ("hang", "unhealthy", "oom", "bad-model")] == [
        "no_health_check", "no_health_check", "not_sampled", "not_configured",
    ]  # fmt: skip
    assert refused(w, name="b") == "drills_off" and refused(w, name="c") == "only_observed"
    w.command("drill.run", app="a", kind="kill").run(0.001)
    assert refused(w, name="a") == "busy"


def test_a_circuit_that_is_open_is_left_alone() -> None:
    w = world()
    a = w.app("a")
    opened = replace(a.kept.recovery, open=True, next_at=w.now + 1e6, healthy_since=w.now)
    w.state = replace(w.state, apps={"a": replace(a, kept=replace(a.kept, recovery=opened))})
    assert refused(w) == "circuit_open"


def test_taken_out_of_the_configuration_it_is_undone_before_edged_lets_go() -> None:
    w = world()
    w.results["InjectSignal"] = lambda action: {}
    w.command("drill.run", app="a", kind="hang").run(1.0)
    w.config = replace(w.config, apps={})
    w.feed(ConfigLoaded(at=w.now, digest="sha256:2", path="x", changed=("apps.a",)))
    w.run(5.0)
    assert [type(a).__name__ for _, a in w.asked] == ["InjectSignal", "InjectSignal"]
    assert ended(w).code == "interfered" and "a" not in w.state.apps


def test_by_schedule_within_its_hours_each_kind_in_turn() -> None:
    rules = Drills(every=86400.0, kinds=("kill", "unhealthy"), window="02:00-04:00")
    w = World({"a": app()}, config=Config(drills=rules))
    hands(w)
    begun = w.now

    def clock() -> None:
        sample = HostSample(memory_total=GIB, memory_available=GIB, wall=w.now - begun)
        w.feed(HostSampled(at=w.now, host=sample))

    w.every(600.0, clock)
    w.run(4 * 86400.0)
    started = [(at - begun, e.kind) for at, e in w.told if isinstance(e, DrillStarted)]
    assert 3 <= len(started) <= 4 and all(7200.0 <= at % 86400.0 < 14400.0 for at, _ in started), started
    assert {kind for _, kind in started} == {"kill"}, "without a probe there is nothing that could be unhealthy"
    assert all(e.ok and e.origin == "schedule" for e in w.events(DrillEnded)) and not w.events(CommandAnswered)
    well(w)
    able = world().app("a")
    turns = [replace(able, kept=replace(able.kept, drill_turn=turn)) for turn in range(3)]
    assert [next_kind(turn, rules.kinds) for turn in turns] == ["kill", "unhealthy", "kill"]


def test_no_schedule_no_drill_and_none_without_a_clock() -> None:
    w = World({"a": probed()}, config=Config(drills=Drills(every=60.0, window="00:00-23:59")))
    w.run(86400.0)
    assert not w.events(DrillStarted)
    assert App().drills and Config().drills.every == 0.0 and Health().failures == 3
