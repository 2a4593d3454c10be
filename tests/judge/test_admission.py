"""Who may have what carried out, when, and how often: once."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edged.adapters import ed25519
from edged.config.model import Commands, Config, Device
from edged.judge import ANSWERS_KEPT, commands, window
from edged.judge.answered import READS_KEPT
from edged.judge.commands import COMMANDS
from edged.judge.outcome import View
from edged.observe.orders import read
from edged.vocabulary import facts
from edged.vocabulary.deployments import Request
from edged.vocabulary.events import CommandAnswered, CommandsRefused, KeysChanged
from edged.vocabulary.state import CommandState
from edged.vocabulary.trust import RANK, TrustedKey, Window
from tests.fixtures.orders import Sender, rfc3339, topic

from .world import World, app

WALL = 1.8e9
DEVICE = Device(id="press-7", labels={"site": "plant-a", "line": "2"})


USUAL = Commands()


class Fleet(World):
    """A device whose trust file names these senders."""

    def __init__(self, *senders: Sender, commands: Commands = USUAL, synced: bool | None = True) -> None:
        self.synced, self.offset = synced, 0.0
        self.trusted = tuple(sender.key for sender in senders)
        super().__init__({"a": app(), "b": app()}, config=Config(device=DEVICE, commands=commands))
        self.run(2.0)

    @property
    def wall(self) -> float:
        """What the device's own wall clock shows."""
        return WALL + self.now - 1000.0 + self.offset

    def begin(self, **more: Any) -> None:
        super().begin(**more)
        self.look()

    def look(self) -> None:
        self.host(clock_synced=self.synced, wall=self.wall)

    def send(
        self, sender: Sender, order: dict[str, Any] | None = None, *, at: str = "", **more: Any
    ) -> tuple[str, str]:
        """Delivers an order, and returns the last answer: status and reason code."""
        sender.wall = more.pop("wall", WALL + self.now - 1000.0)
        again = more.pop("again", False)
        order = order or sender.order(**more)
        found = read(at or topic(order), sender.sign(order), "press-7", self.state.authority.keys, ed25519.verify)
        self.forget()
        if found.order is None:
            self.feed(facts.OrdersRefused(at=self.now, code=found.code, message=found.why, key=found.key))
            return "refused", found.code
        self.feed(
            facts.OrderReceived(
                at=self.now,
                wall=self.wall,
                topic_type=found.topic_type,
                topic_id=found.topic_id,
                key=found.key,
                public=found.public,
                digest=found.digest,
                order=found.order,
                again=again,
            )
        )
        answers = self.events(CommandAnswered)
        return (answers[-1].status, answers[-1].reason) if answers else ("", "")


def ops() -> Sender:
    return Sender()


def boss() -> Sender:
    return Sender("boss", "admin", number=3)


def test_an_order_is_accepted_carried_out_and_answered() -> None:
    sender = ops()
    w = Fleet(sender)
    order = sender.order()
    assert w.send(sender, order) == ("accepted", "")
    first = w.events(CommandAnswered)[0]
    assert (first.id, first.origin, first.command) == (order["id"], "key:ops", "restart")
    assert first.request == {
        "args": {"app": "a"},
        "key": "ops",
        "role": "operator",
        "counter": order["counter"],
        "digest": first.request["digest"],
    }
    w.run(5.0)
    assert [e.status for e in w.events(CommandAnswered)] == ["accepted", "succeeded"]
    assert w.actions("a") == ["RestartContainer"]


def test_what_is_done_at_once_is_accepted_first_too() -> None:
    sender = ops()
    w = Fleet(sender)
    args = {"app": "a", "on": True, "seconds": 60.0, "why": "belt"}
    assert w.send(sender, kind="maintenance.set", args=args) == ("succeeded", "")
    assert [e.status for e in w.events(CommandAnswered)] == ["accepted", "succeeded"]


def test_the_same_message_again_gets_the_stored_answer_and_does_nothing() -> None:
    sender = ops()
    w = Fleet(sender)
    order = sender.order()
    w.send(sender, order)
    assert w.send(sender, order) == ("accepted", ""), "still under way"
    w.run(5.0)
    assert w.send(sender, order) == ("succeeded", "")
    w.restart_edged().run(5.0)
    assert w.send(sender, order) == ("succeeded", "")
    assert w.actions("a").count("RestartContainer") <= 1


def test_what_the_broker_brings_again_since_its_receipt_was_lost_is_not_answered_twice() -> None:
    sender = ops()
    w = Fleet(sender)
    order = sender.order()
    assert w.send(sender, order, again=True) == ("accepted", ""), "it may never have arrived"
    w.restart_edged().run(5.0)
    assert w.send(sender, order, again=True) == ("", "") and w.actions("a").count("RestartContainer") <= 1


def test_a_counter_counts_once_over_restarts_too() -> None:
    sender = ops()
    w = Fleet(sender)
    w.send(sender, counter=7)
    assert w.send(sender, counter=7) == ("rejected", "replayed")
    w.restart_edged().run(2.0)
    assert w.send(sender, counter=7) == ("rejected", "replayed")
    assert w.send(sender, counter=3, args={"app": "b"})[0] == "accepted", "overtaken on the way is no replay"


def test_below_the_window_is_too_old() -> None:
    sender = boss()
    w = Fleet(sender)
    for counter in range(1000, 1000 + window.SIZE + 1):
        w.send(sender, counter=counter, kind="key.revoke", args={"id": "nobody"})
    assert w.send(sender, counter=1000, args={"app": "a"}) == ("rejected", "counter_too_old")
    assert w.send(sender, counter=5, args={"app": "a"}) == ("rejected", "counter_too_old")


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"device": "press-8"}, ("rejected", "wrong_device")),
        ({"device": {"labels": {}}}, ("rejected", "wrong_device")),
        ({"device": {"labels": {"site": "plant-b"}}}, ("rejected", "wrong_device")),
        ({"device": {"labels": {"site": "plant-a", "hall": "1"}}}, ("rejected", "wrong_device")),
        ({"device": {"labels": {"site": "plant-a"}}}, ("accepted", "")),
        ({"kind": "format.disk"}, ("rejected", "unknown_type")),
        ({"kind": "edged.reload", "args": {}}, ("rejected", "role")),
        ({"kind": "model.deploy", "args": {"app": "a", "bundle": "/x"}}, ("rejected", "role")),
        ({"args": {"app": 7}}, ("rejected", "bad_arguments")),
        ({"args": {"app": "a", "shell": "rm"}}, ("rejected", "bad_arguments")),
        ({"args": {"app": "zz"}}, ("rejected", "unknown_app")),
        ({"issued": "yesterday"}, ("rejected", "malformed")),
        ({"issued": "2027-01-15T08:00:00"}, ("rejected", "malformed")),
        ({"expires": rfc3339(WALL - 1.0)}, ("rejected", "malformed")),
        ({"issued": rfc3339(WALL - 100), "expires": rfc3339(WALL)}, ("expired", "expired")),
        ({"issued": rfc3339(WALL + 900), "expires": rfc3339(WALL + 999)}, ("rejected", "issued_in_future")),
        ({"expires": rfc3339(WALL + 99 * 86400)}, ("rejected", "malformed")),
    ],
)
def test_each_refusal_has_its_code(more: dict[str, Any], answer: tuple[str, str]) -> None:
    sender = ops()
    w = Fleet(sender)
    assert w.send(sender, **more) == answer
    assert len(w.actions("a")) <= (answer[0] == "accepted")


def test_topic_and_payload_must_agree() -> None:
    sender = ops()
    w = Fleet(sender)
    order = sender.order()
    elsewhere = topic(order).replace("restart", "stop")
    assert w.send(sender, order, at=elsewhere) == ("rejected", "topic_mismatch")
    assert w.send(sender, order) == ("accepted", ""), "that used up nothing"


@pytest.mark.parametrize("kind", sorted(COMMANDS))
@pytest.mark.parametrize("role", sorted(RANK))
def test_no_role_may_do_more_than_it_should(kind: str, role: Any) -> None:
    sender = Sender(role=role)
    w = Fleet(sender)
    _, code = w.send(sender, kind=kind, args={"surprise": 1})
    assert (code == "role") == (RANK[role] < RANK[COMMANDS[kind].role])
    assert code in ("role", "bad_arguments")


def test_a_key_for_other_devices_and_an_expired_one_do_not_count() -> None:
    sender = ops()
    key = replace(sender.key, devices=("press-8",))
    w = Fleet(sender)
    w.feed(facts.ConfigLoaded(at=w.now, digest="e", path="p", trusted=(key,)))
    assert w.send(sender) == ("refused", "wrong_device")
    key = replace(sender.key, expires=rfc3339(WALL - 50))
    w.feed(facts.ConfigLoaded(at=w.now, digest="e", path="p", trusted=(key,)))
    assert w.send(sender) == ("rejected", "expired_key")


# Floods


def test_one_key_cannot_ask_for_more_than_its_share() -> None:
    sender, other = ops(), boss()
    w = Fleet(sender, other, commands=Commands(per_minute=10))
    answers = [w.send(sender, kind="stop", args={"app": "zz"}) for _ in range(12)]
    assert answers[9:] == [("rejected", "unknown_app"), ("rejected", "rate_limited"), ("rejected", "rate_limited")]
    assert w.send(other)[0] == "accepted", "another key is not in the way"
    order = sender.order(args={"app": "b"})
    assert w.send(sender, order) == ("rejected", "rate_limited")
    w.run(7.0)
    assert w.send(sender, order)[0] == "accepted", "the same message, a moment later"


def test_only_so_many_may_be_under_way() -> None:
    sender = ops()
    w = Fleet(sender, commands=Commands(open=1))
    w.lost.add("RestartContainer")
    assert w.send(sender)[0] == "accepted"
    assert w.send(sender, args={"app": "b"}) == ("rejected", "queue_full")


def test_a_flood_of_old_messages_is_counted_and_takes_nothing_from_the_key() -> None:
    sender = ops()
    w = Fleet(sender, commands=Commands(per_minute=5))
    old = sender.order(device="press-8")
    told = sum(w.send(sender, old) == ("rejected", "wrong_device") for _ in range(500))
    assert 0 < told < 50
    assert w.send(sender)[0] == "accepted"
    w.forget().run(15.0)
    counted = w.events(CommandsRefused)
    assert [(e.code, e.count) for e in counted] == [("wrong_device", 500 - told)]


def test_an_answer_asked_for_all_the_time_is_not_given_all_the_time() -> None:
    sender = ops()
    w = Fleet(sender)
    order = sender.order()
    w.send(sender, order)
    w.run(5.0)
    given = sum(w.send(sender, order)[0] == "succeeded" for _ in range(300))
    assert 0 < given < 50


# Time


def test_without_a_synchronised_clock_expiry_is_judged_by_the_last_time_known() -> None:
    sender = ops()
    w = Fleet(sender)
    w.run(3600.0)
    order = sender.order(issued=rfc3339(w.wall - 400), expires=rfc3339(w.wall - 100))
    w.synced, w.offset = False, -30 * 365 * 86400.0  # came up with an empty clock
    w.restart_edged()
    w.look()
    assert w.send(sender, order) == ("expired", "expired")
    assert w.send(sender, wall=WALL + w.now - 1000.0)[0] == "accepted"


def test_a_clock_that_is_behind_learns_from_what_an_admin_signed_and_from_nobody_else() -> None:
    sender, chief = ops(), boss()
    w = Fleet(sender, chief)
    w.synced = False
    w.look()
    late = WALL + 90 * 86400.0  # it was switched off for three months
    old = {"issued": rfc3339(late - 5000.0), "expires": rfc3339(late - 10.0), "args": {"app": "b"}}
    assert w.send(sender, wall=late)[0] == "accepted"
    assert w.send(sender, sender.order(**old))[0] == "accepted", "it may not put the clock forward"
    assert w.send(chief, wall=late, kind="key.revoke", args={"id": "nobody"})[1] == "unknown_key"
    assert w.send(sender, sender.order(**old)) == ("expired", "expired")


def test_before_the_first_look_at_the_clock_nothing_is_judged() -> None:
    sender = ops()
    w = Fleet(sender)
    order = sender.order()
    seen = w.state
    w.state = replace(seen, host=replace(seen.host, sample=None))
    assert w.send(sender, order) == ("rejected", "starting")
    w.state = replace(w.state, host=seen.host)
    assert w.send(sender, order) == ("accepted", ""), "and it used up nothing"


def test_an_id_belongs_to_who_used_it_first() -> None:
    sender, other = ops(), boss()
    w = Fleet(sender, other)
    order = other.order(kind="maintenance.set", args={"app": "b", "on": True, "seconds": 9.0, "why": "x"})
    assert w.send(other, order)[0] == "succeeded"
    stolen = sender.order(id=order["id"])
    assert w.send(sender, stolen) == ("", "")
    assert [e.code for e in w.events(CommandsRefused)] == ["id_taken"] and w.actions("a") == []


def test_nobody_pushes_out_what_others_were_told() -> None:
    sender, other = ops(), boss()
    w = Fleet(sender, other, commands=Commands(per_minute=100_000))
    order = other.order(kind="maintenance.set", args={"app": "b", "on": True, "seconds": 9.0, "why": "x"})
    w.send(other, order)
    for _ in range(ANSWERS_KEPT + 5):
        w.send(sender, kind="maintenance.set", args={"app": "zz", "on": True})
    assert len(w.state.answered) == ANSWERS_KEPT + 1 and order["id"] in w.state.answered


def test_who_reads_all_the_time_does_not_have_forgotten_what_was_done() -> None:
    sender = ops()
    w = Fleet(sender, commands=Commands(per_minute=100_000))
    done = sender.order(kind="maintenance.set", args={"app": "b", "on": True, "seconds": 9.0, "why": "x"})
    w.send(sender, done)
    for _ in range(ANSWERS_KEPT + 5):
        assert w.send(sender, kind="logs.get", args={"app": "zz"}) == ("rejected", "unknown_app")
    assert len(w.state.answered) == READS_KEPT + 1
    # Not the same message, but the same command, as a console sends it that missed the answer.
    assert w.send(sender, done | {"counter": sender.counter + 1}) == ("succeeded", "")
    assert w.events(CommandAnswered)[-1].request == {"repeated": True}


def test_what_somebody_sends_is_not_kept_at_full_length() -> None:
    sender = ops()
    w = Fleet(sender)
    assert w.send(sender, args={"app": "A" * 100_000}) == ("rejected", "unknown_app")
    assert len(w.events(CommandAnswered)[-1].message) <= 500
    long = {"app": "a", "on": True, "seconds": 9.0, "why": "w" * 501}
    assert w.send(sender, kind="maintenance.set", args=long) == ("rejected", "bad_arguments")
    assert w.send(sender, issued="2027-01-15T08:00:00." + "0" * 400 + "Z") == ("refused", "malformed")


def test_what_is_older_than_the_memory_of_the_device_is_refused() -> None:
    sender = ops()
    w = Fleet(sender)
    before = sender.order(issued=rfc3339(WALL - 3600.0), expires=rfc3339(WALL + 3600.0))
    assert w.send(sender, before) == ("rejected", "counter_too_old")


# Keys


def test_keys_are_added_and_revoked_over_restarts() -> None:
    sender, new = boss(), Sender("new", number=8)
    w = Fleet(sender)
    assert w.send(new)[1] == "unknown_key"
    key = {"id": "new", "public": new.key.public, "role": "operator"}
    assert w.send(sender, kind="key.add", args=key) == ("succeeded", "")
    assert [(e.change, e.keys) for e in w.events(KeysChanged)] == [("added", ("new",))]
    assert w.send(new)[0] == "accepted"
    w.run(5.0).restart_edged().run(5.0)
    assert w.send(new, args={"app": "b"})[0] == "accepted"
    assert w.send(sender, kind="key.revoke", args={"id": "new"}) == ("succeeded", "")
    assert w.send(new)[1] == "unknown_key"
    w.restart_edged().run(5.0)
    assert w.send(new)[1] == "unknown_key"
    assert w.send(sender, kind="key.add", args=key) == ("rejected", "revoked")
    assert w.send(sender, kind="key.add", args=key | {"id": "new2"}) == ("rejected", "revoked")


def test_a_revoked_key_stays_so_whatever_the_file_says() -> None:
    sender, other = boss(), ops()
    w = Fleet(sender, other)
    assert w.send(sender, kind="key.revoke", args={"id": "ops"}) == ("succeeded", "")
    w.feed(facts.ConfigLoaded(at=w.now, digest="e", path="p", trusted=(sender.key, other.key)))
    assert w.send(other)[1] == "unknown_key"
    again = TrustedKey(id="ops2", public=other.key.public, role="admin")
    w.feed(facts.ConfigLoaded(at=w.now, digest="f", path="p", trusted=(sender.key, again)))
    other.name = "ops2"
    assert w.send(other)[1] == "unknown_key"


def test_a_key_revoked_while_its_order_was_on_the_way_does_not_count() -> None:
    sender, other = boss(), ops()
    w = Fleet(sender, other)
    order = other.order()
    found = read(topic(order), other.sign(order), "press-7", w.state.authority.keys, ed25519.verify)
    w.send(sender, kind="key.revoke", args={"id": "ops"})
    assert found.order is not None
    w.forget().feed(
        facts.OrderReceived(
            at=w.now,
            wall=w.wall,
            topic_type=found.topic_type,
            topic_id=found.topic_id,
            key=found.key,
            public=found.public,
            digest=found.digest,
            order=found.order,
        )
    )
    assert [(e.status, e.reason) for e in w.events(CommandAnswered)] == [("rejected", "unknown_key")]


def test_what_a_revoked_key_has_waiting_never_begins() -> None:
    sender = boss()
    w = Fleet(sender, ops())
    a = w.state.apps["a"]
    waiting = {key: Request(id=f"d-{key}", kind="model", source="u", origin=f"key:{key}") for key in ("ops", "boss")}
    apps = {n: replace(a, name=n, kept=replace(a.kept, waiting=waiting[k])) for n, k in (("a", "ops"), ("b", "boss"))}
    order = CommandState(id="d-ops", type="model.deploy", app="a", origin="key:ops", since=w.now)
    w.state = replace(w.state, apps=w.state.apps | apps, commands={"d-ops": order})
    judged = commands.keys.revoke(
        commands.keys.RevokeArgs("ops"),
        facts.CommandReceived(at=w.now, id="x", type="key.revoke", origin="key:boss"),
        View(w.state, w.config, w.now),
    )
    ends = [(e.id, e.status, e.reason) for e in judged.events if isinstance(e, CommandAnswered)]
    assert ends == [("d-ops", "failed", "revoked"), ("x", "succeeded", "")]
    assert judged.state.apps["a"].kept.waiting is None
    assert judged.state.apps["b"].kept.waiting == waiting["boss"]


def test_the_last_admin_cannot_be_revoked() -> None:
    sender = boss()
    w = Fleet(sender, ops())
    assert w.send(sender, kind="key.revoke", args={"id": "boss"}) == ("rejected", "last_admin")
    gone = {"id": "old", "role": "admin", "expires": rfc3339(WALL - 10)}
    gone["public"] = base64.b64encode(bytes([5]) * 32).decode()
    assert w.send(sender, kind="key.add", args=gone) == ("succeeded", "")
    assert w.send(sender, kind="key.revoke", args={"id": "boss"}) == ("rejected", "last_admin")
    elsewhere = gone | {"id": "else", "expires": "", "public": base64.b64encode(bytes([6]) * 32).decode()}
    w.send(sender, kind="key.add", args=elsewhere | {"devices": ["press-9"]})
    assert w.send(sender, kind="key.revoke", args={"id": "boss"}) == ("rejected", "last_admin")
    soon = gone | {"id": "soon", "expires": rfc3339(WALL + 3600), "public": base64.b64encode(bytes([7]) * 32).decode()}
    assert w.send(sender, kind="key.add", args=soon) == ("succeeded", "")
    assert w.send(sender, kind="key.revoke", args={"id": "boss"}) == ("rejected", "last_admin")
    for nobodys in ("soon", "old", "else", "ops"):
        assert w.send(sender, kind="key.revoke", args={"id": nobodys}) == ("succeeded", "")


def test_revoking_does_not_come_to_an_end() -> None:
    sender, other = boss(), ops()
    w = Fleet(sender, other)
    assert w.send(sender, kind="key.revoke", args={"id": "ops"}) == ("succeeded", "")
    known = w.state.authority
    full = (*known.revoked, *(f"k{number}" for number in range(commands.keys.MOST_REVOKED - 1)))
    w.state = replace(w.state, authority=replace(known, revoked=full, burnt=(*known.burnt, "x")))
    new = {"id": "new", "role": "viewer", "public": base64.b64encode(bytes([9]) * 32).decode()}
    assert w.send(sender, kind="key.add", args=new) == ("succeeded", "")
    assert w.send(sender, kind="key.revoke", args={"id": "new"}) == ("succeeded", "")
    # What the file names stays revoked; of the others only the last.
    assert w.state.authority.revoked == ("ops", "new")
    assert w.state.authority.burnt == (other.key.public, new["public"])


@pytest.mark.parametrize("part", ["authority", "window"])
def test_what_is_remembered_of_keys_but_cannot_be_read_closes_the_door(part: str) -> None:
    sender, other = boss(), ops()
    w = Fleet(sender, other, commands=Commands(trust="trust.yaml"))
    w.look()
    assert w.send(sender, kind="key.revoke", args={"id": "ops"}) == ("succeeded", "")
    old = sender.order(kind="status.get", args={})
    name = next(key for key in w.disk if key.partition("/")[0] == part)
    w.disk[name] = b"{broken"
    for _ in range(2):  # and what is there is not written over: the second run knows of it, too
        w.restart_edged()
        assert w.send(sender) == ("refused", "disabled")
        assert w.disk[name] == b"{broken" and "systemctl reload edged" in w.state.config.errors[0]
    w.feed(facts.ConfigLoaded(at=w.now, digest="d", path="p", trusted=(sender.key, other.key)))
    assert w.send(sender) == ("refused", "disabled"), "a reload alone is nobody's look at the file"
    w.feed(facts.ConfigLoaded(at=w.now, digest="e", path="p", trusted=(sender.key,)))
    assert w.send(sender, old) == ("rejected", "counter_too_old")
    assert w.send(sender, kind="status.get", args={}) == ("accepted", "") and not w.state.config.errors
    w.restart_edged()
    assert w.send(sender, kind="status.get", args={}) == ("accepted", "")


@given(st.lists(st.integers(0, 40), max_size=200))
def test_no_counter_is_ever_taken_twice(counters: list[int]) -> None:
    known, taken = Window(), list[int]()
    for counter in counters:
        if not window.fault(known, counter):
            known = window.take(known, counter)
            taken.append(counter)
    assert len(taken) == len(set(taken)) and set(taken) == set(counters)


@given(st.lists(st.integers(0, 10**6), max_size=400))
def test_the_window_is_bounded_and_no_counter_passes_twice(counters: list[int]) -> None:
    known, taken = Window(), list[int]()
    for counter in counters:
        if not window.fault(known, counter):
            known = window.take(known, counter)
            taken.append(counter)
        assert len(known.seen) <= window.SIZE and list(known.seen) == sorted(known.seen)
    assert len(taken) == len(set(taken))


def test_what_an_outsider_sends_is_told_but_answers_nobodys_command() -> None:
    sender = ops()
    w = Fleet(sender)
    order = sender.order()
    w.send(sender, order)
    forged = facts.OrdersRefused(
        at=w.now, code="bad_signature", message="no", key="ops", topic="t", type="restart", id=order["id"]
    )
    w.forget().feed(forged)
    assert w.events(CommandAnswered) == [] and w.events(CommandsRefused)[0].code == "bad_signature"
    w.forget().feed(replace(forged, id="12345678-1234-1234-1234-123456789abc"))
    assert [(e.status, e.reason) for e in w.events(CommandAnswered)] == [("rejected", "bad_signature")]
    json.dumps(w.events(CommandsRefused)[0].message)
