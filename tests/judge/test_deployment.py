"""One deployment from the command to its end, in the simulated world: what is asked, told and remembered."""

from __future__ import annotations

from typing import Any

import pytest

from edged.vocabulary import facts
from edged.vocabulary.actions import Action, PlaceArtifact, TidyArtifacts, VerifyArtifact
from edged.vocabulary.deployments import Phase, Traffic
from edged.vocabulary.events import CommandAnswered, DeploymentChanged, RecoveryStarted

from .world import World, app, probed

NEW, OLD = "sha256:new", "sha256:old"
MODEL = {"path": "/models", "gate": {"window": "60"}}
INF = float("inf")


class Depot(World):
    """One app ``a`` whose model can be replaced. ``in_place`` is what lies on its disk."""

    def __init__(self, **more: Any) -> None:
        self.in_place = OLD
        self.sick_with: set[str] = set()
        options = {"model": {"path": "/models", "gate": {"window": 60.0, "min_samples": 20}}} | more
        super().__init__({"a": probed(**options)})
        self.results = {
            "FetchBundle": lambda _: {"bytes": 1},
            "VerifyArtifact": self.verified,
            "ValidateArtifact": lambda _: {"p95": 0.01},
            "BackUpArtifact": lambda _: {"digest": OLD},
            "PlaceArtifact": self.put,
            "TidyArtifacts": lambda _: {},
            "SignalContainer": lambda _: {},
            "SmokeTest": lambda _: {"samples": 3},
        }
        self.every(1.0, self.probes)
        self.until(lambda: self.condition("a") == "healthy")

    def verified(self, action: Action) -> dict[str, Any]:
        assert isinstance(action, VerifyArtifact)
        return {"digest": action.digest or NEW, "name": "m", "version": "2", "sequence": 2, "smoke": False}

    def put(self, action: Action) -> dict[str, Any]:
        assert isinstance(action, PlaceArtifact)
        self.in_place = action.digest
        return {}

    def start_box(self, box: Any, **more: Any) -> str:
        error = super().start_box(box, **more)
        box.sick = self.in_place in self.sick_with
        return error

    def deploy(self, **args: Any) -> Depot:
        self.command("model.deploy", app="a", bundle="/bundle.tar", **args)
        return self

    def phases(self) -> list[str]:
        return [e.new for e in self.events(DeploymentChanged)]

    def answers(self) -> list[tuple[str, str]]:
        return [(e.status, e.reason) for e in self.events(CommandAnswered)]

    def over(self) -> bool:
        return self.app("a").kept.deployment is None


GOOD: list[Phase] = [
    "fetching", "verifying", "validating", "backing_up", "swapping", "reloading", "gating", "committed",
]  # fmt: skip


def test_a_good_one_goes_through_all_phases_and_stays() -> None:
    world = Depot().forget()
    world.deploy().until(world.over)
    assert world.phases() == GOOD
    placed = world.app("a").kept.placed["model"]
    assert placed.current.digest == NEW == world.in_place and placed.current.version == "2"
    assert placed.previous is not None and placed.previous.digest == OLD and placed.highest == 2
    assert world.answers()[0][0] == "accepted" and world.answers()[-1][0] == "succeeded"
    assert [status for status, _ in world.answers()].count("succeeded") == 1
    assert world.actions("a").count("RestartContainer") == 1
    tidy = next(a for _, a in world.asked if isinstance(a, TidyArtifacts))
    assert set(tidy.pinned) == {NEW, OLD}
    world.run(600.0)
    assert world.condition("a") == "healthy" and not world.events(RecoveryStarted)


def test_an_app_that_is_ill_with_the_new_one_gets_the_old_one_back() -> None:
    world = Depot().forget()
    world.sick_with = {NEW}
    world.deploy().until(world.over)
    assert world.phases()[-3:] == ["rolling_back", "reverting", "rolled_back"]
    assert world.in_place == OLD and world.condition("a") == "healthy"
    placed = world.app("a").kept.placed["model"]
    assert placed.current.digest == OLD and placed.quarantined == (NEW,) and placed.previous is None
    last = world.events(CommandAnswered)[-1]
    assert last.status == "failed" and last.result == {"phase": "rolled_back"}
    assert not world.events(RecoveryStarted), "the rollback is the recovery"


def test_an_app_that_dies_within_the_gate_gets_the_old_one_back() -> None:
    world = Depot().forget()
    world.deploy().until(lambda: "gating" in world.phases())
    world.run(5.0)
    world.crash("a")
    world.until(world.over)
    assert world.phases()[-1] == "rolled_back" and world.in_place == OLD
    failed = next(e for e in world.events(DeploymentChanged, new="rolling_back"))
    assert failed.code in ("gate_health", "gate_restarts")


@pytest.mark.parametrize("phase", ["FetchBundle", "VerifyArtifact", "ValidateArtifact", "BackUpArtifact"])
def test_what_goes_wrong_before_the_swap_changes_nothing(phase: str) -> None:
    world = Depot().forget()
    world.failing = {phase: "digest_mismatch|the file is not what the manifest says"}
    world.deploy().until(world.over)
    assert world.phases()[-1] == "refused" and world.in_place == OLD
    assert world.actions("a") == [] and world.answers()[-1] == ("failed", "digest_mismatch")


def test_what_another_attempt_may_mend_is_tried_again() -> None:
    world = Depot().forget()
    world.failing = {"FetchBundle": "unreachable|no route to host"}
    world.deploy().run(20.0)
    assert world.phases() == ["fetching"] and world.actions("a/artifacts").count("FetchBundle") > 2
    world.failing = {}
    world.until(world.over)
    assert world.phases() == GOOD


def test_attempts_are_bounded() -> None:
    world = Depot().forget()
    world.failing = {"BackUpArtifact": "unreachable|the engine is busy"}
    world.deploy().until(world.over, within=7200.0)
    assert world.actions("a/artifacts").count("BackUpArtifact") == 3
    assert world.phases()[-1] == "refused"


def test_edged_ends_at_any_moment_and_the_next_run_goes_on() -> None:
    reference = Depot().forget()
    reference.deploy().until(reference.over)
    moments = sorted({at for at, _ in reference.asked} | {at for at, _ in reference.told})
    for moment in moments:
        for after in (0.0, 0.0015):
            world = Depot().forget()
            world.deploy()
            world.run(max(0.0, moment + after - world.now))
            world.restart_edged(0.5)
            world.until(world.over)
            world.run(3.0)
            assert world.phases()[-1] == "committed", (moment, after, world.phases())
            assert world.in_place == NEW and world.condition("a") == "healthy"
            assert [s for s, _ in world.answers()].count("succeeded") <= 1


def test_one_at_a_time_the_next_one_waits_and_a_third_takes_its_place() -> None:
    world = Depot().forget()
    world.deploy()
    world.deploy()
    world.deploy()
    superseded = world.events(CommandAnswered, reason="superseded")
    assert len(superseded) == 1
    world.until(lambda: world.phases().count("committed") == 2, within=900.0)
    assert world.over() and world.app("a").kept.waiting is None


def test_cancel_until_the_swap() -> None:
    world = Depot().forget()
    world.lost = {"FetchBundle"}
    world.deploy().run(1.0)
    world.command("deploy.cancel", app="a")
    assert world.phases()[-1] == "cancelled" and world.over() and world.in_place == OLD
    world = Depot().forget()
    world.deploy().until(lambda: "gating" in world.phases())
    world.command("deploy.cancel", app="a")
    assert world.events(CommandAnswered, reason="too_late") and not world.over()


def test_rollback_by_a_person_goes_to_the_one_before() -> None:
    world = Depot().forget()
    world.command("model.rollback", app="a")
    assert world.answers() == [("rejected", "nothing_before")]
    world.deploy().until(world.over)
    world.forget().command("model.rollback", app="a")
    world.until(world.over)
    assert "fetching" not in world.phases() and world.phases()[-1] == "committed" and world.in_place == OLD
    assert world.app("a").kept.placed["model"].highest == 2


def test_an_app_without_the_key_is_refused() -> None:
    world = World({"a": app()})
    world.command("model.deploy", app="a", bundle="/b.tar")
    assert world.events(CommandAnswered)[-1].reason == "not_configured"


def test_a_crashed_app_is_recovered_while_a_bundle_is_fetched() -> None:
    world = Depot().forget()
    world.lost = {"FetchBundle"}
    world.deploy().run(5.0)
    world.crash("a")
    world.run(30.0)
    assert world.condition("a") == "healthy" and world.events(RecoveryStarted)


def traffic(world: Depot, requests: float, failed: float = 0.0, slow: float = 0.0) -> None:
    """A scrape: all requests took under 10 ms, ``slow`` of them under 100 ms."""
    buckets = ((0.01, requests - slow), (0.1, requests), (INF, requests))
    sample = Traffic(at=world.now, requests=requests, failed=failed, buckets=buckets)
    world.feed(facts.TrafficSampled(at=world.now, app="a", traffic=sample))


METRICS = {"metrics": {"url": "http://127.0.0.1:1/metrics"}}


@pytest.mark.parametrize(
    ("failed", "slow", "per", "end"),
    [
        (0.0, 0.0, 5.0, "committed"),
        (0.3, 0.0, 5.0, "gate_errors"),
        (0.0, 0.5, 5.0, "gate_latency"),
        (0.0, 0.0, 0.0, "gate_traffic"),
    ],
)
def test_the_gate_holds_the_new_one_against_the_old(failed: float, slow: float, per: float, end: str) -> None:
    world = Depot(**METRICS)
    count = 0.0

    def scrape() -> None:
        nonlocal count
        new = world.in_place == NEW
        count += 5.0 if not new else per
        traffic(world, count, failed * count if new else 0.0, slow * count if new else 0.0)

    world.every(1.0, scrape)
    world.run(100.0).forget()
    world.deploy().until(lambda: world.phases()[-1:] == ["reloading"])
    count = 0.0
    world.until(world.over, within=900.0)
    last = world.events(DeploymentChanged)[-1]
    if end == "committed":
        assert last.new == "committed" and {c.name for c in last.checks} >= {"health", "errors", "latency"}
    else:
        assert last.new == "rolled_back" and last.code == end
        bad = next(c for c in last.checks if not c.ok)
        assert bad.why and (end == "gate_traffic" or bad.samples > 0)
