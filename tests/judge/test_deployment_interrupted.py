"""edged ends while an action of a deployment is under way: nobody knows whether it was carried out."""

from __future__ import annotations

import pytest

from edged.vocabulary.events import DeploymentChanged

from .test_deployment import GOOD, NEW, OLD, Depot

SIGNAL = {"model": {"path": "/models", "reload": {"signal": "HUP"}, "gate": {"window": 60.0}}}


def asked(world: Depot, kind: str) -> int:
    return sum(type(action).__name__ == kind for _, action in world.asked)


def lose(world: Depot, kind: str) -> None:
    """edged ends when the action has been asked for, and it was not carried out."""
    world.lost = {kind}
    before = asked(world, kind)
    world.until(lambda: asked(world, kind) > before)
    world.run(0.1)
    world.lost = set()
    world.restart_edged(0.5)


def test_a_restart_that_may_not_have_been_carried_out_is_asked_for_again() -> None:
    world = Depot().forget()
    runs = world.boxes["a"].run
    world.deploy()
    lose(world, "RestartContainer")
    world.until(world.over)
    assert world.phases()[-1] == "committed" and asked(world, "RestartContainer") == 2
    assert world.boxes["a"].run == runs + 1, "what runs has read the new one"


def test_a_signal_that_may_not_have_been_sent_is_sent_again() -> None:
    world = Depot(**SIGNAL).forget()
    world.deploy()
    lose(world, "SignalContainer")
    world.until(world.over)
    assert world.phases()[-1] == "committed" and asked(world, "SignalContainer") == 2


def test_what_is_left_is_tidied_all_the_same() -> None:
    world = Depot().forget()
    world.deploy()
    lose(world, "TidyArtifacts")
    world.run(5.0)
    assert asked(world, "TidyArtifacts") == 2 and not world.app("a").kept.tidying


def test_an_app_that_a_signal_does_not_bring_back_is_restarted() -> None:
    """Ill with the new one, it does not read the old one by a signal any more."""
    world = Depot(**SIGNAL).forget()
    world.sick_with = {NEW}
    world.results["SignalContainer"] = lambda _: _read(world)
    world.deploy().until(world.over)
    assert world.phases()[-1] == "rolled_back" and world.in_place == OLD
    assert asked(world, "RestartContainer") == 1 and world.condition("a") == "healthy"


def test_the_reason_of_a_rollback_is_what_the_new_one_failed_by() -> None:
    world = Depot().forget()
    world.sick_with = {NEW}
    world.deploy().until(lambda: "reloading" in world.phases())
    lose(world, "PlaceArtifact")
    world.until(world.over)
    last = world.events(DeploymentChanged)[-1]
    assert last.new == "rolled_back" and last.code == "unhealthy", last


def cut(world: Depot, off: float, sick: float = 0.0) -> None:
    """The power goes, and comes back. ``sick``: seconds until the app is well then."""
    world.kill_edged()
    world.run(0.1)
    box = world.boxes["a"]
    world.crash("a")
    world.run(off)
    if not box.up:
        world.start("a")
    world.begin(rebooted=True, end="power")
    well, box.sick = box.sick, box.sick or sick > 0.0
    world.run(sick)
    box.sick = well


@pytest.mark.parametrize("off", [1.0, 600.0, 10800.0])
@pytest.mark.parametrize("phase", GOOD[:-1])
def test_a_power_cut_is_nothing_against_the_new_one(phase: str, off: float) -> None:
    """However long the device was off, and though the app's process ended, too."""
    world = Depot(health={"http": "http://127.0.0.1:1/", "start_period": 60.0}).forget()
    world.boxes["a"].policy = "always"
    world.deploy().until(lambda: phase in world.phases())
    cut(world, off, sick=20.0)
    world.until(world.over)
    assert world.phases()[-1] == "committed" and world.in_place == NEW, world.events(DeploymentChanged)[-1]
    assert [status for status, _ in world.answers()].count("succeeded") == 1


def test_the_gate_is_held_anew_by_the_next_run() -> None:
    """What the app did while nobody looked says nothing."""
    world = Depot().forget()
    world.deploy().until(lambda: "gating" in world.phases())
    world.run(55.0)
    world.restart_edged(30.0)
    world.run(50.0)
    assert world.phases()[-1] == "gating"
    world.crash("a")
    world.until(world.over)
    assert world.phases()[-1] == "rolled_back" and world.in_place == OLD


def test_the_window_is_for_the_time_that_it_is_seen_to_be_well() -> None:
    world = Depot().forget()
    world.deploy().until(lambda: "gating" in world.phases())
    world.kill_edged()
    world.boxes["a"].sick = True
    world.begin(end="crash")
    world.run(1.5)
    world.boxes["a"].sick = False
    world.until(lambda: world.condition("a") == "healthy")
    seen = world.now
    world.until(world.over)
    assert world.phases()[-1] == "committed" and world.now - seen >= 59.9


def _read(world: Depot) -> dict[str, object]:
    """It reads a bad one, and from then on no other."""
    world.boxes["a"].sick = world.boxes["a"].sick or world.in_place in world.sick_with
    return {}
