"""The dry run: it says what a real run would do, and does nothing."""

from __future__ import annotations

import pytest

from edged.config import Config, Dependency
from edged.config.runbook_builtin import BUILT_IN, about
from edged.judge.runbooks.explain import Tried, Unknown, explain

from .test_runbooks import QUICK, books
from .world import World, app, probed


def world(**steps: list[object]) -> World:
    config = Config(dependencies={"broker": Dependency(tcp="127.0.0.1:1")}, runbooks=books(**steps))
    apps = {"a": app(restart=QUICK, priority=10), "b": probed(restart=QUICK, needs=("broker",), priority=90)}
    w = World(apps, config=config).run(5.0)
    w.probe("b")
    w.probe("broker", kind="dependency")
    w.host(0.5)
    return w.run(1.0)


def tried(w: World, alert: str, subject: str) -> Tried:
    before = w.state
    found = explain(w.state, w.config, w.now, alert, subject)
    assert w.state is before and w.state == before
    return found


def verdicts(found: Tried) -> list[str]:
    return [f"{told.step} {told.verdict}" for told in found.steps]


def test_it_tells_what_would_be_begun_at_once() -> None:
    found = tried(world(), "AppDown", "a")
    assert verdicts(found) == ["capture now", "start now"]
    assert [a["action"] for a in found.actions] == ["CaptureEvidence"]
    assert not found.fires and "had ended with exit code 1" in found.supposed
    checks = found.steps[1].checks
    assert checks["budget"] == "0 of 2 restarts spent" and checks["guard"] == "no objection"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_runbook_can_be_tried(name: str) -> None:
    w = world()
    alert, _, subject = name.partition("/")
    kind = about(name)[0]
    subject = subject or {"app": "a", "dependency": "broker", "path": "/"}.get(kind, kind)
    found = tried(w, alert, subject)
    assert found.runbook == name and len(found.steps) == len(BUILT_IN[name])
    assert all(told.why for told in found.steps)


def test_what_it_foretells_is_what_happens() -> None:
    w = world()
    foretold = [a["action"] for a in tried(w, "AppDown", "a").actions]
    w.forget()
    w.crash("a")
    w.run(0.0021)
    assert [type(a).__name__ for _, a in w.asked][:1] == foretold


def test_maintenance_isolation_and_a_lacking_need_hold() -> None:
    w = world()
    w.probe("broker", ok=False, kind="dependency")
    for _ in range(3):
        w.probe("broker", ok=False, kind="dependency")
    found = tried(w, "Unhealthy", "b")
    assert verdicts(found) == ["capture wait", "restart wait"] and "waiting for broker" in found.steps[1].why
    assert found.actions == ()
    w.command("maintenance.set", app="a", on=True, seconds=600.0, why="test")
    found = tried(w, "AppDown", "a")
    assert verdicts(found)[1] == "start wait" and "in maintenance by" in found.steps[1].why
    assert found.steps[1].checks["guard"] == "a is in maintenance" and found.actions == ()


def test_a_spent_budget_and_an_observed_app_are_refused() -> None:
    w = world()
    w.boxes["a"].crash_after = 0.1
    w.crash("a")
    w.run(30.0)
    found = tried(w, "AppDown", "a")
    assert found.fires and verdicts(found)[1] == "start refuse" and "budget" in found.steps[1].why
    w = World({"a": app(restart={"enabled": False})}).run(5.0)
    assert verdicts(tried(w, "AppDown", "a")) == ["capture skip", "start skip"]


def test_conditions_are_told_word_by_word() -> None:
    w = world(HighErrorRate=[{"do": "restart", "when": ["not running"]}, {"do": "notify", "when": ["critical"]}])
    found = tried(w, "HighErrorRate", "a")
    assert verdicts(found) == ["restart skip", "notify now"] and found.steps[0].when == {"not running": False}
    assert not found.built_in


def test_steps_after_the_first_that_acts_come_then() -> None:
    w = world(HighErrorRate=["restart", "escalate"])
    found = tried(w, "HighErrorRate", "a")
    assert verdicts(found) == ["restart now", "escalate then"]
    assert [a["action"] for a in found.actions] == ["CaptureEvidence"]


@pytest.mark.parametrize(
    ("alert", "subject", "hint"),
    [
        ("AppDwn", "a", "AppDown"),
        ("AppDown", "c", "a, b"),
        ("AppDown", "host", "a, b"),
        ("DiskFull", "a", "/"),
        ("EngineDown", "a", "engine"),
        ("DependencyDown", "a", "broker"),
    ],
)
def test_what_cannot_be_is_said(alert: str, subject: str, hint: str) -> None:
    w = world()
    with pytest.raises(Unknown, match=hint):
        explain(w.state, w.config, w.now, alert, subject)


def test_what_the_host_and_the_engine_would_be_helped_with() -> None:
    w = world()
    assert [(a["action"], a["subject"]) for a in tried(w, "HighMemory", "host").actions] == [("PauseContainer", "b")]
    assert [a["action"] for a in tried(w, "DiskFull", "/").actions] == ["PruneDisk"]
    found = tried(w, "EngineDown", "engine")
    assert verdicts(found) == ["restart_engine now", "recover_all then"] and "60 s after" in found.steps[0].why
