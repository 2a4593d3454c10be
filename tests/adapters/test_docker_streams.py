"""Cutting byte streams: the same result wherever the pieces are cut, and never more memory than allowed."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.adapters.docker_streams import Demultiplexer, Lines, Tail


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), st.lists(st.integers(0, 10_000)))
def test_lines_wherever_they_are_cut(lines: list[bytes], places: list[int]) -> None:
    cutter = Lines(20)
    got = [line for piece in cut(b"".join(line + b"\n" for line in lines), places) for line in cutter.feed(piece)]
    assert got == [line for line in lines if len(line) <= 20]
    assert cutter.skipped == len([line for line in lines if len(line) > 20])


def test_a_huge_line_takes_no_memory_and_the_next_one_is_read() -> None:
    lines = Lines(1000)
    assert [lines.feed(b"x" * 700) for _ in range(1000)] == [[]] * 1000
    assert len(lines._buffer) <= 1000
    assert lines.feed(b"x\nnext\n") == [b"next"]
    assert lines.skipped == 1


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=40))), st.lists(st.integers(0, 10_000)))
def test_frames_wherever_they_are_cut(frames: list[tuple[int, bytes]], places: list[int]) -> None:
    stream = b"".join(struct.pack(">BxxxL", kind, len(payload)) + payload for kind, payload in frames)
    demultiplexer = Demultiplexer()
    assert b"".join(demultiplexer.feed(piece) for piece in cut(stream, places)) == b"".join(p for _, p in frames)


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        (b"one\ntwo\nthree\n", 100, b"one\ntwo\nthree\n"),
        (b"one\ntwo\nthree\n", 12, b"two\nthree\n"),
        (b"one\ntwo\nthree\n", 10, b"two\nthree\n"),
        (b"one\ntwo\nthree\n", 9, b"three\n"),
        (b"one\n" + b"y" * 50, 20, b"y" * 20),
        (b"y" * 50 + b"\n", 20, b"y" * 19 + b"\n"),
        (b"one\n", 0, b""),
        (b"", 10, b""),
    ],
)
def test_tail(text: bytes, limit: int, kept: bytes) -> None:
    tail = Tail(limit)
    tail.feed(text)
    assert tail.bytes() == kept


@settings(derandomize=True, deadline=None)
@given(st.lists(st.binary(max_size=60_000), max_size=8), st.integers(0, 500))
def test_tail_is_bounded(pieces: list[bytes], limit: int) -> None:
    tail = Tail(limit)
    for piece in pieces:
        tail.feed(piece)
        assert len(tail._buffer) <= 2 * limit + 2 * 64 * 1024
    whole = b"".join(pieces)
    assert whole.endswith(tail.bytes())
    assert len(tail.bytes()) <= limit
