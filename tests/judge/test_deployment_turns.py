"""Deployments that wait for their turn, and what else is done to the app meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from edged.vocabulary import facts
from edged.vocabulary.actions import Action
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.events import CommandAnswered, DeploymentChanged

from .test_deployment import INF, METRICS, OLD, Depot

BY_SIGNAL = {"model": {"path": "/models", "reload": {"signal": "HUP"}, "gate": {"window": 60.0}}}
WORK = {
    "fetching": "FetchBundle", "verifying": "VerifyArtifact", "validating": "ValidateArtifact",
    "backing_up": "BackUpArtifact",
}  # fmt: skip


class Numbered(Depot):
    """Each bundle is another version; some actions take their time."""

    def __init__(self, **more: Any) -> None:
        self.made, self.slow = 0, dict[str, float]()
        super().__init__(**more)
        self.results |= {
            "BackUpArtifact": self.backed_up,
            "BackUpData": lambda _: {"name": "b", "digest": "sha256:1", "bytes": 9, "verified": "on the copy"},
            "FindBackup": lambda _: {"name": "b"},
            "RestoreData": lambda _: {"name": "b", "digest": "sha256:1", "aside": "x"},
        }

    def backed_up(self, action: Any) -> dict[str, Any]:
        return {"digest": action.current or OLD}

    def verified(self, action: Any) -> dict[str, Any]:
        self.made += not action.digest
        digest = action.digest or f"sha256:{self.made}"
        return {"digest": digest, "name": "m", "version": "v", "sequence": self.made, "smoke": False}

    def perform(self, action: Action) -> None:
        wait = self.slow.get(type(action).__name__, 0.0)
        if not wait:
            super().perform(action)
            return
        generation = self.generation
        self.at(wait, lambda: Depot.perform(self, action) if generation == self.generation else None)

    def reach(self, phase: str) -> Numbered:
        self.deploy().until(lambda: self.phases()[-1:] == [phase])
        return self

    def idle(self) -> bool:
        return self.over() and self.app("a").kept.waiting is None and not self.app("a").kept.tidying

    def settle(self) -> Numbered:
        self.until(self.idle, within=3000.0)
        return self

    def answer(self, identity: str) -> CommandAnswered:
        return self.events(CommandAnswered, id=identity)[-1]


def test_whoever_waits_hears_that_another_took_the_place() -> None:
    world = Numbered().reach("gating")
    world.command("model.deploy", identity="second", app="a", bundle="/2.tar")
    assert world.answer("second").result == {"waits_for": "c1"}
    world.command("model.deploy", identity="third", app="a", bundle="/3.tar")
    (told,) = world.events(DeploymentChanged, id="second")
    assert (told.old, told.new, told.code) == ("received", "cancelled", "superseded")
    assert (world.answer("second").status, world.answer("second").reason) == ("failed", "superseded")
    world.settle()
    assert world.answer("third").status == "succeeded" and world.in_place == "sha256:2"


def test_a_rollback_behind_a_deployment_goes_back_from_that_one() -> None:
    world = Numbered().reach("gating").settle()
    world.reach("gating").settle().reach("gating")
    assert world.in_place == "sha256:3"
    world.command("model.rollback", app="a")
    world.restart_edged()
    world.settle()
    assert world.in_place == "sha256:2", "and not to the first, which was the one before when it was asked for"


def test_a_rollback_behind_one_that_does_not_stay_goes_no_further_back() -> None:
    world = Numbered().reach("gating").settle()
    world.reach("gating").settle()
    world.sick_with = {"sha256:3"}
    world.reach("reloading")
    world.command("model.rollback", identity="back", app="a")
    world.settle()
    assert world.in_place == "sha256:2" and world.answer("back").reason == "nothing_before"
    assert [e.new for e in world.events(DeploymentChanged, id="back")] == ["cancelled"]


def test_the_one_that_waits_can_be_cancelled() -> None:
    world = Numbered().reach("gating")
    world.command("model.deploy", identity="second", app="a", bundle="/2.tar")
    world.command("deploy.cancel", identity="no", app="a")
    assert world.answer("no").status == "succeeded" and world.answer("second").reason == "cancelled"
    world.settle()
    assert world.in_place == "sha256:1" and world.made == 1


def test_one_that_could_not_even_be_put_in_place_may_come_again() -> None:
    world = Numbered()
    world.failing = {"PlaceArtifact": "no_room|the disk that the engine uses is full"}
    world.deploy()
    while world.phases()[-1:] != ["rolling_back"]:
        world.run(0.0005)
    world.failing = {}
    world.settle()
    assert world.phases()[-1] == "rolled_back" and not world.app("a").kept.placed["model"].quarantined
    world.sick_with = {"sha256:2"}
    world.deploy()
    world.settle()
    assert world.app("a").kept.placed["model"].quarantined == ("sha256:2",)


@pytest.mark.parametrize("verb", ["restart", "stop"])
@pytest.mark.parametrize("phase", WORK)
def test_a_signal_waits_for_what_a_person_has_begun(phase: str, verb: str) -> None:
    """The world allows no two actions on one container."""
    world = Numbered(**BY_SIGNAL)
    world.slow = {"RestartContainer": 30.0, "StopContainer": 30.0, WORK[phase]: 5.0}
    world.reach(phase)
    world.command(verb, identity="person", app="a")
    world.settle()
    assert world.answer("person").status == "succeeded"
    assert world.phases()[-1] == ("committed" if verb == "restart" else "rolled_back")
    assert not world.app("a").kept.placed["model"].quarantined


def test_a_person_does_not_come_between_while_the_app_is_told() -> None:
    world = Numbered(**BY_SIGNAL)
    world.slow = {"SignalContainer": 3.0}
    world.reach("reloading")
    world.command("restart", identity="person", app="a")
    assert (world.answer("person").status, world.answer("person").reason) == ("rejected", "busy")
    world.run(5.0).command("restart", identity="again", app="a")
    world.settle()
    assert world.answer("again").status == "succeeded" and world.phases()[-1] == "committed"


@pytest.mark.parametrize("code", ["busy", "unreachable"])
def test_a_signal_that_could_not_be_sent_says_nothing_of_the_model(code: str) -> None:
    world = Numbered(**BY_SIGNAL)
    world.failing = {"SignalContainer": f"{code}|another action on it is under way"}
    world.reach("reloading").run(20.0)
    assert world.phases()[-1] == "reloading"
    world.failing = {}
    world.settle()
    assert world.phases()[-1] == "committed"


@pytest.mark.parametrize("more", [{}, BY_SIGNAL])
@pytest.mark.parametrize("phase", WORK)
def test_the_swap_comes_after_a_restore_of_its_data(phase: str, more: dict[str, Any]) -> None:
    world = Numbered(data={"path": "/data", "every": 86400.0}, **more)
    world.every(10.0, world.list_soon)
    world.slow = {"RestoreData": 400.0, WORK[phase]: 5.0}
    world.reach(phase)
    world.command("data.restore", identity="restore", app="a")
    world.settle()
    assert world.answer("restore").status == "succeeded" and world.phases()[-1] == "committed"


def test_none_begins_during_a_restore() -> None:
    world = Numbered(data={"path": "/data", "every": 86400.0})
    world.slow = {"RestoreData": 60.0}
    world.command("data.restore", app="a").run(10.0)
    world.command("model.deploy", identity="now", app="a", bundle="/b.tar")
    assert world.answer("now").reason == "busy" and "restored" in world.answer("now").message


def test_metrics_that_were_silent_before_the_swap_are_not_held_against_it() -> None:
    world = Numbered(**METRICS)
    for count in (100.0, 200.0):
        sample = Traffic(at=world.now, requests=count, buckets=((0.01, count), (INF, count)))
        world.feed(facts.TrafficSampled(at=world.now, app="a", traffic=sample))
        world.run(1.0)
    world.feed(facts.CheckFailed(at=world.now, check="metrics", subject="a", error="connection refused"))
    world.reach("gating")
    deployment = world.app("a").kept.deployment
    assert deployment is not None and deployment.baseline is None and world.in_place == "sha256:1"


def test_an_engine_that_stays_away_says_nothing_of_the_model() -> None:
    world = Numbered().reach("gating")
    world.failing = {"RestartEngine": "it stays away"}
    world.stop_engine()
    world.run(8000.0)
    assert world.events(DeploymentChanged, new="rolling_back")[-1].code == "engine_down"
    assert not world.app("a").kept.placed["model"].quarantined
