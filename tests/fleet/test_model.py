"""What a console makes of messages: devices, sequences, answers, large results, typed arguments."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.adapters import ed25519
from edged.adapters.fleet_files import CounterFile
from edged.bundles import dsse
from edged.fleet import BadSelection, Fleet, Log, Parcel, Tracker, parse_labels
from edged.fleet.answers import Answer, read
from edged.fleet.arguments import BadArguments, parse
from edged.fleet.commands import Command, next_counter, payload, signed
from edged.fleet.parcels import Damaged
from edged.fleet.topics import parse as parse_topic
from edged.fleet.tracker import NUDGE, RETRY
from edged.judge.commands import COMMANDS
from edged.report.payloads import encode_event, status_payload
from edged.vocabulary.events import CommandAnswered
from tests.fixtures.fleet_device import SEED, TRUST

HERE = "edged/v1/press-1"


def fleet(**topics: bytes) -> Fleet:
    made = Fleet()
    for topic, data in topics.items():
        made.take(f"{HERE}/{topic}", data)
    return made


def test_an_older_will_is_no_news_and_a_newer_one_is() -> None:
    made = fleet(meta=b'{"boot":12,"labels":{}}', status=status_payload("offline", 11, 0.0, ""))
    device = made.devices["press-1"]
    assert (device.state, device.stale) == ("online", True)
    made.take(f"{HERE}/status", status_payload("offline", 12, 0.0, ""))
    assert (device.state, device.stale) == ("offline", False)
    # A device that was installed anew counts from one again, and lives.
    made.take(f"{HERE}/status", status_payload("online", 1, 0.0, ""))
    assert device.state == "online"


def test_empty_payloads_clear_and_a_device_without_anything_is_gone() -> None:
    made = fleet(status=status_payload("online", 1, 0.0, ""))
    alert = f"{HERE}/alert/DiskFull/%2F"
    change = made.take(alert, b'{"severity":"critical","summary":"full"}')
    assert change is not None and change.name == "DiskFull//" and change.new.severity == "critical"
    assert made.take(alert, b'{"severity":"critical","summary":"full"}') is None
    gone = made.take(alert, b"")
    assert gone is not None and gone.new is None and not made.devices["press-1"].alerts
    made.take(f"{HERE}/status", b"")
    assert not made.devices


@given(st.sampled_from(["status", "meta", "app/x", "alert/a/b", "res/t/i", "event", "x"]), st.binary(max_size=60))
def test_nonsense_is_counted_and_changes_nothing(topic: str, data: bytes) -> None:
    made = Fleet()
    made.take(f"{HERE}/{topic}", data)
    assert made.unreadable <= 1 and len(made.devices) <= 1
    where = parse_topic(f"{HERE}/{topic}")
    assert where is not None and (read(where, data) is None or where.kind == "res")


def test_birth_messages_share_their_schemas() -> None:
    made = Fleet()
    meta = json.dumps({"boot": 1, "labels": {}, "commands": {"restart": {"type": "object"}}}).encode()
    for number in range(3):
        made.take(f"edged/v1/d{number}/meta", meta)
    metas = [device.meta for device in made.devices.values()]
    assert len({id(one.commands) for one in metas if one is not None}) == 1
    assert made.devices["d0"].schemas == {"restart": {"type": "object"}}


def test_labels() -> None:
    assert parse_labels(["a=1,b=2", "c="]) == {"a": "1", "b": "2", "c": ""}
    for wrong in (["a"], ["a=1,a=2"], [","], ["=x"]):
        with pytest.raises(BadSelection):
            parse_labels(wrong)


@given(st.data())
def test_every_number_is_taken_once_and_gaps_are_told(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=120))
    log, new = Log(), []
    for number in numbers:
        if log.take(1, number):
            new.append(number)
    assert sorted(new) == sorted(set(numbers))
    first, last = numbers[0], max(numbers)
    missing = {number for low, high in log.missing for number in range(low, high + 1)}
    assert missing == set(range(first, last + 1)) - set(numbers) and log.lost == 0


def test_gaps_that_never_close_are_given_up() -> None:
    log = Log()
    log.take(1, 1)
    for number in range(5, 6000):
        log.take(1, number)
    assert log.missing == () and log.lost == 3
    assert not log.take(1, 5999) and log.take(2, 6000)


def answer(state: str, **more: object) -> Answer:
    return msgspec.convert({"device": "d", "id": "i", "type": "t", "state": state, **more}, Answer)


def test_answers_only_go_forward() -> None:
    tracker = Tracker([Command("i", "t", "d")], 0.0)
    assert tracker.take(answer("running", phase="gating"), 1.0) is not None
    assert tracker.take(answer("accepted"), 2.0) is None
    assert tracker.take(answer("failed", reason="gate"), 3.0) is not None and tracker.open == 0
    assert tracker.take(answer("succeeded"), 4.0) is None and tracker.open == 0
    assert tracker.take(msgspec.structs.replace(answer("failed"), device="another"), 5.0) is None


def test_silence_is_asked_once_in_a_while() -> None:
    tracker = Tracker([Command("i", "t", "d")], 0.0)
    assert tracker.silent(NUDGE - 1) == []
    assert [one.id for one in tracker.silent(NUDGE)] == ["i"]
    assert tracker.silent(NUDGE + 1) == []
    assert tracker.take(answer("rejected", reason="rate_limited"), NUDGE + 2) is not None and tracker.open == 1
    assert tracker.silent(NUDGE + 1 + RETRY) == []
    assert [one.id for one in tracker.silent(NUDGE + 2 + RETRY)] == ["i"]
    tracker.take(answer("succeeded"), NUDGE + 3 + RETRY)
    assert tracker.silent(1e9) == []


def test_an_answer_as_the_daemon_writes_it_is_read() -> None:
    event = CommandAnswered(
        subject="detector", id="i", command="model.deploy", origin="ops", status="running", message="watching",
        result={"phase": "gating", "progress": 0.5},
    )  # fmt: skip
    where = parse_topic(f"{HERE}/res/model.deploy/i")
    assert where is not None
    seen = read(where, encode_event(7, 3, 1.7e9, event, device="press-1"))
    assert seen is not None
    assert (seen.state, seen.phase, seen.progress, seen.boot, seen.sequence) == ("running", "gating", 0.5, 3, 7)


def pieces(data: bytes, size: int) -> tuple[list[Answer], dict[str, object]]:
    packed = gzip.compress(data)
    parts = [packed[n : n + size] for n in range(0, len(packed), size)]
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    answers = [
        answer("running", phase="data", result={
            "encoding": "gzip+base64", "chunk": n, "chunks": len(parts), "digest": digest,
            "data": base64.b64encode(part).decode(),
        })
        for n, part in enumerate(parts)
    ]  # fmt: skip
    return answers, {"digest": digest, "bytes": len(data), "chunks": len(parts)}


@given(st.binary(max_size=3000), st.integers(1, 500), st.randoms())
def test_pieces_in_any_order_and_twice(data: bytes, size: int, rng: random.Random) -> None:
    answers, final = pieces(data, size)
    shuffled = answers + answers[:2]
    rng.shuffle(shuffled)
    parcel = Parcel()
    assert all(parcel.take(one) for one in shuffled)
    assert parcel.open(final) == data


def test_damaged_results_are_told() -> None:
    answers, final = pieces(b"x" * 1000 + bytes(range(256)), 50)
    parcel = Parcel()
    for one in answers[1:]:
        parcel.take(one)
    with pytest.raises(Damaged, match="pieces of the result have arrived"):
        parcel.open(final)
    parcel.take(answers[0])
    with pytest.raises(Damaged, match="digest or size"):
        parcel.open({**final, "digest": "sha256:00"})
    with pytest.raises(Damaged, match="digest or size"):
        parcel.open({**final, "bytes": 3})
    with pytest.raises(Damaged, match="unknown encoding"):
        parcel.take(answer("running", phase="data", result={"data": "eA==", "encoding": "rot13", "chunk": 0}))
    assert Parcel().open({"answer": 42}) is None


def test_a_bomb_is_not_unpacked() -> None:
    answers, final = pieces(bytes(65 * 2**20), 10**6)
    parcel = Parcel()
    for one in answers:
        parcel.take(one)
    with pytest.raises(Damaged, match="larger than"):
        parcel.open(final)


def test_arguments_by_the_daemons_own_schemas() -> None:
    schemas = {name: msgspec.json.schema(one.args) for name, one in COMMANDS.items()}
    assert parse(["app=a", "bundle=http://x/y?a=b"], schemas["model.deploy"]) == {
        "app": "a",
        "bundle": "http://x/y?a=b",
    }
    for texts in (["app=a"], ["app=a", "bundle=b", "more=1"], ["app=a", "app=b", "bundle=c"], ["app"]):
        with pytest.raises(BadArguments):
            parse(texts, schemas["model.deploy"])
    assert parse(["x=1", "y:=[1]"], None) == {"x": "1", "y": [1]}


def test_typed_arguments() -> None:
    schema = {
        "properties": {
            "n": {"type": "integer"}, "f": {"type": "number"}, "b": {"type": "boolean"}, "e": {"enum": ["on", 3]},
            "l": {"type": "array", "items": {"type": "integer"}},
            "u": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "s": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "o": {"type": "object"},
        }
    }  # fmt: skip
    texts = ["n=5", "f=1.5", "b=yes", "e=3", "l=1,2", "u=null", "s=7", 'o={"a":1}']
    expected = {"n": 5, "f": 1.5, "b": True, "e": 3, "l": [1, 2], "u": None, "s": 7, "o": {"a": 1}}
    assert parse(texts, schema) == expected
    for text in ("n=x", "b=maybe", "e=off", "l=1,x", "o=[1]", "n:=}"):
        with pytest.raises(BadArguments):
            parse([text], schema)


def test_a_command_verifies_as_a_device_does_it() -> None:
    command = Command("i", "restart", "press-1", {"app": "detector"})
    data = payload(command, 1.7e9, 300.0, 5)
    envelope = dsse.decode(signed(data, "ops", lambda message: ed25519.sign(SEED, message)), 2**16)
    verified = dsse.verify(envelope, dsse.COMMAND_TYPE, TRUST, 1.7e9, "press-1", ed25519.verify)
    assert verified.payload == data
    assert json.loads(data) == {
        "id": "i", "type": "restart", "device": "press-1", "args": {"app": "detector"},
        "issued": "2023-11-14T22:13:20.000Z", "expires": "2023-11-14T22:18:20.000Z", "counter": 5,
    }  # fmt: skip


@given(st.integers(0, 2**60), st.floats(0, 1e10))
def test_counters_grow(last: int, wall: float) -> None:
    assert next_counter(last, wall) > last and next_counter(last, wall) >= int(wall * 1e6)


def test_two_consoles_share_the_counter_of_a_key(tmp_path: object) -> None:
    from pathlib import Path

    key = Path(str(tmp_path)) / "ops.key"
    one, two = CounterFile(key), CounterFile(key)
    numbers = [console.next() for _ in range(200) for console in (one, two)]
    one.close()
    two.close()
    assert numbers == sorted(set(numbers))
    (key.parent / "ops.key.counter").write_text("9" * 20)
    ahead = CounterFile(key)
    assert ahead.next() == int("9" * 20) + 1  # a clock that was put back changes nothing
    ahead.close()
