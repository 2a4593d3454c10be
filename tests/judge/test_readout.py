"""``status.get``, ``logs.get``, ``evidence.get``, ``report.get``: pieces, then one end; nothing of it is kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edged.act.parcel import pack
from edged.durable import sections
from edged.judge import judge
from edged.judge.readout import MOST, interrupted
from edged.loop import _kept
from edged.report.payloads import topic
from edged.vocabulary import facts
from edged.vocabulary.actions import ReadOut
from edged.vocabulary.events import ActionEnded, CommandAnswered, CommandPiece

from .world import World, app

LOCAL, REMOTE = "local:uid=1(ann)", "key:ops"
LINES = b"".join(b"%d %x\n" % (n, n * 2654435761 * 40503) for n in range(20_000))


def world(answer: Any = None) -> World:
    w = World({"a": app(), "b": app()}).run(2.0).forget()
    w.results["ReadOut"] = answer or (lambda action: pack(LINES, "text/plain"))
    return w


def order(w: World, kind: str, identity: str = "x", origin: str = REMOTE, **args: Any) -> World:
    w.feed(facts.CommandReceived(at=w.now, id=identity, type=kind, args=args, origin=origin))
    return w


def answers(w: World) -> list[tuple[str, str]]:
    return [(e.status, e.reason) for e in w.events(CommandAnswered)]


def test_accepted_then_all_pieces_then_one_end() -> None:
    w = order(world(), "logs.get", app="a", lines=5, since=60).run(1.0)
    told = w.events(CommandAnswered)
    pieces = w.events(CommandPiece)
    assert len(pieces) > 2 and [e.status for e in told] == ["accepted", *["running"] * len(pieces), "succeeded"]
    assert [e.result["chunk"] for e in pieces] == list(range(len(pieces)))
    end = told[-1].result
    assert end["chunks"] == len(pieces) and end["bytes"] == len(LINES) and end["truncated"] is False
    assert all(e.result["digest"] == end["digest"] and e.result["phase"] == "data" for e in pieces)
    (_, action) = w.asked[-1]
    assert isinstance(action, ReadOut) and (action.lines, action.since) == (5, 60.0)
    assert action.container_id == w.boxes["a"].id and not w.state.commands


def test_nothing_of_it_is_kept() -> None:
    w = order(world(), "logs.get", app="a").run(1.0)
    stored = b"".join(msgspec.json.encode(part) for part in sections(w.state).values())
    data = str(w.events(CommandPiece)[0].result["data"]).encode()
    assert data not in stored and len(stored) < 10_000 and len(msgspec.json.encode(w.state.answered["x"])) < 1000
    assert not w.events(ActionEnded)
    ended = facts.ActionFinished(at=0.0, action_id="read/x", action="ReadOut", subject="read/x", ok=True, seconds=0.0)
    assert not _kept(ended)


def test_the_pieces_of_a_local_command_are_for_its_caller_only() -> None:
    w = order(world(), "logs.get", origin=LOCAL, app="a").run(1.0)
    assert {topic(e) for e in w.events(CommandPiece)} == {""}
    assert [topic(e) for e in w.events(CommandAnswered) if not isinstance(e, CommandPiece)] == ["event", "event"]
    w = order(world(), "logs.get", app="a").run(1.0)
    assert {topic(e) for e in w.events(CommandAnswered)} == {"res/logs.get/x"}


def test_it_neither_waits_for_what_is_done_to_the_app_nor_holds_it_up() -> None:
    w = world()
    w.lost.add("ReadOut")
    order(w, "logs.get", app="a")
    w.crash("a")
    w.run(10.0)
    assert w.condition("a") == "healthy" and w.actions("a") == ["StartContainer"]


@pytest.mark.parametrize(
    ("kind", "args", "code"),
    [
        ("logs.get", {"app": "nobody"}, "unknown_app"),
        ("logs.get", {"app": "a", "lines": 0}, "bad_arguments"),
        ("logs.get", {"app": "a", "lines": 10_001}, "bad_arguments"),
        ("logs.get", {"app": "a", "since": -1}, "bad_arguments"),
        ("report.get", {"since": 36 * 86400.0}, "bad_arguments"),
        ("status.get", {"app": "nobody"}, "unknown_app"),
        ("evidence.get", {}, "bad_arguments"),
        ("evidence.get", {"which": "x" * 2000}, "bad_arguments"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, args: dict[str, Any], code: str) -> None:
    w = order(world(), kind, **args)
    assert answers(w) == [("rejected", code)] and not w.asked


def test_the_end_of_an_incidents_id_is_enough() -> None:
    w = world()
    w.crash("a")
    w.run(5.0)
    (known,) = (*w.state.incidents.open, *w.state.incidents.closed)
    for number, given in enumerate((known, known[-3:], known.removeprefix("INC-"))):
        order(w, "evidence.get", identity=f"e{number}", which=given).run(1.0)
        (_, action) = w.asked[-1]
        assert isinstance(action, ReadOut) and (action.incident, action.which) == (known, "")
    order(w, "evidence.get", identity="none", which="999").run(1.0)
    (_, action) = w.asked[-1]
    assert isinstance(action, ReadOut) and (action.incident, action.which) == ("", "999")


def test_logs_need_a_container_and_an_engine() -> None:
    w = world()
    w.remove("a")
    w.run(5.0).forget()
    assert answers(order(w, "logs.get", app="a")) == [("rejected", "no_container")]
    w.hang_engine()
    w.forget()
    assert answers(order(w, "logs.get", "y", app="b")) == [("rejected", "engine_down")]


def test_what_cannot_be_had_is_said() -> None:
    w = world()
    w.failing["ReadOut"] = "unreachable|the engine does not answer within 20s"
    order(w, "logs.get", app="a").run(1.0)
    assert answers(w) == [("accepted", ""), ("failed", "unreachable")] and not w.state.commands


def test_few_at_a_time() -> None:
    w = world()
    w.lost.add("ReadOut")
    for number in range(MOST + 1):
        order(w, "status.get", f"c{number}")
    assert answers(w) == [("accepted", "")] * MOST + [("rejected", "busy")]


def test_while_the_disk_is_full_nothing_piles_up_for_the_broker() -> None:
    w = world()
    w.feed(facts.StorageSeen(at=w.now, ok=False, error="disk full"))
    assert answers(order(w, "status.get")) == [("rejected", "storage")]
    order(w, "status.get", "y", LOCAL).run(1.0)
    assert answers(w)[-1] == ("succeeded", "")


def test_a_run_that_ends_owes_an_answer() -> None:
    w = world()
    w.lost.add("ReadOut")
    order(w, "logs.get", app="a")
    (told,) = interrupted(w.state)
    assert isinstance(told, CommandAnswered) and (told.status, told.reason) == ("failed", "interrupted")
    started = facts.Started(at=w.now, boot=2, version="1", host_rebooted=False, previous_end="crash")
    judged = judge(replace(w.state, apps={}), started, w.config, w.now)
    assert not judged.state.commands and judged.state.answered["x"].answer.reason == "interrupted"


def test_an_outcome_that_nobody_waits_for_is_dropped() -> None:
    w = world()
    ended = facts.ActionFinished(
        at=w.now, action_id="read/gone", action="ReadOut", subject="read/gone", ok=True, seconds=0.1, result={}
    )
    assert w.feed(ended) == ()
