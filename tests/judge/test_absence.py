"""What was stopped while edged was away: by a person, or by an engine that died and came up again."""

from __future__ import annotations

import pytest

from .world import World, app


def away(*stopped: str, list_first: bool = False, apart: float = 0.2) -> World:
    """edged is killed, these are stopped one shortly after the other, and edged starts again."""
    w = World({"a": app(), "b": app(), "c": app()})
    w.run(20.0)
    w.kill_edged()
    for name in stopped:
        w.docker_stop(name)
        w.run(apart)
    w.run(3.0)
    w.list_first = list_first
    w.begin(end="crash")
    w.forget()
    return w.run(60.0)


@pytest.mark.parametrize("list_first", [False, True])
def test_an_engine_that_stopped_all_of_them_is_nobodys_wish(list_first: bool) -> None:
    w = away("a", "b", "c", list_first=list_first)
    assert {name: w.condition(name) for name in "abc"} == dict.fromkeys("abc", "healthy")
    assert not any(w.app(name).kept.recovery.charged for name in "abc"), "and costs nothing"


@pytest.mark.parametrize("list_first", [False, True])
@pytest.mark.parametrize("stopped", [("a",), ("a", "b")])
def test_a_person_leaves_others_running(stopped: tuple[str, ...], list_first: bool) -> None:
    w = away(*stopped, list_first=list_first)
    assert {name for name in "abc" if w.condition(name) == "stopped"} == set(stopped)


def test_who_stops_one_after_the_other_is_a_person() -> None:
    w = away("a", "b", "c", apart=25.0)
    assert w.condition("a") == "stopped"


def test_it_is_remembered_over_another_run() -> None:
    w = away("a")
    w.restart_edged().run(60.0)
    assert w.condition("a") == "stopped" and w.condition("b") == "healthy"
    w.start("a")
    w.run(5.0)
    assert w.app("a").kept.ended_at == 0.0
