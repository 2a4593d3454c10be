"""Facts are read as they were written, to the last bit."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.flight.numbers import step, stepped
from edged.flight.packing import Packer, Unpacker, Unreadable
from edged.vocabulary import facts
from edged.vocabulary.world import HostSample, Usage

from .recording import walk

LEAVES = st.one_of(
    st.floats(), st.integers(-(2**63), 2**63 - 1), st.none(), st.booleans(), st.text(max_size=5),
    st.integers(0, 10**15).map(lambda n: n / 1e6), st.integers(0, 10**15).map(lambda n: n / 1e9),
)  # fmt: skip
TIMES = st.one_of(st.floats(0, 1e8), st.integers(0, 10**14).map(lambda n: n / 1e6))


def bits(value: Any) -> Any:
    return struct.pack(">d", value) if isinstance(value, float) else (type(value), value)


@given(LEAVES, LEAVES)
def test_a_number_is_the_step_from_the_one_before(before: Any, now: Any) -> None:
    change = msgspec.msgpack.decode(msgspec.msgpack.encode(step(before, now)))
    assert bits(stepped(before, change)) == bits(now)


@given(
    st.lists(
        st.tuples(
            TIMES,
            TIMES,
            st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2**62), st.floats(allow_nan=False)), max_size=3),
        ),
        max_size=8,
    )
)
def test_samples_are_read_as_they_were_written(rows: list[Any]) -> None:
    packer, unpacker = Packer(0.0), Unpacker(0.0)
    for now, at, usages in rows:
        fact = facts.ResourcesSampled(
            at=at, usages=tuple(Usage(container_id=name, memory=size, cpu_seconds=cpu) for name, size, cpu in usages)
        )
        item = msgspec.msgpack.decode(msgspec.msgpack.encode(packer.pack(now, fact)))
        assert unpacker.unpack(item) == (now, fact)


@given(st.lists(st.tuples(TIMES, TIMES, TIMES, st.booleans(), st.text(max_size=3)), max_size=8))
def test_probes_are_read_as_they_were_written(rows: list[Any]) -> None:
    packer, unpacker = Packer(0.0), Unpacker(0.0)
    for now, at, started, ok, detail in rows:
        probe = facts.ProbeFinished(
            at=at, kind="app", subject="detector", ok=ok, seconds=0.1, detail=detail, started=started
        )
        host = facts.HostSampled(at=at, host=HostSample(memory_total=1, memory_available=0, uptime=started))
        for fact in (probe, host):
            item = msgspec.msgpack.decode(msgspec.msgpack.encode(packer.pack(now, fact)))
            assert unpacker.unpack(item) == (now, fact)


def test_everything_that_a_device_in_trouble_sees_is_read_again() -> None:
    heard = walk()
    packer, unpacker = Packer(heard[0][0]), Unpacker(heard[0][0])
    kinds = set()
    for now, fact, *_ in heard:
        item = msgspec.msgpack.decode(msgspec.msgpack.encode(packer.pack(now, fact)))
        assert unpacker.unpack(item) == (now, fact)
        kinds.add(type(fact))
    assert len(heard) > 300 and len(kinds) > 8


def test_zero_keeps_its_sign_and_its_type() -> None:
    packer, unpacker = Packer(0.0), Unpacker(0.0)
    for load in (0.0, -0.0, 1.0, -0.0, 0.0):
        fact = facts.HostSampled(at=1.0, host=HostSample(memory_total=1, memory_available=1, load=(load, 0.0, 0.0)))
        _, seen = unpacker.unpack(packer.pack(1.0, fact))
        assert isinstance(seen, facts.HostSampled)
        assert math.copysign(1.0, seen.host.load[0]) == math.copysign(1.0, load)


@pytest.mark.parametrize("item", [[7, 0, 0], [-2, 0, 0], [-1, 0, 0, {"fact": "Unheard"}], [-1, "x", 0, {}], []])
def test_what_does_not_follow_is_not_guessed(item: list[Any]) -> None:
    with pytest.raises(Unreadable):
        Unpacker(0.0).unpack(item)


def test_a_fact_that_repeats_takes_few_bytes() -> None:
    packer = Packer(0.0)
    for n in range(3):
        at = round(5.0 * n + 0.001234, 6)
        probe = facts.ProbeFinished(at=at, kind="app", subject="a", ok=True, seconds=0.0021, started=at - 0.0021)
        item = packer.pack(round(at + 0.0001, 6), probe)
    assert len(msgspec.msgpack.encode(item)) <= 24
