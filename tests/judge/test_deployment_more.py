"""Deployments among people: containers made anew, stopped and removed, files changed, commands sent twice."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.config import Config
from edged.vocabulary import facts
from edged.vocabulary.actions import PlaceArtifact
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.events import CommandAnswered, DeploymentChanged

from .test_deployment import INF, METRICS, NEW, OLD, Depot
from .world import probed

COPY = {"model": {"path": "/app/model.onnx", "delivery": "copy", "gate": {"window": 60.0}}}
PHASES = ["fetching", "verifying", "validating", "backing_up", "swapping", "reloading", "gating"]


class Copied(Depot):
    """The model is copied into the container; a new container has the image's own."""

    def __init__(self, **more: Any) -> None:
        self.inside: dict[str, str] = {}
        super().__init__(**(COPY | more))

    def put(self, action: Any) -> dict[str, Any]:
        assert isinstance(action, PlaceArtifact)
        self.inside[action.container_id] = action.digest
        return super().put(action)

    def now_inside(self) -> str:
        container = self.app("a").container
        return self.inside.get(container.id, "image") if container is not None else ""


def reach(world: Depot, phase: str) -> None:
    """A deployment is in this phase, which may take no more than a moment."""
    world.deploy()
    while world.phases()[-1:] != [phase]:
        assert not world.over(), world.phases()
        world.run(0.0005)


def deployed(**more: Any) -> Copied:
    world = Copied(**more)
    world.deploy().until(world.over)
    assert world.phases()[-1] == "committed" and world.now_inside() == NEW
    world.run(5.0).forget()
    return world


def test_a_copy_is_put_in_again_when_the_container_was_made_anew() -> None:
    world = deployed()
    world.recreate("a")
    world.until(lambda: world.phases()[-1:] == ["committed"])
    assert world.now_inside() == NEW and world.phases() == ["swapping", "reloading", "committed"]
    placed = world.app("a").kept.placed["model"]
    assert placed.current.digest == NEW and placed.previous is not None and placed.previous.digest == OLD
    assert world.condition("a") == "healthy" and not world.events(CommandAnswered)
    count = len(world.phases())
    world.run(600.0)
    assert len(world.phases()) == count, "once is enough"


def test_a_copy_is_put_in_again_after_edged_was_away_meanwhile() -> None:
    world = deployed()
    world.kill_edged()
    world.recreate("a")
    world.run(3.0)
    world.begin(end="crash")
    world.until(lambda: world.phases()[-1:] == ["committed"])
    assert world.now_inside() == NEW


def test_a_container_that_was_only_created_gets_it_before_its_first_start() -> None:
    world = deployed()
    world.remove("a")
    world.run(10.0)
    world.create("a", status="created")
    world.until(lambda: world.phases()[-1:] == ["committed"])
    assert world.now_inside() == NEW
    assert world.phases() == ["swapping", "committed"], "whoever made it starts it"
    assert "RestartContainer" not in world.actions("a")


def test_what_is_mounted_is_not_put_in_again() -> None:
    world = Depot()
    world.deploy().until(world.over)
    world.run(5.0).forget()
    world.recreate("a")
    world.run(60.0)
    assert not world.phases() and "PlaceArtifact" not in world.actions("a/artifacts")


def test_putting_it_in_again_is_tried_again_and_told() -> None:
    world = deployed()
    world.failing = {"PlaceArtifact": "no_folder|the image has no /app"}
    world.recreate("a")
    world.until(lambda: world.phases().count("failed") == 2, within=120.0)
    assert "DeploymentFailed" in world.firing("a") and world.now_inside() == "image"
    world.failing = {}
    world.until(lambda: world.phases()[-1:] == ["committed"], within=400.0)
    assert world.now_inside() == NEW and "DeploymentFailed" not in world.firing("a")


def test_maintenance_holds_it_off_and_a_deployment_goes_first() -> None:
    world = deployed()
    world.command("maintenance.set", app="a", on=True, seconds=600.0, why="hands off")
    world.recreate("a")
    world.run(60.0)
    assert not world.phases() and world.now_inside() == "image"
    world.command("maintenance.set", app="a", on=False)
    world.until(lambda: world.phases()[-1:] == ["committed"])
    assert world.now_inside() == NEW


@pytest.mark.parametrize("phase", ["swapping", "reloading", "gating"])
def test_a_copy_that_is_lost_in_mid_deployment_ends_in_a_verified_old_one(phase: str) -> None:
    world = Copied()
    reach(world, phase)
    world.recreate("a")
    world.until(lambda: world.over() and not world.app("a").kept.tidying, within=4000.0)
    world.run(30.0)
    assert world.over() and world.condition("a") == "healthy"
    placed = world.app("a").kept.placed["model"]
    assert world.now_inside() == placed.current.digest
    assert placed.quarantined == () or phase == "reloading", "nothing was wrong with the new one"


@pytest.mark.parametrize("phase", PHASES)
def test_a_person_stops_the_app_in_mid_deployment(phase: str) -> None:
    world = Depot()
    reach(world, phase)
    world.docker_stop("a")
    world.until(world.over, within=4000.0)
    world.run(10.0)
    if world.phases()[-1] == "committed":
        return  # it was restarted by the deployment, and a stop that came before counts no more
    assert world.phases()[-1] in ("rolled_back", "refused")
    assert world.in_place == OLD and world.app("a").kept.placed["model"].quarantined == ()
    if world.condition("a") == "stopped":
        assert world.boxes["a"].status == "exited", "edged starts nothing that a person stopped"


@pytest.mark.parametrize("delivery", ["mount", "copy"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_person_removes_the_container_in_mid_deployment(phase: str, delivery: str) -> None:
    world = Copied() if delivery == "copy" else Depot()
    reach(world, phase)
    world.remove("a")
    world.until(world.over, within=400.0)
    assert world.phases()[-1] in ("rolled_back", "refused"), world.phases()
    if delivery == "mount":
        assert world.in_place == OLD
    assert "DeploymentFailed" not in world.firing("a")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("policy", ["no", "always"])
def test_the_engine_goes_away_in_mid_deployment_and_the_new_one_is_not_blamed(phase: str, policy: str) -> None:
    world = Depot()
    world.boxes["a"].policy = policy
    world.inspect("a")
    reach(world, phase)
    world.stop_engine()
    world.run(60.0)
    world.start_engine()
    world.until(world.over, within=4000.0)
    assert world.app("a").kept.placed["model"].quarantined in ((), (NEW,))
    world.run(30.0)
    assert world.condition("a") == "healthy"
    current = world.app("a").kept.placed["model"].current.digest or OLD
    assert world.in_place == current
    if phase in ("fetching", "verifying", "validating", "backing_up", "gating"):
        assert world.phases()[-1] == "committed", [(e.new, e.code, e.reason) for e in world.events(DeploymentChanged)]


@pytest.mark.parametrize(
    ("phase", "sick"), [*((phase, False) for phase in PHASES), *((phase, True) for phase in PHASES[:-1])]
)
def test_maintenance_does_not_stop_what_a_person_began(phase: str, sick: bool) -> None:
    world = Depot()
    world.sick_with = {NEW} if sick else set()
    reach(world, phase)
    world.command("maintenance.set", app="a", on=True, seconds=3600.0, why="at work")
    world.until(world.over, within=900.0)
    assert world.phases()[-1] == ("rolled_back" if sick else "committed")
    assert world.in_place == (OLD if sick else NEW) and world.condition("a") == "healthy"


@pytest.mark.parametrize("delivery", ["mount", "copy"])
@pytest.mark.parametrize("phase", PHASES)
def test_the_model_is_taken_out_of_the_configuration_in_mid_deployment(phase: str, delivery: str) -> None:
    world = Copied() if delivery == "copy" else Depot()
    reach(world, phase)
    world.reload(replace(world.config, apps={"a": probed()}), changed=("apps.a.model",))
    world.until(world.over, within=900.0)
    world.run(30.0)
    last = world.events(DeploymentChanged)[-1]
    assert (last.new, last.code) in {("refused", "not_configured"), ("rolled_back", "not_configured")}
    assert world.in_place == OLD and world.condition("a") == "healthy"
    places = [a for _, a in world.asked if isinstance(a, PlaceArtifact)]
    assert all(a.where.delivery == delivery and a.where.path for a in places)
    assert isinstance(world.config, Config)


@pytest.mark.parametrize("phase", PHASES)
def test_edged_is_stopped_in_any_phase_and_goes_on_later(phase: str) -> None:
    world = Depot()
    reach(world, phase)
    world.feed(facts.StopRequested(at=world.now, reason="signal SIGTERM"))
    world.run(0.3)
    world.kill_edged()
    world.run(5.0)
    world.begin(end="clean")
    world.until(world.over)
    assert world.phases()[-1] == "committed" and world.in_place == NEW
    finals = [e for e in world.events(CommandAnswered) if e.status == "succeeded"]
    assert len(finals) == 1, "whoever asked hears of it, from the next run"


def test_what_could_not_be_rolled_back_is_an_alert_until_the_next_good_one() -> None:
    world = Depot()
    world.sick_with = {NEW}
    world.deploy().until(lambda: world.phases()[-1:] == ["reloading"])
    world.deploy()
    world.failing = {"PlaceArtifact": "digest_mismatch|the slot is damaged"}
    world.until(lambda: "failed" in world.phases())
    world.run(1.0)
    assert "DeploymentFailed" in world.firing("a") and world.events(CommandAnswered, reason="held")
    assert world.over() and world.app("a").kept.waiting is None
    world.restart_edged()
    world.run(5.0)
    assert "DeploymentFailed" in world.firing("a")
    world.failing, world.sick_with = {}, set()
    world.in_place = OLD
    world.results["VerifyArtifact"] = lambda _: {
        "digest": "sha256:third", "name": "m", "version": "3", "sequence": 3, "smoke": False
    }  # fmt: skip
    world.deploy().until(lambda: world.phases()[-1:] == ["committed"], within=900.0)
    world.run(1.0)
    assert "DeploymentFailed" not in world.firing("a")


def test_a_person_may_leave_it_as_it_is() -> None:
    world = Depot()
    world.sick_with = {NEW}
    world.deploy().until(lambda: world.phases()[-1:] == ["reloading"])
    world.failing = {"PlaceArtifact": "digest_mismatch|the slot is damaged"}
    world.until(lambda: "failed" in world.phases())
    world.command("deploy.cancel", app="a")
    assert world.events(CommandAnswered)[-1].status == "succeeded" and "DeploymentFailed" not in world.firing("a")


@pytest.mark.parametrize("silent", [True, False])
def test_metrics_that_vanish_in_the_gate_prove_nothing(silent: bool) -> None:
    world = Depot(**METRICS)
    count, quiet = 0.0, False

    def scrape() -> None:
        nonlocal count
        if quiet:
            if not silent:
                world.feed(facts.CheckFailed(at=world.now, check="metrics", subject="a", error="connection refused"))
            return
        count += 5.0
        sample = Traffic(at=world.now, requests=count, buckets=((0.01, count), (INF, count)))
        world.feed(facts.TrafficSampled(at=world.now, app="a", traffic=sample))

    world.every(1.0, scrape)
    world.run(100.0).forget()
    world.deploy().until(lambda: world.phases()[-1:] == ["gating"])
    world.run(20.0)
    quiet = True
    world.until(world.over, within=900.0)
    last = world.events(DeploymentChanged)[-1]
    assert (last.new, last.code) == ("rolled_back", "gate_traffic")
    assert "metrics" in next(c for c in last.checks if c.name == "traffic").why
    assert world.in_place == OLD


def test_a_repeated_command_gets_the_stored_answer_and_does_nothing() -> None:
    world = Depot()
    world.command("model.deploy", identity="x1", app="a", bundle="/bundle.tar")
    world.run(0.5).command("model.deploy", identity="x1", app="a", bundle="/bundle.tar")
    assert world.events(CommandAnswered)[-1].status == "accepted" and world.app("a").kept.waiting is None
    world.until(world.over)
    answer = world.events(CommandAnswered, status="succeeded")[-1]
    for _ in range(2):
        world.run(5.0).forget()
        world.command("model.deploy", identity="x1", app="a", bundle="/bundle.tar")
        again = replace(answer, request={"repeated": True})
        assert world.events(CommandAnswered) == [again] and not world.asked and world.over()
        world.restart_edged()
    world.command("model.deploy", identity="x2", app="b", bundle="/bundle.tar")
    world.command("model.deploy", identity="x2", app="a", bundle="/bundle.tar")
    assert [e.reason for e in world.events(CommandAnswered, id="x2")] == ["unknown_app", "unknown_app"]


def test_stored_answers_are_bounded() -> None:
    world = Depot()
    for number in range(250):
        world.command("no.such", identity=f"n{number}")
    assert len(world.state.answered) == 200 and "n0" not in world.state.answered and "n249" in world.state.answered
    world.restart_edged()
    assert list(world.state.answered)[-1] == "n249" and len(world.state.answered) == 200
    assert sum(key.startswith("answer/") for key, data in world.disk.items() if data) == 200


def test_what_ended_by_itself_meanwhile_leaves_evidence_before_the_new_one_is_started() -> None:
    world = Depot()
    reach(world, "swapping")
    world.crash("a")
    world.until(world.over)
    done = [
        one for one in world.actions(evidence=True) if one in ("PlaceArtifact", "CaptureEvidence", "StartContainer")
    ]
    assert done[:3] == ["PlaceArtifact", "CaptureEvidence", "StartContainer"]
    assert world.phases()[-1] == "committed" and world.condition("a") == "healthy"
