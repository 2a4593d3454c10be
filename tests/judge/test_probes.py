"""Answers of probes, and checks that cannot be made."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edged.config import Config, Dependency
from edged.vocabulary import facts
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.events import AlertCleared, AlertRaised, CheckBroken

from .world import World, app, probed

HEALTH = {"failures": 3, "start_period": 20.0}


def world(**more: Any) -> World:
    """One healthy app whose start period is over."""
    made = World({"a": probed(health=HEALTH, **more)}).run(30.0)
    made.probe("a")
    return made.forget()


def fail(w: World, times: int = 3) -> None:
    for _ in range(times):
        w.run(5.0)
        w.probe("a", ok=False)


def test_one_good_answer_makes_it_healthy() -> None:
    w = World({"a": probed()})
    assert w.condition("a") == "starting"
    w.probe("a")
    assert w.condition("a") == "starting", "the probe was sent before the container was seen"
    w.run(1.0)
    w.probe("a")
    assert w.condition("a") == "healthy"


def test_three_bad_answers_make_it_unhealthy_and_it_is_restarted() -> None:
    w = world()
    fail(w, 2)
    assert w.condition("a") == "healthy"
    fail(w, 1)
    assert w.condition("a") == "unhealthy"
    w.run(1.0)
    assert w.actions("a") == ["RestartContainer"]


def test_the_restart_is_asked_for_in_the_same_moment() -> None:
    w = world()
    fail(w)
    assert w.asked and w.asked[0][0] == w.now


def test_answers_to_probes_from_before_the_start_are_ignored() -> None:
    w = world()
    w.docker_restart("a")
    w.run(1.0)
    w.probe("a", ok=True, took=5.0)
    assert w.condition("a") == "starting"
    for _ in range(5):
        w.probe("a", ok=False, took=25.0)
    assert w.app("a").probe.bad == 0


def test_a_start_period_forgives() -> None:
    w = world()
    w.docker_restart("a")
    w.run(0.5)
    for _ in range(6):
        w.run(3.0)
        w.probe("a", ok=False)
    assert w.condition("a") == "starting"
    fail(w)
    assert w.condition("a") == "unhealthy"


def test_a_container_that_was_up_already_may_still_be_starting_too() -> None:
    w = World({"a": probed(health=HEALTH)})
    fail(w, 3)
    assert w.condition("a") == "starting"


def test_answers_about_a_container_that_does_not_run_are_ignored() -> None:
    w = world()
    w.docker_stop("a")
    w.run(1.0)
    before = w.state
    w.probe("a", ok=False)
    assert w.state == before


def test_answers_about_strangers_are_ignored() -> None:
    w = world()
    before = w.state
    w.probe("b", ok=False)
    w.probe("b", ok=False, kind="dependency")
    assert w.state == before


def test_a_pause_ends_a_series_of_failures() -> None:
    w = world()
    fail(w, 2)
    w.pause("a")
    w.run(10.0)
    w.unpause("a")
    w.run(1.0)
    w.probe("a", ok=False, took=5.0)
    assert w.app("a").probe.bad == 0


# Dependencies

BROKER = Config(dependencies={"broker": Dependency(tcp="127.0.0.1:1883", failures=2)})


def needy() -> World:
    return World({"a": app(needs=("broker",))}, config=BROKER).run(2.0)


def test_a_dependency_goes_down_and_comes_back() -> None:
    w = needy()
    w.probe("broker", False, kind="dependency", detail="connection refused")
    assert not w.events(AlertRaised)
    w.probe("broker", False, kind="dependency", detail="connection refused")
    (raised,) = w.events(AlertRaised)
    assert (raised.name, raised.subject) == ("DependencyDown", "broker") and "refused" in raised.summary
    w.probe("broker", kind="dependency")
    (cleared,) = w.events(AlertCleared)
    assert "answers" in cleared.summary


def test_no_verdict_after_a_restart_of_edged_is_no_all_clear() -> None:
    w = needy()
    for _ in range(2):
        w.probe("broker", False, kind="dependency")
    w.restart_edged().run(1.0)
    w.probe("broker", False, kind="dependency")
    assert not w.events(AlertCleared) and w.firing("broker") == {"DependencyDown"}
    w.probe("broker", False, kind="dependency")
    assert len(w.events(AlertRaised, name="DependencyDown")) == 1


# Checks that cannot be made


def broken(w: World, check: str, subject: str, error: str = "permission denied") -> None:
    w.feed(facts.CheckFailed(at=w.now, check=check, subject=subject, error=error))


def test_a_broken_probe_is_no_verdict_and_is_said_once() -> None:
    w = world()
    for _ in range(20):
        w.run(5.0)
        broken(w, "probe", "a")
    assert w.condition("a") == "healthy" and not w.asked
    assert [e.broken for e in w.events(CheckBroken)] == [True]


def test_its_repair_is_said_too() -> None:
    w = world()
    broken(w, "probe", "a")
    w.probe("a")
    assert [e.broken for e in w.events(CheckBroken)] == [True, False]
    assert not w.app("a").broken


def test_what_comes_and_goes_is_not_told_each_time() -> None:
    w = world()
    for _ in range(100):
        broken(w, "metrics", "a")
        assert "metrics" in w.app("a").broken
        w.run(15.0)
        w.feed(facts.TrafficSampled(at=w.now, app="a", traffic=Traffic(at=w.now, requests=1.0)))
        assert not w.app("a").broken
        w.run(15.0)
    told = w.events(CheckBroken)
    assert [e.broken for e in told] == [True, False, True, False, True]
    assert "it comes and goes" in told[-1].error
    w.run(600.0)
    w.feed(facts.TrafficSampled(at=w.now, app="a", traffic=Traffic(at=w.now, requests=1.0)))
    assert [e.broken for e in w.events(CheckBroken)][5:] == [False] and not w.app("a").troubles
    broken(w, "metrics", "a")
    assert w.events(CheckBroken)[-1].broken and "comes and goes" not in w.events(CheckBroken)[-1].error


def test_a_broken_dependency_check_is_repaired_by_its_next_answer() -> None:
    w = needy()
    broken(w, "dependency", "broker")
    assert w.state.dependencies["broker"].broken
    w.probe("broker", kind="dependency")
    assert [(e.subject, e.broken) for e in w.events(CheckBroken)] == [("broker", True), ("broker", False)]


def test_a_broken_host_check_is_repaired_by_the_next_sample() -> None:
    w = world()
    broken(w, "host", "host")
    w.host()
    broken(w, "resources", "host")
    w.resources()
    assert [(e.check, e.broken) for e in w.events(CheckBroken)] == [
        ("host", True),
        ("host", False),
        ("resources", True),
        ("resources", False),
    ]


def test_an_inspection_that_fails_is_about_the_app_of_that_container() -> None:
    w = World({"a": app(container="box")}, boxes={"box": {"status": "running"}}).run(1.0)
    broken(w, "containers", "box")
    w.list_now()
    assert w.app("a").broken, "a list tells nothing of the details that could not be had"
    w.inspect("box")
    assert [(e.subject, e.broken) for e in w.events(CheckBroken)] == [("a", True), ("a", False)]


def test_an_inspection_of_a_stranger_that_fails_is_nobodys_business() -> None:
    w = world()
    broken(w, "containers", "stranger")
    assert not w.events(CheckBroken)


def test_lists_that_fail_are_the_engines_matter() -> None:
    w = world()
    broken(w, "containers", "engine")
    w.list_now()
    assert [(e.subject, e.broken) for e in w.events(CheckBroken)] == [("engine", True), ("engine", False)]


def test_a_missing_event_stream_is_told_until_it_stands() -> None:
    w = world()
    broken(w, "events", "engine")
    w.list_now()
    assert [e.broken for e in w.events(CheckBroken)] == [True]
    w.feed(facts.EngineSeen(at=w.now, up=True, version="25.0"))
    assert [e.broken for e in w.events(CheckBroken)] == [True, False]


def test_an_app_called_like_the_host_is_not_blamed_for_the_host() -> None:
    w = World({"host": app()}).run(1.0)
    broken(w, "resources", "host")
    assert not w.app("host").broken and w.state.host.broken == {"resources": "permission denied"}


def test_failing_checks_never_lead_to_an_action() -> None:
    w = world()
    for check, subject in [("probe", "a"), ("containers", "a"), ("containers", "engine"), ("events", "engine")]:
        for _ in range(50):
            broken(w, check, subject)
            w.run(10.0)
    assert not w.asked


def test_the_details_of_a_failure_are_kept_for_people() -> None:
    w = world()
    w.run(5.0)
    w.probe("a", False, detail="HTTP 503")
    assert replace(w.app("a").probe, last_at=None).detail == "HTTP 503"
