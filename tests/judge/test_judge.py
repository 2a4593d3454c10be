"""One fact in, all conclusions out."""

from __future__ import annotations

import time
from typing import get_args

import pytest
from msgspec.structs import replace

from edged.config import Config
from edged.judge import RULES, Turn, judge, next_wake
from edged.vocabulary import facts
from edged.vocabulary.actions import StartContainer
from edged.vocabulary.events import ActionEnded, AppChanged
from edged.vocabulary.state import EngineState, State
from edged.vocabulary.world import HostSample, Usage

from .world import GIB, World, app, probed


def test_there_is_a_rule_for_every_fact() -> None:
    assert set(RULES) == set(get_args(facts.AnyFact))


def test_a_tick_without_anything_due_changes_nothing() -> None:
    w = World({"a": app()}).run(10.0)
    before = w.state
    judged = judge(before, facts.Tick(at=w.now), w.config, w.now)
    assert judged.state is before and not judged.actions and not judged.events


def test_what_is_healthy_needs_no_waking() -> None:
    w = World({"a": app()}).run(10.0)
    assert next_wake(w.state, w.config) is None


def test_the_next_wake_is_the_earliest() -> None:
    w = World({"a": app(), "b": app()}).run(10.0)
    w.command("maintenance.set", app="a", on=True, seconds=60.0, why="x")
    w.command("maintenance.set", app="b", on=True, seconds=30.0, why="x")
    assert next_wake(w.state, w.config) == w.now + 30.0


def test_the_same_facts_give_the_same_answers() -> None:
    def story() -> list[object]:
        w = World({"a": app(), "b": probed()}, quick=False, seed=3)
        w.every(1.0, w.probes)
        for name in ("a", "b", "a"):
            w.crash(name)
            w.run(20.0)
        return [w.told, w.asked, w.state]

    assert story() == story()


def test_all_apps_are_seen_before_the_first_is_settled() -> None:
    w = World({"late": app(needs=("early",)), "early": app()}).run(5.0)
    w.stop_engine()
    w.run(5.0)
    w.forget().start_engine()
    kinds = [type(e).__name__ for _, e in w.told]
    assert kinds.index("RecoveryHeld") > max(n for n, k in enumerate(kinds) if k == "AppChanged")


def test_an_action_that_the_guard_refuses_counts_as_failed_at_once() -> None:
    w = World({"a": app()}).run(5.0)
    w.crash("a")
    w.run(0.004)
    action = w.asked[-1][1]
    assert isinstance(action, StartContainer)
    turn = Turn(replace(w.state, engine=EngineState(up=False)), w.config, w.now)
    turn.actions.append(action)
    turn.guard()
    (told,) = turn.events
    assert isinstance(told, ActionEnded) and told.error == "refused: the container engine does not answer"
    assert not turn.actions and turn.state.apps["a"].kept.recovery.phase == "idle"


def test_outcomes_of_unknown_actions_are_told_and_change_nothing() -> None:
    w = World({"a": app()}).run(5.0).forget()
    before = w.app("a")
    w.feed(
        facts.ActionFinished(at=w.now, action_id="a-0-9", action="StartContainer", subject="a", ok=True, seconds=1.0)
    )
    assert w.events(ActionEnded) and w.app("a") == before


def test_the_outcome_of_an_old_pause_changes_nothing() -> None:
    w = World({"a": app()}).run(5.0)
    w.feed(
        facts.ActionFinished(
            at=w.now, action_id="a-0-9", action="PauseContainer", subject="a", ok=False, seconds=1.0, error="x"
        )
    )
    assert w.condition("a") == "healthy"


def test_edged_without_any_app_lives() -> None:
    w = World(config=Config()).run(100.0)
    w.list_now()
    w.host()
    assert not w.events(AppChanged) and next_wake(w.state, w.config) is None


# Cost


@pytest.fixture(scope="module")
def crowd() -> World:
    """Twenty apps in good health."""
    w = World({f"app-{n}": probed() for n in range(20)})
    w.run(5.0)
    for name in w.config.apps:
        w.probe(name)
    return w


def cost(w: World, fact: facts.Fact, rounds: int = 200) -> float:
    """Seconds that one judgement takes, at best: other loads on the machine only ever add to it."""
    best = 1.0
    for _ in range(rounds):
        began = time.perf_counter()
        judge(w.state, fact, w.config, w.now)
        best = min(best, time.perf_counter() - began)
    return best


def test_a_sample_of_twenty_apps_is_cheap(crowd: World) -> None:
    usages = tuple(
        Usage(container_id=b.id, memory=50 * 2**20, memory_limit=100 * 2**20, cpu_seconds=1.0)
        for b in crowd.boxes.values()
    )
    assert cost(crowd, facts.ResourcesSampled(at=crowd.now + 5.0, usages=usages)) < 0.0005


def test_an_answer_of_a_probe_is_cheap(crowd: World) -> None:
    fact = facts.ProbeFinished(
        at=crowd.now, kind="app", subject="app-7", ok=True, seconds=0.01, started=crowd.now - 0.01
    )
    assert cost(crowd, fact) < 0.00005


def test_a_look_at_the_host_is_cheap(crowd: World) -> None:
    sample = HostSample(memory_total=4 * GIB, memory_available=2 * GIB, cpu_busy=0.2, temperature=50.0)
    assert cost(crowd, facts.HostSampled(at=crowd.now, host=sample)) < 0.0001


def test_nothing_is_cheaper_than_a_tick(crowd: World) -> None:
    assert cost(crowd, facts.Tick(at=crowd.now)) < 0.00005


def test_an_empty_state_takes_every_fact() -> None:
    for fact in (
        facts.Tick(at=1.0),
        facts.EngineSeen(at=1.0, up=True),
        facts.ContainersListed(at=1.0, containers=()),
        facts.ResourcesSampled(at=1.0, usages=()),
        facts.StorageSeen(at=1.0, ok=True),
        facts.ConfigRejected(at=1.0, path="", errors=()),
    ):
        assert isinstance(judge(State(), fact, Config(), 1.0).state, State)
