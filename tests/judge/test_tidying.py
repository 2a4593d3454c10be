"""What is left behind by a deployment goes, also when that cannot be done at once."""

from __future__ import annotations

import pytest

from edged.judge.tidying import ATTEMPTS
from edged.vocabulary.actions import FetchBundle, PlaceArtifact, TidyArtifacts
from edged.vocabulary.events import CommandAnswered

from .test_deployment import NEW, OLD, Depot


def tidied(world: Depot) -> list[float]:
    """When it was tried."""
    return [at for at, action in world.asked if isinstance(action, TidyArtifacts)]


def fetch_ends(world: Depot) -> None:
    """The fetch that nobody waits for any more comes back."""
    world.lost = set()
    action = world.busy.pop("a/artifacts")
    assert isinstance(action, FetchBundle)
    world.intents.pop(action.id)
    world.feed(world.ended(action, "the bundle has gone away", result={"code": "unreachable"}))


def cancelled() -> Depot:
    world = Depot().forget()
    world.lost = {"FetchBundle"}
    world.deploy().run(1.0)
    world.command("deploy.cancel", app="a")
    return world


def test_cancelled_while_a_fetch_holds_the_artifacts() -> None:
    world = cancelled()
    world.run(120.0)
    assert 4 <= len(tidied(world)) <= 10, "again and again, ever more slowly"
    assert world.app("a").kept.tidying
    before = len(tidied(world))
    fetch_ends(world)
    world.run(1.0)
    assert len(tidied(world)) == before + 1 and not world.app("a").kept.tidying
    world.run(600.0)
    assert len(tidied(world)) == before + 1


def test_the_next_one_waits_for_it() -> None:
    world = cancelled()
    world.lost = {"FetchBundle"}
    world.forget().deploy().run(30.0)
    assert world.answers() == [("accepted", "")] and not world.phases()
    fetch_ends(world)
    world.until(lambda: world.phases()[-1:] == ["committed"])
    assert world.events(CommandAnswered)[-1].status == "succeeded"


def test_a_run_of_edged_that_ends_meanwhile_leaves_it_to_the_next() -> None:
    world = cancelled()
    world.run(5.0)
    world.lost = set()
    world.restart_edged()
    world.run(60.0)
    assert not world.app("a").kept.tidying and world.busy == {}
    last = [action for _, action in world.asked if isinstance(action, TidyArtifacts)][-1]
    assert last.deployment == "c1"


@pytest.mark.parametrize(("code", "count"), [("storage|the disk is read-only", ATTEMPTS), ("not_a_slot|odd", 1)])
def test_attempts_are_bounded(code: str, count: int) -> None:
    world = Depot().forget()
    world.failing = {"TidyArtifacts": code}
    world.deploy().until(world.over)
    world.run(600.0)
    assert len(tidied(world)) == count and not world.app("a").kept.tidying


def test_what_fails_for_a_moment_is_done_later() -> None:
    world = Depot().forget()
    world.failing = {"TidyArtifacts": "storage|the disk is full"}
    world.deploy().until(world.over)
    world.run(1.5)
    world.failing = {}
    world.run(30.0)
    assert 2 <= len(tidied(world)) <= 3 and not world.app("a").kept.tidying


def test_previous_never_leads_to_a_bad_one() -> None:
    world = Depot().forget()
    world.deploy().until(world.over)
    third = "sha256:third"
    world.results["BackUpArtifact"] = lambda _: {"digest": world.in_place}
    world.results["VerifyArtifact"] = lambda _: {"digest": third, "name": "m", "version": "3", "sequence": 3}
    world.sick_with = {third}
    world.run(5.0).deploy().until(lambda: world.phases()[-1:] == ["rolled_back"])
    places = [(a.digest, a.back) for _, a in world.asked if isinstance(a, PlaceArtifact)]
    assert places == [(NEW, OLD), (third, NEW), (NEW, OLD)]


def test_the_first_one_that_is_bad_leaves_nothing_to_go_back_to() -> None:
    world = Depot().forget()
    world.sick_with = {NEW}
    world.deploy().until(world.over)
    places = [(a.digest, a.back) for _, a in world.asked if isinstance(a, PlaceArtifact)]
    assert places == [(NEW, OLD), (OLD, "")]


def test_nothing_was_there_before_the_first_one() -> None:
    world = Depot().forget()
    world.results["BackUpArtifact"] = lambda _: {"digest": ""}
    world.deploy().until(world.over)
    assert world.phases()[-1] == "committed"
    world.run(5.0).forget().command("model.rollback", app="a")
    assert world.answers() == [("rejected", "nothing_before")]
