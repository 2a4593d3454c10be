"""Random runbooks under random faults: whatever is written, nothing is done that must not be.

``Keeper`` sees to it at every fact: no start or restart beyond the budget, none in maintenance, none of what a person
stopped, evidence before each, no action while the engine is away. ``World`` refuses two actions on one app.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edged.config.runbook_rules import runbook_faults
from edged.config.runbooks import KINDS, Steps
from edged.vocabulary import actions as act
from edged.vocabulary import events as ev
from edged.vocabulary import facts

from .chaos import FAULTS, WAITS, Chaos, Step
from .faults import NAMES
from .world import World

WALKS = int(os.environ.get("EDGED_FUZZ", "0"))
ALERTS = ("AppDown", "Unhealthy", "HighMemory", "CrashLoop", "OomKilled", "RecoveryExhausted", "AppDown/mid")
OF_APPS = [name for name, kind in KINDS.items() if "app" in kind.about and name != "isolate"]
CONDITIONS = ("critical", "running", "not running", "healthy", "needs_met", "not exhausted", "crash_looping")


def _sound(step: dict[str, Any]) -> dict[str, Any]:
    """Without a time-out where it would have no effect."""
    return {key: value for key, value in step.items() if key != "timeout" or KINDS[step["do"]].timeout}


STEP = st.fixed_dictionaries(
    {"do": st.sampled_from(OF_APPS)},
    optional={"when": st.lists(st.sampled_from(CONDITIONS), max_size=1), "timeout": st.sampled_from([1.0, 5.0, 60.0])},
).map(_sound)
BOOK = st.lists(STEP, max_size=4)
HOST = st.lists(st.sampled_from(["pause_lower_priority", "prune_disk", "notify", "escalate"]), max_size=3)
ENGINE = st.lists(st.sampled_from(["restart_engine", "recover_all", "prune_disk", "escalate"]), max_size=4)
BOOKS = st.dictionaries(st.sampled_from(ALERTS), BOOK, max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(NAMES), st.sampled_from(WAITS)), max_size=10)


class Watcher:
    """What must hold of every run."""

    def __init__(self, world: World) -> None:
        self.world, self.seen, self.acted = world, 0, 0
        world.watchers.append(self.look)

    def look(self, world: World, fact: facts.Fact) -> None:
        for name, run in world.state.runs.items():
            assert run.wake_at is None or run.wake_at > world.now - 1.0, f"{name} should have gone on: {run}"
            assert not (run.over and run.action_id), f"{name} is over, and something is under way: {run}"
        for _, action in world.asked[self.acted :]:
            if isinstance(action, act.PruneDisk):
                kept = {app.container.id for app in world.state.apps.values() if app.container is not None}
                assert kept <= set(action.keep)
        self.acted = len(world.asked)

    def over(self) -> None:
        """All is calm: every run that was told to begin was told to end, and nobody wants anything any more."""
        world = self.world
        balance: Counter[tuple[str, str]] = Counter()
        for _, event in world.told:
            if isinstance(event, ev.RunbookBegun):
                balance[event.alert, event.subject] += 1
            elif isinstance(event, ev.RunbookEnded):
                balance[event.alert, event.subject] -= 1
                assert balance[event.alert, event.subject] >= 0, event
        assert not +balance, f"begun and never ended: {+balance}"
        left = {name for name, run in world.state.runs.items() if not run.over}
        assert not left, left
        assert not any(app.kept.wanted for app in world.state.apps.values())


def play(steps: list[Step], books: dict[str, Any], seed: int) -> None:
    chaos = Chaos(seed)
    world = chaos.world
    watcher = Watcher(world)
    found: dict[str, Steps] = {name: msgspec.convert(tuple(book), Steps) for name, book in books.items()}
    assert not list(runbook_faults(found))
    world.results["PruneDisk"] = lambda action: {"freed": 0}
    world.reload(replace(world.config, runbooks=found))
    world.run(10.0)
    for fault, name, wait in steps:
        chaos.step(fault, name, wait)
    # With the built-in ones everything comes up again.
    if not world.alive:
        world.begin(end="crash")
    world.reload(replace(world.config, runbooks={}))
    chaos.calm_down()
    watcher.over()


@settings(
    max_examples=WALKS or 12,
    phases=set(Phase) - ({Phase.shrink, Phase.explain} if not WALKS else set()),
    deadline=None,
    derandomize=not WALKS,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps=STEPS, books=BOOKS, host=HOST, engine=ENGINE, seed=st.integers(0, 2**16))
def test_whatever_a_runbook_says_the_bounds_hold(
    steps: list[Step], books: dict[str, Any], host: list[str], engine: list[str], seed: int
) -> None:
    play(steps, {**books, "HighMemory/host": host, "EngineDown": engine}, seed)
