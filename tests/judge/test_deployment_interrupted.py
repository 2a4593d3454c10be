"""edged ends while an action of a deployment is under way: nobody knows whether it was carried out."""

from __future__ import annotations

from edged.vocabulary.events import DeploymentChanged

from .test_deployment import NEW, OLD, Depot

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


def _read(world: Depot) -> dict[str, object]:
    """It reads a bad one, and from then on no other."""
    world.boxes["a"].sick = world.boxes["a"].sick or world.in_place in world.sick_with
    return {}
