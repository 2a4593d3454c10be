"""Duplicates, waits and remembered details, without an engine."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from edged.observe.engine_link import Link
from edged.observe.engine_parts import Backoff, Details, Seen
from edged.ports import Unreachable
from edged.vocabulary.facts import ContainerChanged
from edged.vocabulary.world import Container, ContainerAction

LISTED = Container(id="a", name="app", status="running")
INSPECTED = Container(
    id="a", name="app", status="running", restart_policy="always", pid=7, started_at=100.0, health="healthy"
)


def change(action: ContainerAction, container_id: str = "a", **fields: Any) -> ContainerChanged:
    return ContainerChanged(at=1.0, id=container_id, name="app", action=action, **fields)


def test_seen_tells_repeated_messages() -> None:
    seen = Seen(3)
    messages = [change("die", time=float(n)) for n in range(1, 5)]
    assert [seen.is_new(one) for one in messages] == [True] * 4
    assert [seen.is_new(one) for one in messages[1:]] == [False] * 3
    assert seen.is_new(messages[0]), "the oldest was forgotten"


def test_seen_tells_different_messages_of_one_instant() -> None:
    seen = Seen()
    different = [
        change("kill", time=1.0, signal=15), change("kill", time=1.0, signal=9), change("die", time=1.0),
        change("kill", "b", time=1.0, signal=9), change("kill", time=1.1, signal=9),
    ]  # fmt: skip
    assert all(seen.is_new(one) for one in different)
    assert not any(seen.is_new(one) for one in different)
    assert seen.is_new(change("die"))
    assert seen.is_new(change("die")), "without a time nothing can be told"


def test_seen_is_bounded() -> None:
    seen = Seen(10)
    for n in range(1, 1000):
        seen.is_new(change("die", time=float(n)))
    assert len(seen._keys) == len(seen._order) == 10


def test_backoff_is_quick_then_bounded_and_jittered() -> None:
    backoff = Backoff(0.2, 2.0, random.Random(1))
    waits = [backoff.next() for _ in range(200)]
    assert 0.15 <= waits[0] <= 0.2
    assert all(1.5 <= wait <= 2.0 for wait in waits[4:])
    assert len(set(waits)) > 190
    backoff.reset()
    assert backoff.next() <= 0.2


def test_details_are_merged_into_lists() -> None:
    details = Details()
    assert details.merge([LISTED]) == (LISTED,)
    assert details.wanting([LISTED]) == ["a"]
    details.learn(INSPECTED)
    assert details.wanting([LISTED]) == []
    merged = details.merge([LISTED])[0]
    assert (merged.restart_policy, merged.pid, merged.started_at) == ("always", 7, 100.0)
    assert merged.health == "none", "the list knows better"


def test_details_of_a_run_end_with_it() -> None:
    details = Details()
    details.learn(INSPECTED)
    assert not details.changed(change("die"))
    ended = msgspec.structs.replace(LISTED, status="exited", exit_code=1)
    merged = details.merge([ended])[0]
    assert (merged.restart_policy, merged.pid, merged.started_at, merged.exit_code) == ("always", None, 100.0, 1)
    assert details.wanting([ended]) == []
    assert details.wanting([LISTED]) == ["a"], "runs, and nobody told: inspect"
    assert details.changed(change("start"))
    merged = details.merge([LISTED])[0]
    assert (merged.restart_policy, merged.pid, merged.started_at) == ("always", None, None)
    assert details.wanting([LISTED]) == ["a"]


def test_details_without_the_message_of_the_end() -> None:
    details = Details()
    details.learn(INSPECTED)
    ended = msgspec.structs.replace(LISTED, status="exited", exit_code=1)
    assert details.merge([ended])[0].pid is None
    assert details.wanting([ended]) == ["a"]


def test_why_it_ended_is_kept_for_that_end_only() -> None:
    details = Details()
    ended = msgspec.structs.replace(LISTED, status="exited", exit_code=137)
    details.learn(msgspec.structs.replace(INSPECTED, status="exited", exit_code=137, oom_killed=True, pid=None))
    assert details.merge([ended])[0].oom_killed
    assert not details.merge([msgspec.structs.replace(ended, exit_code=0)])[0].oom_killed
    assert not details.merge([LISTED])[0].oom_killed
    assert details.merge([LISTED])[0].exit_code is None


@pytest.mark.parametrize("action", ["create", "start", "update"])
def test_what_asks_for_an_inspection(action: ContainerAction) -> None:
    details = Details()
    details.learn(INSPECTED)
    assert details.changed(change(action))
    assert details.wanting([LISTED]) == ["a"]


def test_what_does_not() -> None:
    details = Details()
    assert details.changed(change("die", "new")), "never heard of"
    details.learn(INSPECTED)
    for action in ("kill", "stop", "restart", "oom", "pause", "unpause", "rename", "health_status", "destroy"):
        assert not details.changed(change(action)), action
    assert details.merge([LISTED]) == (LISTED,), "destroyed: forgotten"


def test_doubt_and_forgetting() -> None:
    details = Details()
    details.learn(INSPECTED)
    details.doubt_all()
    assert details.wanting([LISTED]) == ["a"]
    details.merge([])
    assert details._known == {}
    assert details._stale == set()


def test_link_work_is_a_bounded_set() -> None:
    link = Link()
    for n in range(1000):
        link.changed(change("start", str(n % 500)))
    assert len(link._work) == 256
    taken = [link.next_work(1.0) for _ in range(257)]
    assert len(set(taken)) == 257
    assert taken[-1] is None
    assert link.work_in(1.0) is None


def test_link_later_and_destroyed() -> None:
    link = Link()
    link.later("a", 10.0)
    assert link.next_work(9.0) is None
    assert link.work_in(9.0) == 1.0
    link.changed(change("start"))
    assert link.next_work(0.0) == "a", "started: now"
    link.changed(change("create", "b"))
    link.changed(change("destroy", "b"))
    assert link.next_work(0.0) is None


def test_link_does_not_believe_an_inspection_that_was_overtaken() -> None:
    link = Link()
    link.changed(change("start"))
    assert link.next_work(0.0) == "a"
    link.changed(change("start"))  # again, while the inspection is under way
    link.learned(INSPECTED)
    assert link.merge([LISTED])[0].pid is None
    assert link.next_work(0.0) == "a"
    link.learned(INSPECTED)
    assert link.merge([LISTED])[0].pid == 7


def test_link_condition() -> None:
    link = Link()
    connections, broken, news = link.condition()
    assert (connections, str(broken), news) == (0, "not connected yet", True)
    assert link.condition()[2] is False
    link.accepted()
    assert link.condition() == (1, None, True)
    error = Unreachable("gone")
    link.broke(error)
    assert link.condition() == (1, error, True)
