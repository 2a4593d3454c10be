"""What another configuration would have added, spared, or done earlier or later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edged.config import App, Config
from edged.config.model import Health, HostMemory, HostWatch, Leak, Memory
from edged.flight.replay import Count
from edged.flight.whatif import Outcome, compare
from edged.judge.outcome import Judgement
from edged.vocabulary import facts
from edged.vocabulary.state import State
from edged.vocabulary.world import Usage
from tests.judge.world import World

from .recording import listening, recorded, walk

MIB = 2**20
NO_LEAK = Leak(window=86400.0)


def memory(warn: float, critical: float = 0.95, for_: float = 30.0) -> Memory:
    return Memory(warn=warn, critical=critical, for_=for_, leak=NO_LEAK)


def config(**app: Any) -> Config:
    apps = {"a": App(**{"memory": memory(0.8), **app})}
    return Config(apps=apps, discover="off", host=HostWatch(memory=HostMemory(warn=1.0, critical=1.0)))


class Told:
    """A recording of ``live``, made under ``under``, and what others come to."""

    def __init__(self, folder: Path, under: Config, live: Callable[[World], None]) -> None:
        heard: list[tuple[float, facts.Fact, Config, State, Judgement]] = []
        with listening(lambda *turn: heard.append(turn)):
            world = World(under.apps, config=under)
            world.host()
            live(world)
        self.files = recorded(folder, heard)

    def under(self, other: Config) -> Outcome:
        count = Count()
        outcome = compare(self.files, other, "sha256:1", count)
        assert not count.notes and count.facts
        return outcome


def uses(world: World, share: float, seconds: float) -> None:
    """The app uses that share of its limit for so long."""
    box = world.boxes["a"]
    for _ in range(int(seconds / 5.0)):
        usage = Usage(container_id=box.id, memory=int(share * 1000 * MIB), memory_limit=1000 * MIB)
        world.feed(facts.ResourcesSampled(at=world.now, usages=(usage,)))
        world.run(5.0)


def calm_and_bursts(world: World) -> None:
    """Fourteen times up to 83 %, once on to 97 %."""
    for _ in range(14):
        uses(world, 0.5, 900.0)
        uses(world, 0.83, 60.0)
    uses(world, 0.5, 900.0)
    uses(world, 0.87, 60.0)
    uses(world, 0.97, 120.0)
    uses(world, 0.4, 900.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_configuration_changes_nothing(tmp_path: Path, seed: int) -> None:
    heard = walk(seed=seed)
    files = recorded(tmp_path, heard)
    outcome = compare(files, heard[0][2], "sha256:0", Count())
    for one in (outcome.alerts, outcome.actions):
        assert not one.added and not one.spared and not one.moved, one
    assert outcome.alerts.same > 3 and outcome.actions.same > 1


def test_a_higher_limit_spares_the_alerts_that_came_to_nothing(tmp_path: Path) -> None:
    told = Told(tmp_path, config(), calm_and_bursts)
    outcome = told.under(config(memory=memory(0.85)))
    assert len(outcome.alerts.spared) == 14 and not outcome.alerts.added and not outcome.alerts.moved
    assert {one.kind for one in outcome.alerts.spared} == {"HighMemory warning"}
    assert outcome.alerts.same >= 2  # the warning that was one, and what followed
    assert outcome.actions.same >= 1 and not outcome.actions.spared and not outcome.actions.added


def test_a_lower_limit_adds_some_and_comes_earlier(tmp_path: Path) -> None:
    def live(world: World) -> None:
        uses(world, 0.76, 120.0)
        uses(world, 0.5, 1800.0)
        uses(world, 0.76, 120.0)
        uses(world, 0.84, 120.0)

    outcome = Told(tmp_path, config(), live).under(config(memory=memory(0.75)))
    assert [one.kind for one in outcome.alerts.added] == ["HighMemory warning"]
    (moved,) = outcome.alerts.moved
    assert moved.seconds == pytest.approx(-120.0, abs=6.0)


def test_restarts_are_spared_and_what_was_done_is_taken_for_a_persons(tmp_path: Path) -> None:
    def live(world: World) -> None:
        uses(world, 0.5, 60.0)
        uses(world, 0.97, 60.0)
        uses(world, 0.4, 600.0)

    told = Told(tmp_path, config(), live)
    outcome = told.under(config(memory=memory(0.98, 0.99)))
    assert [one.kind for one in outcome.actions.spared] == ["RestartContainer"]
    assert not outcome.actions.added and not outcome.alerts.added
    assert any(one.kind == "HighMemory critical" for one in outcome.alerts.spared)


def test_restarts_are_added_and_succeed(tmp_path: Path) -> None:
    def live(world: World) -> None:
        uses(world, 0.5, 60.0)
        uses(world, 0.92, 60.0)
        uses(world, 0.4, 1200.0)

    outcome = Told(tmp_path, config(), live).under(config(memory=memory(0.8, 0.9)))
    assert [one.kind for one in outcome.actions.added] == ["RestartContainer"]
    assert not outcome.actions.spared


def test_a_probe_that_may_fail_more_often_acts_later(tmp_path: Path) -> None:
    health = Health(http="http://127.0.0.1/", failures=3)

    def live(world: World) -> None:
        for ok in (True, True, False, False, False, False, False, False, False):
            world.feed(
                facts.ProbeFinished(at=world.now, kind="app", subject="a", ok=ok, seconds=0.1, started=world.now)
            )
            world.run(5.0)

    told = Told(tmp_path, config(health=health), live)
    same = told.under(config(health=health))
    assert same.actions.same >= 1 and not same.actions.added
    later = told.under(config(health=replace(health, failures=200)))
    assert later.actions.spared and not later.actions.added


def test_an_app_under_a_name_that_no_container_has_is_told(tmp_path: Path) -> None:
    """Else all that was done about it would pass for spared."""
    told = Told(tmp_path, config(), calm_and_bursts)
    count = Count()
    compare(told.files, config(container="b"), "sha256:1", count)
    assert count.notes == ["a: its container was not there, under the name that this configuration gives it"]
