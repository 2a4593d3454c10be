"""What is needed comes first, then what is important."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edged.config import App, Config, Dependency
from edged.vocabulary.events import RecoveryHeld

from .world import World, app, probed

BROKER = Config(dependencies={"broker": Dependency(tcp="127.0.0.1:1883", failures=1)})
HEALTH = {"failures": 2, "start_period": 3.0}


def order(w: World) -> list[str]:
    return [a.subject for _, a in w.asked if type(a).__name__ == "StartContainer"]


def outage(w: World) -> World:
    w.run(5.0).forget()
    w.stop_engine()
    w.run(40.0)
    w.start_engine()
    return w


def probes(w: World) -> World:
    """Probes every second, as they are in life."""
    w.every(1.0, w.probes)
    return w


def test_after_an_outage_the_chain_comes_up_in_order() -> None:
    needs = {"e": "d", "d": "c", "c": "b", "b": "a"}
    apps = {n: probed(health=HEALTH, needs=(needs[n],) if n in needs else ()) for n in "edcba"}
    w = outage(probes(World(apps)))
    assert order(w) == []
    w.run(60.0)
    assert order(w) == ["a", "b", "c", "d", "e"]
    assert {w.condition(n) for n in apps} == {"healthy"}


def test_each_waits_until_what_it_needs_is_healthy_and_not_only_started() -> None:
    w = outage(probes(World({"b": app(needs=("a",)), "a": probed(health=HEALTH)})))
    w.boxes["a"].sick = True
    w.run(3.0)
    assert order(w) == ["a"]
    w.boxes["a"].sick = False
    w.run(5.0)
    assert order(w) == ["a", "b"]


def test_what_it_needs_may_take_longer_than_its_patience_as_long_as_it_is_coming() -> None:
    slow = probed(health={"failures": 2, "start_period": 120.0}, restart={"verify_within": 60.0})
    w = probes(World({"b": app(needs=("a",)), "a": slow}))
    outage(w)
    w.boxes["a"].sick = True
    w.run(90.0)
    assert order(w) == ["a"]
    w.boxes["a"].sick = False
    w.run(10.0)
    assert order(w) == ["a", "b"] and w.condition("b") == "healthy"


def test_what_it_needs_may_fail_for_good_and_it_is_started_all_the_same() -> None:
    w = World({"b": app(needs=("a",)), "a": app()}).run(5.0).forget()
    w.boxes["a"].start_error = "no such image"
    w.crash("a")
    w.crash("b")
    w.run(20.0)
    assert "b" not in order(w)
    w.run(120.0)
    assert w.condition("b") == "healthy" and "a" in order(w)


def test_waiting_is_told_once() -> None:
    w = World({"b": app(needs=("broker",))}, config=BROKER).run(5.0)
    w.probe("broker", False, kind="dependency")
    w.crash("b")
    w.run(29.0)
    (held,) = w.events(RecoveryHeld)
    assert held.reason == "waiting for broker, which it needs" and not w.asked
    w.run(5.0)
    assert w.condition("b") == "healthy"


def test_the_return_of_a_dependency_is_used_at_once() -> None:
    w = World({"b": app(needs=("broker",))}, config=BROKER).run(5.0)
    w.probe("broker", False, kind="dependency")
    w.crash("b")
    w.run(5.0)
    w.probe("broker", kind="dependency")
    assert w.asked


def unhealthy(w: World) -> None:
    for _ in range(3):
        w.run(2.0)
        w.probe("b", False)


def test_an_unhealthy_app_is_not_restarted_while_what_it_needs_is_down() -> None:
    w = World({"b": probed(health=HEALTH, needs=("broker",))}, config=BROKER).run(5.0)
    w.probe("b")
    w.probe("broker", False, kind="dependency")
    unhealthy(w)
    w.run(3600.0)
    assert w.condition("b") == "unhealthy" and not w.asked
    assert not w.app("b").kept.recovery.charged
    w.probe("broker", kind="dependency")
    w.run(1.0)
    assert w.actions("b") == ["RestartContainer"]


def test_attempts_while_a_dependency_is_down_are_free() -> None:
    w = World({"b": app(needs=("broker",))}, config=BROKER).run(5.0)
    w.probe("broker", False, kind="dependency")
    w.boxes["b"].start_error = "it wants the broker"
    w.crash("b")
    w.run(2000.0)
    recovery = w.app("b").kept.recovery
    assert len(w.actions("b")) > 5 and not recovery.charged and not recovery.open


def test_a_dependency_that_was_never_asked_holds_nobody() -> None:
    w = World({"b": app(needs=("broker",))}, config=BROKER).run(5.0)
    w.crash("b")
    w.run(1.0)
    assert w.asked


def test_memory_waits_for_nobody() -> None:
    w = World({"b": app(needs=("broker",), memory={"for": 1.0})}, config=BROKER).run(5.0)
    w.probe("broker", False, kind="dependency")
    w.boxes["b"].memory = 99 * 2**20
    for _ in range(3):
        w.resources()
        w.run(1.0)
    assert w.actions("b") == ["RestartContainer"]


# Priority


def test_lower_numbers_recover_first() -> None:
    apps: dict[str, App] = {n: app(priority=p) for n, p in (("low", 90), ("mid", 50), ("top", 10))}
    w = outage(World(apps))
    w.run(20.0)
    assert order(w) == ["top", "mid", "low"]


def test_equals_recover_together() -> None:
    w = outage(World({"a": app(), "b": app()}))
    w.run(0.01)
    assert sorted(order(w)) == ["a", "b"]


def test_an_important_app_that_cannot_be_helped_holds_nobody() -> None:
    cases: list[dict[str, Any]] = [{"restart": {"enabled": False}}, {"needs": ("broker",)}]
    for more in cases:
        w = World({"top": app(priority=10, **more), "low": app(priority=90)}, config=BROKER)
        w.run(5.0)
        w.probe("broker", False, kind="dependency")
        w.crash("top")
        w.crash("low")
        w.run(5.0)
        assert w.condition("low") == "healthy", more


def test_an_important_app_that_docker_restarts_holds_nobody() -> None:
    w = World({"top": app(priority=10), "low": app(priority=90)}, boxes={"top": {"policy": "always"}}).run(5.0)
    w.docker_kill("top")
    w.run(2.0)
    w.crash("low")
    w.run(3.0)
    assert w.condition("low") == "healthy" and w.condition("top") == "down"


def test_an_important_app_that_fails_again_holds_nobody() -> None:
    w = World({"top": app(priority=10), "low": app(priority=90)}).run(5.0)
    w.boxes["top"].start_error = "no such image"
    w.crash("top")
    w.run(5.0)
    w.crash("low")
    w.run(3.0)
    assert w.condition("low") == "healthy"


def test_apps_that_need_each_other_are_not_stuck() -> None:
    w = World({"a": app(needs=("b",)), "b": app(needs=("a",))})
    outage(w)
    w.run(400.0)
    assert {w.condition(n) for n in "ab"} == {"healthy"}


def test_a_need_that_is_stopped_on_purpose_is_waited_for_with_patience() -> None:
    w = World({"a": app(), "b": app(needs=("a",))}).run(5.0)
    w.docker_stop("a")
    w.run(5.0)
    w.crash("b")
    w.run(20.0)
    assert not w.asked
    w.run(20.0)
    assert w.condition("b") == "healthy" and w.condition("a") == "stopped"


def test_a_need_by_a_name_that_means_nothing_is_no_need() -> None:
    w = World({"b": replace(app(), needs=("nobody",))}).run(5.0)
    w.crash("b")
    w.run(5.0)
    assert w.condition("b") == "healthy"
