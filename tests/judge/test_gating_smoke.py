"""The smoke test within the gate: when it is made, what it decides, and when it is made again."""

from __future__ import annotations

from typing import Any

import pytest

from edged.config import Gate
from edged.judge import gate
from edged.vocabulary.actions import SmokeTest
from edged.vocabulary.deployments import GateCheck, Signals
from edged.vocabulary.events import DeploymentChanged

from .test_deployment import METRICS, NEW, OLD, Depot, traffic
from .test_deployment_interrupted import asked, lose

URL = "http://127.0.0.1:8080"
WRONG = "smoke|/predict answered 0.93 where 0.12 was expected (scores[0])"
RULES = Gate(window=60.0, min_samples=20)
ANSWERED = GateCheck(name="smoke", ok=True, why="3 smoke requests were answered as expected", samples=3)


class Smoking(Depot):
    """The bundle brings smoke inputs, and the app says where it answers."""

    def __init__(self, reload: Any = "restart", url: str = URL, **more: Any) -> None:
        settings = {"path": "/models", "reload": reload, "gate": {"window": 60.0, "min_samples": 20}}
        settings |= {"smoke": url} if url else {}
        super().__init__(model=settings, **more)
        self.forget()

    def verified(self, action: Any) -> dict[str, Any]:
        return super().verified(action) | {"smoke": True}

    def last(self) -> DeploymentChanged:
        return self.events(DeploymentChanged)[-1]

    def smokes(self) -> list[tuple[float, SmokeTest]]:
        return [(at, action) for at, action in self.asked if isinstance(action, SmokeTest)]

    def began(self, phase: str) -> float:
        return next(at for at, event in self.told if isinstance(event, DeploymentChanged) and event.new == phase)


def silent(**more: Any) -> Smoking:
    """Its metrics are read, and nobody asks it anything."""
    world = Smoking(**METRICS, **more)
    world.every(1.0, lambda: traffic(world, 7.0))
    return world


def test_it_is_made_early_and_once_and_is_told() -> None:
    world = Smoking()
    world.deploy().until(world.over)
    ((at, action),) = world.smokes()
    assert world.phases()[-1] == "committed" and at - world.began("gating") < 1.0
    assert (action.digest, action.url) == (NEW, URL)
    assert next(c for c in world.last().checks if c.name == "smoke").ok
    assert world.began("committed") - world.began("gating") >= 60.0, "it takes the place of traffic, not of the window"


def test_another_answer_ends_it_at_once() -> None:
    world = Smoking()
    world.failing = {"SmokeTest": WRONG}
    world.deploy().until(world.over)
    last = world.last()
    assert (last.new, last.code) == ("rolled_back", "gate_smoke") and "0.93 where 0.12" in last.reason
    assert world.in_place == OLD and world.app("a").kept.placed["model"].quarantined == (NEW,)
    assert world.began("rolling_back") - world.began("gating") < 2.0 and len(world.smokes()) == 1


def test_without_traffic_a_passed_one_is_enough() -> None:
    world = silent()
    world.deploy().until(world.over, within=900.0)
    assert world.phases()[-1] == "committed" and world.in_place == NEW


def test_it_is_not_made_when_nobody_said_where_the_app_answers() -> None:
    world = silent(url="")
    world.deploy().until(world.over, within=900.0)
    assert (world.last().new, world.last().code, world.smokes()) == ("rolled_back", "gate_traffic", [])


def test_an_app_that_does_not_answer_yet_is_asked_again_and_not_for_ever() -> None:
    world = Smoking()
    world.failing = {"SmokeTest": "unreachable|http://127.0.0.1:8080/predict: connection refused"}
    world.deploy().until(lambda: len(world.smokes()) == 3)
    world.failing = {}
    world.until(world.over)
    assert world.phases()[-1] == "committed" and len(world.smokes()) == 4
    world = Smoking()
    world.failing = {"SmokeTest": "timeout|the app answered 0 of 3 smoke requests within 5s"}
    world.deploy().until(world.over)
    assert (world.last().new, world.last().code, len(world.smokes())) == ("rolled_back", "gate_smoke", 5)
    assert world.began("rolling_back") - world.began("gating") < 30.0


def test_an_app_that_was_sent_a_signal_has_a_moment_to_read_the_new_one() -> None:
    world = Smoking(reload={"signal": "HUP"})
    world.failing = {"SmokeTest": WRONG}
    world.deploy().until(lambda: len(world.smokes()) == 2)
    world.failing = {}
    world.until(world.over)
    assert world.phases()[-1] == "committed"


def test_one_that_keeps_its_old_model_is_found_out() -> None:
    """Healthy all the time, and it answers as ever."""
    world = Smoking(reload={"signal": "HUP"})
    world.failing = {"SmokeTest": WRONG}
    world.deploy().until(world.over)
    assert (world.last().new, world.last().code) == ("rolled_back", "gate_smoke")
    assert world.in_place == OLD and world.condition("a") == "healthy"


def test_when_edged_ends_meanwhile_it_is_made_again() -> None:
    world = Smoking()
    world.deploy()
    lose(world, "SmokeTest")
    world.until(world.over)
    assert world.phases()[-1] == "committed" and asked(world, "SmokeTest") == 2
    assert [c.name for c in world.last().checks].count("smoke") == 1


def test_edged_ends_at_any_moment_of_one_that_fails() -> None:
    reference = Smoking()
    reference.failing = {"SmokeTest": WRONG}
    reference.deploy().until(reference.over)
    begin, end = reference.began("gating"), reference.began("rolled_back")
    moments = sorted({at for at, _ in (*reference.asked, *reference.told) if begin <= at <= end})
    assert len(moments) >= 4
    for moment in moments:
        world = Smoking()
        world.failing = {"SmokeTest": WRONG}
        world.deploy().run(max(0.0, moment + 0.0015 - world.now))
        world.restart_edged(0.5)
        world.until(world.over)
        assert world.phases()[-1] == "rolled_back" and world.in_place == OLD, moment


def test_going_back_is_held_to_it_as_well() -> None:
    world = Smoking()
    world.deploy().until(world.over)
    world.run(5.0).forget()
    world.command("model.rollback", app="a")
    world.until(world.over)
    ((_, action),) = world.smokes()
    assert world.phases()[-1] == "committed" and (world.in_place, action.digest) == (OLD, OLD)


def test_a_crash_while_it_is_made_is_the_apps_end() -> None:
    world = Smoking()
    world.failing = {"SmokeTest": "unreachable|connection refused"}
    world.deploy().until(lambda: len(world.smokes()) == 1)
    world.crash("a")
    world.until(world.over)
    assert world.last().new == "rolled_back" and world.last().code in ("gate_health", "gate_restarts")
    assert world.in_place == OLD


def seen(**more: Any) -> gate.Seen:
    base = {"condition": "healthy", "reason": "", "seconds": 200.0, "restarts": 0, "watched": True, "traffic": None}
    return gate.Seen(**(base | more))


BEFORE = Signals(seconds=600.0, requests=100.0)


@pytest.mark.parametrize(
    ("given", "baseline", "verdict"),
    [
        ({}, None, "inconclusive"),
        ({"smoke": ANSWERED}, None, "pass"),
        ({"smoke": ANSWERED}, BEFORE, "pass"),
        ({"smoke": ANSWERED, "seconds": 59.0}, None, "open"),
        ({"smoke": ANSWERED, "seconds": 61.0, "patience": 10.0}, None, "open"),
        ({"smoke": ANSWERED, "restarts": 1}, None, "fail"),
        ({"smoke": ANSWERED, "condition": "unhealthy"}, None, "fail"),
        ({"smoke": GateCheck(name="smoke", ok=False), "seconds": 1.0}, None, "fail"),
        ({"asking": True, "watched": False}, None, "open"),
        ({"asking": True}, None, "open"),
        ({"smoke": ANSWERED, "blind": "its metrics cannot be read"}, None, "pass"),
        ({"smoke": ANSWERED, "blind": "its metrics cannot be read any more"}, BEFORE, "inconclusive"),
    ],
)
def test_what_it_counts_for(given: dict[str, Any], baseline: Signals | None, verdict: str) -> None:
    assert gate.look(seen(**given), baseline, RULES).verdict == verdict
