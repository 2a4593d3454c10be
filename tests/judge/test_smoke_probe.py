"""SmokeProbeFailed, and when an app is asked at all."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edged.observe.jobs import SmokeJob, plan
from edged.vocabulary import facts
from edged.vocabulary.deployments import Artifact, Deployment, Placed, Request
from edged.vocabulary.events import AlertCleared, AlertRaised, CheckBroken

from .world import World, app

MODEL = {"path": "/models", "smoke": "http://127.0.0.1:1", "probe": {"every": 60.0}}


def deployed(**model: Any) -> World:
    """An app that runs with a model in place."""
    w = World({"a": app(model={**MODEL, **model}, restart={"enabled": False})}).run(2.0)
    return keep(w, placed={"model": Placed(current=Artifact(digest="sha256:1"))}).run(1.0).forget()


def keep(w: World, **kept: Any) -> World:
    state = w.app("a")
    w.state = replace(w.state, apps={"a": replace(state, kept=replace(state.kept, **kept))})
    return w


def answer(w: World, ok: bool, digest: str = "sha256:1", ago: float = 0.1) -> None:
    detail = "" if ok else "/predict answered 2 where 1 was expected"
    w.feed(facts.SmokeProbed(
        at=w.now, app="a", digest=digest, ok=ok, seconds=0.05, samples=2, detail=detail, started=w.now - ago
    ))  # fmt: skip
    w.run(60.0)


def asked(w: World) -> list[SmokeJob]:
    return [job for job in plan(w.config, w.state.apps.values()).values() if isinstance(job, SmokeJob)]


def test_an_app_with_a_model_in_place_is_asked() -> None:
    (job,) = asked(deployed())
    assert (job.digest, job.url, job.every, job.where.path) == ("sha256:1", "http://127.0.0.1:1", 60.0, "/models")
    assert job.deadline > job.timeout


def test_it_is_left_alone_without_a_model_while_deploying_and_when_it_is_not_well() -> None:
    assert asked(deployed(probe=None)) == []
    assert asked(keep(deployed(), placed={})) == []
    under_way = Deployment(request=Request(id="d", kind="model", source="/b"))
    assert asked(keep(deployed(), deployment=under_way)) == [] and asked(keep(deployed(), tidying="x")) == []
    w = deployed()
    w.crash("a")
    w.run(1.0)
    assert asked(w) == []


def test_two_wrong_answers_in_a_row_are_told_until_a_right_one() -> None:
    w = deployed()
    answer(w, False)
    answer(w, True)
    answer(w, False)
    assert not w.firing("a")
    answer(w, False)
    (raised,) = w.events(AlertRaised)
    assert (raised.name, raised.severity) == ("SmokeProbeFailed", "critical")
    assert "answered 2 where 1 was expected" in raised.summary and "edged rollback a" in raised.advice
    answer(w, True)
    assert w.events(AlertCleared, name="SmokeProbeFailed") and not w.firing("a")
    probed = w.app("a").inference.probed
    assert probed is not None and probed.seconds == 0.05


def test_answers_of_another_model_or_run_say_nothing() -> None:
    w = deployed()
    for _ in range(3):
        answer(w, False, digest="sha256:0")
    assert w.app("a").inference.probed is None
    w.docker_restart("a")
    w.run(5.0)
    for _ in range(3):
        answer(w, False, ago=1000.0)
    assert not w.firing("a") and w.app("a").inference.probed is None


def test_it_goes_on_over_a_restart_of_edged_until_there_is_an_answer() -> None:
    w = deployed()
    answer(w, False)
    answer(w, False)
    w.forget().restart_edged().run(5.0)
    answer(w, False)
    assert w.firing("a") == {"SmokeProbeFailed"} and not w.events(AlertCleared)
    answer(w, True)
    assert not w.firing("a")


def test_an_app_that_cannot_be_asked_is_said_once() -> None:
    w = deployed()
    for _ in range(3):
        w.feed(facts.CheckFailed(at=w.now, check="smoke", subject="a", error="connection refused"))
    assert [e.broken for e in w.events(CheckBroken)] == [True] and not w.firing("a")
    answer(w, True)
    assert [e.broken for e in w.events(CheckBroken)] == [True, False]


def test_it_ends_with_its_configuration() -> None:
    w = deployed()
    answer(w, False)
    answer(w, False)
    config = w.config.apps["a"]
    w.reload(replace(w.config, apps={"a": replace(config, model=replace(config.model, probe=None))})).run(1.0)
    assert not w.firing("a")
