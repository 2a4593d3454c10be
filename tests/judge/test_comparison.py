"""What a comparison over recorded inputs becomes for the operator."""

from __future__ import annotations

from edged.judge.comparison import checks
from edged.vocabulary.actions import ValidateArtifact
from edged.vocabulary.deployments import GateCheck
from edged.vocabulary.events import DeploymentChanged

from .test_deployment import Depot

SCORE = {"output": "score", "mean": 0.01, "max": 0.5, "beyond": 0.25, "not_finite": 0.0, "argmax": None}


def test_figures_in_words() -> None:
    classes = {**SCORE, "output": "class", "beyond": 1.0, "argmax": 0.5, "not_finite": 0.125}
    found = checks({"disagreement": {"rows": 8, "skipped": 0, "outputs": [SCORE, classes], "note": ""}})
    assert [(check.name, check.ok, check.observed, check.samples) for check in found] == [
        ("disagreement", True, 1.0, 8),
        ("disagreement", True, 0.25, 8),
    ]
    assert found[0].why == (
        "class differs beyond its tolerance in 100.0% of 8 recorded inputs, by 0.5 at most and 0.01 on average; "
        "another class in 50.0%; not finite in 12.5%"
    )


def test_what_could_not_be_compared() -> None:
    found = checks({"disagreement": {"rows": 0, "skipped": 3, "outputs": [], "note": "no recorded input fits"}})
    why = "0 recorded inputs compared; 3 did not fit; no recorded input fits"
    assert found == (GateCheck(name="recorded", ok=True, why=why),)
    assert checks({"latency": {}}) == () == checks({"disagreement": None})


def test_many_outputs_are_bounded() -> None:
    outputs = [{**SCORE, "output": "n" * 999, "beyond": number / 32} for number in range(32)]
    found = checks({"disagreement": {"rows": 8, "outputs": outputs}})
    assert len(found) == 8 and found[0].observed == 31 / 32 and all(len(check.why) < 300 for check in found)


def test_it_is_told_from_then_on_and_decides_nothing() -> None:
    world = Depot(model={"path": "/models", "recorded": "/var/r.ndjson", "gate": {"window": 60.0}}).forget()
    all_apart = {**SCORE, "beyond": 1.0, "max": 1e30}
    world.results["ValidateArtifact"] = lambda _: {"disagreement": {"rows": 8, "outputs": [all_apart]}}
    world.deploy().until(world.over)
    told = {e.new: [check.name for check in e.checks] for e in world.events(DeploymentChanged)}
    assert told["validating"] == [] and told["backing_up"] == ["disagreement"]
    assert told["committed"] == ["disagreement", "health", "restarts"]
    asked = next(a for _, a in world.asked if isinstance(a, ValidateArtifact))
    assert asked.recorded == "/var/r.ndjson"
