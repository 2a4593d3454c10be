"""An app is taken out of the configuration while a deployment of it is under way: that comes to its end first."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.vocabulary.actions import PlaceArtifact
from edged.vocabulary.events import CommandAnswered, DeploymentChanged

from .test_deployment import NEW, OLD, Depot
from .test_deployment_more import PHASES, Copied, reach
from .world import probed

FINAL = ("succeeded", "failed", "rejected")


def without(world: Depot, **apps: Any) -> None:
    world.reload(replace(world.config, apps=apps), changed=("apps.a",))


def finals(world: Depot, identity: str = "c1") -> list[str]:
    return [e.status for e in world.events(CommandAnswered, id=identity) if e.status in FINAL]


def ended(world: Depot) -> None:
    """The app is gone, the old model back, and whoever asked knows it."""
    world.until(lambda: "a" not in world.state.apps, within=900.0)
    world.run(5.0)
    last = world.events(DeploymentChanged)[-1]
    assert (last.new, last.code) in {("refused", "not_configured"), ("rolled_back", "not_configured")}
    assert world.in_place == OLD
    assert finals(world) == ["failed"] and not world.state.commands
    assert not world.busy and "a" not in world.state.remembered
    assert not any(data for key, data in world.disk.items() if key == "app/a")


@pytest.mark.parametrize("discover", ["off", "all"])
@pytest.mark.parametrize("delivery", ["mount", "copy"])
@pytest.mark.parametrize("phase", PHASES)
def test_it_is_refused_or_rolled_back_and_answered_once(phase: str, delivery: str, discover: Any) -> None:
    world = Copied() if delivery == "copy" else Depot()
    reach(world, phase)
    world.config = replace(world.config, discover=discover)
    without(world)
    if discover == "off":
        ended(world)
    else:
        world.until(lambda: world.state.apps["a"].discovered, within=900.0)
        assert world.phases()[-1] in ("refused", "rolled_back") and finals(world) == ["failed"]
        assert world.in_place == OLD
    places = [a for _, a in world.asked if isinstance(a, PlaceArtifact)]
    assert all(a.where.delivery == delivery and a.where.path for a in places)
    assert world.boxes["a"].status == "running"


@pytest.mark.parametrize("phase", PHASES)
def test_edged_ends_meanwhile(phase: str) -> None:
    world = Depot()
    reach(world, phase)
    world.config = replace(world.config, apps={}, discover="off")
    world.restart_edged()
    ended(world)


@pytest.mark.parametrize("phase", ["fetching", "gating"])
def test_edged_ends_while_it_takes_leave(phase: str) -> None:
    world = Depot()
    reach(world, phase)
    world.config = replace(world.config, discover="off")
    without(world)
    world.run(0.01).restart_edged()
    ended(world)


def test_the_one_that_waited_is_answered_too() -> None:
    world = Depot()
    reach(world, "gating")
    world.deploy()
    world.config = replace(world.config, discover="off")
    without(world)
    world.until(lambda: "a" not in world.state.apps, within=900.0)
    assert finals(world, "c1") == ["failed"] and finals(world, "c2") == ["failed"]
    assert world.in_place == OLD and not world.state.commands


def test_a_new_one_is_refused_meanwhile() -> None:
    world = Depot()
    reach(world, "gating")
    without(world)
    world.deploy()
    assert world.events(CommandAnswered, id="c2")[-1].reason == "not_configured"


def test_it_comes_back_into_the_file_in_time() -> None:
    world = Depot()
    world.lost = {"FetchBundle"}
    world.deploy().run(1.0)
    before = world.config
    world.deploy()
    without(world)
    world.reload(before, changed=("apps.a",))
    world.run(60.0)
    app = world.app("a")
    assert not app.leaving and app.config.model is not None


def test_under_another_name_the_container_comes_after_the_end() -> None:
    world = Depot()
    reach(world, "gating")
    world.config = replace(world.config, discover="off")
    without(world, b=probed(container="a", model={"path": "/models"}))
    assert world.app("a").leaving and world.app("b").container is None
    world.until(lambda: "a" not in world.state.apps, within=900.0)
    world.until(lambda: world.condition("b") == "healthy")
    assert world.in_place == OLD and finals(world) == ["failed"]
    assert world.app("b").kept.placed == {}, "the slots lie under the old name"


def test_one_without_a_deployment_goes_at_once() -> None:
    world = Depot()
    world.deploy().until(world.over)
    world.run(5.0)
    assert world.in_place == NEW
    world.config = replace(world.config, discover="off")
    without(world)
    assert "a" not in world.state.apps and world.in_place == NEW
