"""Drills among everything else that can go wrong: one result each, nothing left of them, nothing spent."""

from __future__ import annotations

import random

import pytest

from edged.vocabulary.actions import InjectSignal, RestoreMemory, SqueezeMemory
from edged.vocabulary.drills import DrillEnded, DrillStarted
from edged.vocabulary.events import CommandAnswered

from .test_drill import hands
from .world import World, probed

STEPS = ("InjectSignal", "SqueezeMemory", "RestoreMemory", "FindLimits")
FINAL = ("succeeded", "failed", "rejected")


def walk(seed: int) -> World:
    """Half an hour in which drills are asked for while edged, the engine and people do what they like."""
    chance = random.Random(seed)
    w = World({"a": probed()}, seed=seed, quick=False)
    w.every(1.0, w.probes)
    w.every(5.0, w.resources)
    w.every(10.0, w.list_soon)
    hands(w)
    runs = [w.boxes["a"].run]

    def fresh() -> None:
        """A new run is not frozen."""
        if w.boxes["a"].run != runs[-1]:
            runs.append(w.boxes["a"].run)
            w.boxes["a"].sick = False

    w.every(0.05, fresh)
    w.run(30.0)
    for _ in range(10):
        w.lost = {chance.choice(STEPS)} if chance.random() < 0.15 else set()
        w.failing = {chance.choice(STEPS): "no"} if chance.random() < 0.15 else {}
        w.command("drill.run", app="a", kind=chance.choice(("kill", "hang", "oom", "unhealthy")))
        w.run(chance.choice((0.001, 0.05, 0.5, 3.0, 8.0)))
        match 0 if w.lost else chance.randrange(8):  # what never comes back lasts until edged ends
            case 0 | 1:
                w.lost = set()
                w.restart_edged(chance.uniform(0.1, 5.0))
            case 2:
                w.command("maintenance.set", app="a", on=True, seconds=5.0, why="test")
            case 3:
                w.command(chance.choice(("restart", "stop")), app="a")
            case 4:
                w.crash("a")
            case 5:
                w.stop_engine()
                w.run(chance.uniform(0.1, 20.0))
                w.start_engine()
        w.run(chance.choice((1.0, 40.0, 200.0)))
        w.failing = {}
        w.command("start", app="a").run(20.0)
    w.command("start", app="a").run(1.0)
    return w.run(600.0)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens(seed: int) -> None:
    w = walk(seed)
    begun, ended = [e.id for e in w.events(DrillStarted)], [e.id for e in w.events(DrillEnded)]
    assert begun == ended, "each has one end, and one at a time"
    for identity in begun:
        last = [e.status for e in w.events(CommandAnswered) if e.id == identity and e.status in FINAL]
        assert len(last) == 1, (identity, last)
    assert w.app("a").kept.drill is None and not w.state.commands
    _undone(w)
    assert w.condition("a") == "healthy", w.app("a").reason


def _undone(w: World) -> None:
    """A limit that may have been lowered was given back, and what was stopped went on, or ended."""
    limits = [a for _, a in w.asked if isinstance(a, SqueezeMemory | RestoreMemory)]
    given_up = {e.id for e in w.events(DrillEnded) if e.code == "not_restored"}
    assert not limits or isinstance(limits[-1], RestoreMemory) or given_up
    signals = [(at, a.signal) for at, a in w.asked if isinstance(a, InjectSignal) and a.signal != "KILL"]
    if signals and signals[-1][1] == "STOP":
        ends = [at for at, a in w.asked if type(a).__name__ in ("RestartContainer", "StopContainer", "StartContainer")]
        assert given_up or (ends and ends[-1] > signals[-1][0])
