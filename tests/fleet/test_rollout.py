"""Rollouts as pure data: whatever devices and consoles do, the promises hold."""

from __future__ import annotations

import uuid
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.fleet.answers import Answer
from edged.fleet.rollout import (
    OPEN,
    OVER,
    Rollout,
    Seen,
    Terms,
    answered,
    command,
    patience,
    plan,
    refused,
    resumed,
    step,
)
from edged.fleet.tracker import NUDGE, RETRY

ID = str(uuid.UUID(int=7))
WELL = Seen(online=True)


def terms(**more: object) -> Terms:
    base = {"type": "model.deploy", "app": "detector", "bundle": "http://x/b.tar", "soak": 10.0, "waves": ("1", "100%")}
    return msgspec.convert({**base, **more}, Terms)


def told(rollout: Rollout, device: str, state: str, **more: str) -> Rollout:
    entry = rollout.entries[device]
    return answered(rollout, Answer(device=device, id=entry.command, type="model.deploy", state=state, **more))


def begun(devices: int = 3, **more: object) -> tuple[Rollout, list[str]]:
    rollout = plan(ID, terms(**more), [f"d{n}" for n in range(devices)])
    return step(rollout, lambda _: WELL, 0.0)


def test_the_happy_path() -> None:
    rollout, sent = begun()
    (first,) = sent
    assert rollout.entries[first].state == "sent" and command(rollout, first).args["app"] == "detector"
    assert step(rollout, lambda _: WELL, 1.0)[1] == []
    rollout = told(told(told(rollout, first, "accepted"), first, "running", phase="gating"), first, "succeeded")
    rollout, sent = step(rollout, lambda _: WELL, 1.0)
    assert (rollout.stage, sent) == ("soaking", [])
    rollout, sent = step(rollout, lambda _: WELL, 9.0)
    assert (rollout.stage, sent) == ("soaking", [])
    rollout, sent = step(rollout, lambda _: WELL, 1.0)
    assert (rollout.stage, rollout.wave, sent) == ("rolling", 1, [])
    rollout, sent = step(rollout, lambda _: WELL, 0.2)
    assert len(sent) == 2
    for device in sent:
        rollout = told(rollout, device, "succeeded")
    rollout, _ = step(rollout, lambda _: WELL, 0.2)
    rollout, _ = step(rollout, lambda _: WELL, 10.0)
    assert (rollout.stage, rollout.counts) == ("done", Counter(succeeded=3))


def test_it_stops_itself_and_waits_for_those_under_way() -> None:
    rollout, _ = begun(10, waves=("100%",), at_once=4, max_failures=1)
    under_way = [entry.device for entry in rollout.entries.values() if entry.state == "sent"]
    assert len(under_way) == 4
    rollout = told(told(rollout, under_way[0], "failed"), under_way[1], "rejected")
    rollout, sent = step(rollout, lambda _: WELL, 1.0)
    assert (rollout.stage, sent) == ("halting", [])
    rollout = told(told(rollout, under_way[2], "succeeded"), under_way[3], "succeeded")
    rollout, sent = step(rollout, lambda _: WELL, 1.0)
    assert (rollout.stage, sent) == ("halted", []) and "devices that failed: 2; at most 1 may" in rollout.reason
    assert rollout.counts == Counter(pending=6, succeeded=2, failed=1, rejected=1)
    assert step(rollout, lambda _: WELL, 1e6) == (rollout, [])


def test_who_is_not_well_afterwards_has_failed() -> None:
    rollout, (first,) = begun(max_failures=0)
    rollout, _ = step(told(rollout, first, "succeeded"), lambda _: WELL, 1.0)
    down = Seen(online=True, trouble="detector is down")
    rollout, _ = step(rollout, lambda _: down, 1.0)
    rollout, _ = step(rollout, lambda _: down, 20.0)
    assert rollout.stage == "soaking"  # the soak is over, and yet nobody knows whether it comes back
    rollout, _ = step(rollout, lambda _: WELL, 1.0)
    assert rollout.stage == "rolling"
    rollout, _ = begun(max_failures=0)
    rollout, _ = step(told(rollout, first, "succeeded"), lambda _: down, 1.0)
    rollout, _ = step(rollout, lambda _: down, 30.0)
    assert (rollout.stage, rollout.entries[first].state) == ("halted", "sick")


def test_only_new_critical_alerts_count() -> None:
    before = Seen(online=True, alerts=("DiskFull//",))
    rollout, (first,) = step(plan(ID, terms(), ["a", "b"]), lambda _: before, 0.0)
    rollout, _ = step(told(rollout, first, "succeeded"), lambda _: before, 5.0)
    assert rollout.entries[first].state == "succeeded"
    rollout, _ = step(rollout, lambda _: Seen(online=True, alerts=("DiskFull//", "AppDown/detector")), 1.0)
    assert rollout.entries[first].state == "sick" and "AppDown/detector" in rollout.entries[first].message


def test_offline_devices_are_waited_for_or_skipped() -> None:
    away = Seen(trouble="is offline")
    waiting = plan(ID, terms(waves=("100%",), offline_for=60.0), ["a", "b"])
    rollout, sent = step(waiting, lambda one: WELL if one == "a" else away, 1.0)
    assert sent == ["a"]
    rollout, _ = step(told(rollout, "a", "succeeded"), lambda one: WELL if one == "a" else away, 58.0)
    assert (rollout.stage, rollout.entries["b"].state) == ("rolling", "pending")
    later, sent = step(rollout, lambda _: WELL, 1.0)
    assert (later.entries["b"].state, sent) == ("sent", ["b"])
    gone, sent = step(rollout, lambda one: WELL if one == "a" else away, 1.0)
    assert (gone.entries["b"].state, gone.stage, sent) == ("skipped", "soaking", [])
    skipping = plan(ID, terms(waves=("100%",), offline="skip"), ["a", "b"])
    rollout, sent = step(skipping, lambda one: WELL if one == "a" else away, 0.0)
    assert (rollout.counts, sent) == (Counter(sent=1, skipped=1), ["a"])


def test_silence_is_asked_and_then_counts() -> None:
    rollout, (first,) = begun(timeout=1000.0)
    rollout, sent = step(rollout, lambda _: WELL, NUDGE)
    assert sent == [first] and command(rollout, first).id == rollout.entries[first].command
    assert patience(rollout, first) == 1000.0 - NUDGE  # it expires when the device is given up, not later
    rollout, sent = step(rollout, lambda _: WELL, NUDGE - 1.0)
    assert sent == []
    assert step(rollout, lambda _: Seen(), 1.0)[1] == []  # nobody is there who could answer
    assert step(rollout, lambda _: WELL, 1.0)[1] == [first]
    assert step(rollout, lambda _: Seen(), 1000.0)[0].entries[first].state == "silent"


def test_a_device_that_is_busy_is_asked_again_soon() -> None:
    rollout, (first,) = begun(max_failures=0)
    rollout, sent = step(told(rollout, first, "rejected", reason="queue_full"), lambda _: WELL, RETRY - 1.0)
    assert (rollout.entries[first].state, sent) == ("sent", [])
    rollout, sent = step(rollout, lambda _: WELL, 1.0)
    assert sent == [first]
    rollout, _ = step(told(rollout, first, "rejected", reason="unknown_app"), lambda _: WELL, 1.0)
    assert (rollout.entries[first].state, rollout.stage) == ("rejected", "halted")


def test_after_a_break_the_same_ids_are_asked_again() -> None:
    rollout, (first,) = begun()
    again = msgspec.json.decode(msgspec.json.encode(rollout), type=Rollout)
    assert again == rollout
    again, sent = step(resumed(again), lambda _: WELL, 0.0)
    assert sent == [first] and again.entries[first].command == rollout.entries[first].command


def test_the_broker_refuses() -> None:
    rollout, (first,) = begun(max_failures=0)
    rollout, _ = step(refused(rollout, first, "not authorised"), lambda _: WELL, 0.2)
    assert (rollout.stage, rollout.entries[first].state) == ("halted", "refused")


_MOVES = st.lists(
    st.tuples(
        st.sampled_from(["tick", "answer", "crash", "offline", "online", "sick", "well", "alert", "refuse"]),
        st.integers(0, 11),
        st.sampled_from(["accepted", "running", "succeeded", "failed", "rejected", "expired"]),
        st.floats(0.0, 40.0),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(
    devices=st.integers(0, 12),
    waves=st.sampled_from([("100%",), ("1", "10%", "50%", "100%"), ("2", "5"), ("50%",), ("30%", "9")]),
    max_failures=st.integers(0, 3),
    at_once=st.integers(1, 5),
    offline=st.sampled_from(["wait", "skip"]),
    moves=_MOVES,
)
def test_whatever_happens(
    devices: int,
    waves: tuple[str, ...],
    max_failures: int,
    at_once: int,
    offline: str,
    moves: list[tuple[str, int, str, float]],
) -> None:
    asked = terms(
        waves=waves, max_failures=max_failures, at_once=at_once, offline=offline, timeout=90.0, offline_for=60.0
    )
    rollout = plan(ID, asked, [f"d{n}" for n in range(devices)])
    seen = dict.fromkeys(rollout.entries, WELL)
    ids = {device: entry.command for device, entry in rollout.entries.items()}
    ordered, halted_with = list(rollout.entries), -1

    def move(elapsed: float) -> None:
        nonlocal rollout, halted_with
        before = rollout
        rollout, send = step(before, seen.__getitem__, elapsed)
        fresh = [one for one in send if before.entries[one].state == "pending"]
        # Nobody is sent anything before its wave, beyond the limit, twice as new, or after the halt.
        assert len(send) == len(set(send)) and all(seen[one].online for one in send)
        assert all(rollout.entries[one].wave == before.wave for one in fresh)
        assert sum(entry.state in OPEN for entry in rollout.entries.values()) <= at_once
        if before.stage == "halting" or rollout.failures > max_failures:
            assert not fresh and rollout.stage in ("halting", "halted")
        # The waves before are through, and were well, before the next begins.
        for entry in rollout.entries.values():
            if entry.wave < rollout.wave:
                assert entry.state not in (*OPEN, "pending")
            if entry.wave > rollout.wave:
                assert entry.state == "pending"
        assert {device: entry.command for device, entry in rollout.entries.items()} == ids
        # What has ended stays so; only who succeeded may still turn out to be sick.
        for device, was in before.entries.items():
            now = rollout.entries[device].state
            assert was.state in (*OPEN, "pending", now) or (was.state, now) == ("succeeded", "sick")

    for what, number, state, seconds in moves:
        device = ordered[number % len(ordered)] if ordered else ""
        if what == "tick" or not device:
            move(seconds)
        elif what == "answer":
            rollout = told(rollout, device, state)
        elif what == "crash":
            rollout = resumed(msgspec.json.decode(msgspec.json.encode(rollout), type=Rollout))
        elif what == "refuse":
            rollout = refused(rollout, device, "no")
        else:
            seen[device] = {
                "offline": Seen(trouble="is offline"), "online": WELL, "well": WELL,
                "sick": Seen(online=True, trouble="down"), "alert": Seen(online=True, alerts=("AppDown/x",)),
            }[what]  # fmt: skip
    # It always comes to an end by itself, whoever stays silent.
    for _ in range(400):
        move(7.0)
    assert rollout.stage in OVER
    assert (rollout.stage == "halted") == (rollout.failures > max_failures)
    if rollout.stage == "done":
        assert "pending" not in rollout.counts and not OPEN & rollout.counts.keys()
