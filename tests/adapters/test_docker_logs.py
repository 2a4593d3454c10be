"""Log streams of the engine, cut anywhere, with pieces of long lines, junk and terminals."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.adapters.docker_http import Exchange
from edged.adapters.docker_logs import KEPT, ContainerLog, Frames, Multiplexed, Onward, Terminal, stamped
from edged.ports import LogLine, Refused, Unreachable

AT = "2026-11-21T09:25:49.{:09d}Z"
PIECE = 16 * 1024


def frame(stream: int, payload: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


def message(stream: int, number: int, text: bytes) -> bytes:
    """As the engine sends one, or a piece of one."""
    return frame(stream, AT.format(number).encode() + b" " + text)


def cuts(data: bytes, at: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(min(one, len(data)) for one in at)})
    for begin, end in pairwise(edges):
        yield data[begin:end]


LINE = st.binary(max_size=200).map(lambda text: text.replace(b"\n", b"?"))
PARTS = st.lists(st.tuples(st.sampled_from((1, 2)), LINE, st.integers(0, 3)), max_size=20)
AT_THESE = st.lists(st.integers(0, 5000), max_size=30)


@given(PARTS, AT_THESE, st.booleans())
def test_wherever_it_is_cut_each_line_comes_once(
    parts: list[tuple[int, bytes, int]], at: list[int], endless: bool
) -> None:
    """``endless``: a driver that does not send the end of a line that came in pieces."""
    sent, wanted = b"", []
    for number, (stream, text, pieces) in enumerate(parts):
        for _ in range(pieces):
            sent += message(stream, number, text)
        sent += message(stream, number, text if pieces and endless else text + b"\n")
        wanted.append(LogLine(AT.format(number), text if pieces else text + b"\n"))
    form = Multiplexed()
    got = [line for data in cuts(sent, at) for line in form.feed(data)]
    assert got == wanted and not form.trouble


@given(st.lists(st.tuples(LINE, st.booleans()), max_size=20), AT_THESE)
def test_a_terminals_lines(lines: list[tuple[bytes, bool]], at: list[int]) -> None:
    sent = b"".join(
        AT.format(n).encode() + b" " + text + (b"\r\n" if windows else b"\n") for n, (text, windows) in enumerate(lines)
    )
    form = Terminal()
    got = [line for data in cuts(sent, at) for line in form.feed(data)]
    assert [(line.at, line.text.removesuffix(b"\r")) for line in got] == [
        (AT.format(n), text.removesuffix(b"\r") if not windows else text) for n, (text, windows) in enumerate(lines)
    ]


@given(st.binary(max_size=300), AT_THESE)
def test_junk_is_refused_or_read_and_nothing_else(junk: bytes, at: list[int]) -> None:
    form, frames = Multiplexed(), Frames()
    for data in cuts(junk, at):
        try:
            assert all(len(one.head) <= KEPT for one in frames.feed(data))
            form.feed(data)
        except Refused as refusal:
            assert "no log stream" in str(refusal)
            return


def lines(*numbers: int, text: bytes = b"x") -> bytes:
    return b"".join(message(1, number, text + b"\n") for number in numbers)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30), st.integers(0, 29), st.integers(0, 29))
def test_what_is_told_again_after_a_rotation_comes_once(steps: list[int], end: int, back: int) -> None:
    """Both streams rise, each by itself; up to ``end`` it was told, then it goes back and on."""
    told, at = [], {1: 0, 2: 0}
    for number, step in enumerate(steps):
        stream = 1 + number % 2
        at[stream] += step
        told.append(message(stream, at[stream], b"%d\n" % number))
    end = min(end, len(told))
    form = Multiplexed()
    sent = b"".join(told[:end] + told[max(0, end - back) :])
    assert [line.text for line in form.feed(sent)] == [b"%d\n" % number for number in range(len(steps))]


def test_two_lines_of_one_moment_are_two() -> None:
    form = Multiplexed()
    assert [line.text for line in form.feed(lines(1, text=b"a") + lines(1, text=b"b") + lines(1, text=b"b"))] == [
        b"a\n",
        b"b\n",
    ]


@pytest.mark.parametrize("ahead", [True, False])
def test_a_clock_that_was_set_back_hides_nothing(ahead: bool) -> None:
    """The last line came from the future; and where nobody can know that, old lines are believed after a while."""
    written = datetime(2026, 11, 21, 9, 25, 49, tzinfo=UTC).timestamp()
    now = [0.0]
    form = Multiplexed(Onward(lambda: written + (-30.0 if ahead else 30.0), lambda: now[0]))
    assert len(form.feed(lines(900, 901))) == 2
    assert len(form.feed(lines(500, 501))) == (2 if ahead else 0)
    now[0] += 11.0
    assert len(form.feed(lines(502, 503))) == 2


def test_a_line_without_end_takes_no_memory() -> None:
    """100 MB as pieces, as one frame that is longer than any, and in a terminal."""
    block = b"x" * 2**20
    whole = frame(1, b"")[:4] + (2**32 - 1).to_bytes(4, "big") + AT.format(1).encode() + b" "
    forms = (Multiplexed(), Multiplexed(), Terminal())
    forms[1].feed(whole)
    forms[2].feed(AT.format(1).encode() + b" ")
    piece = message(1, 1, b"x" * PIECE)
    told = 0
    tracemalloc.start()
    try:
        for _ in range(100):
            told += sum(len(forms[0].feed(piece)) for _ in range(64))
            forms[1].feed(block)
            forms[2].feed(block)
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told == 1, "the first piece stands for the line"
    assert now < 64 * 1024 and most < 8 * 2**20
    [line] = forms[2].feed(b"\n" + AT.format(2).encode() + b" next")
    assert line.at == AT.format(1) and len(line.text) < KEPT
    assert forms[2].rest() == [LogLine(AT.format(2), b"next")] and forms[2].rest() == []


def test_the_beginning_of_a_long_line_is_kept() -> None:
    text = b"ERROR " + b"y" * 3 * KEPT + b"\n"
    for form, sent in ((Multiplexed(), message(2, 7, text)), (Terminal(), AT.format(7).encode() + b" " + text)):
        lines = [line for data in cuts(sent, list(range(0, len(sent), 777))) for line in form.feed(data)]
        assert [(line.at, line.text[:6]) for line in lines] == [(AT.format(7), b"ERROR ")]
        assert len(lines[0].text) <= KEPT


def test_both_streams_may_have_a_line_under_way() -> None:
    sent = message(1, 1, b"long ") + message(2, 2, b"other\n") + message(1, 1, b"end\n") + message(1, 3, b"next\n")
    assert [line.text for line in Multiplexed().feed(sent)] == [b"long ", b"other\n", b"next\n"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"2026-11-21T09:25:49.013581769Z one\n", (b"2026-11-21T09:25:49.013581769Z", b"one\n")),
        (b"2026-11-21T10:25:49.01+01:00 one\n", (b"2026-11-21T10:25:49.01+01:00", b"one\n")),
        (b"2026-11-21T09:25:49.013581769Z \n", (b"2026-11-21T09:25:49.013581769Z", b"\n")),
        (b"2026-11-21T09:25:49.013581769Z\n", (b"2026-11-21T09:25:49.013581769Z", b"")),
        (b"no stamp at all, but words and more words\n", (b"", b"no stamp at all, but words and more words\n")),
        (b"2026-11-21T09:25:49" + b"1" * 100, (b"", b"2026-11-21T09:25:49" + b"1" * 100)),
        (b"", (b"", b"")),
        (b"\xff" * 30 + b" x", (b"", b"\xff" * 30 + b" x")),
    ],
)
def test_stamps(line: bytes, wanted: tuple[bytes, bytes]) -> None:
    assert stamped(line) == wanted


class Wire:
    """An exchange whose other end the test holds."""

    def __init__(self) -> None:
        mine, self.far = socket.socketpair()
        self.exchange = Exchange("unix:///nowhere")
        self.exchange._keep(mine)


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.far.close()
    made.exchange.__exit__(None, None, None)


def test_reading_never_waits(wire: Wire) -> None:
    stream = ContainerLog(wire.exchange, terminal=False)
    assert stream.read(1000) == ([], 0, False)
    sent = message(1, 1, b"one\n") + message(1, 2, b"two\n")
    wire.far.sendall(sent[:50])
    assert [line.text for line in stream.read(1000).lines] == [b"one\n"]
    wire.far.sendall(sent[50:])
    got = stream.read(1000)
    assert ([line.text for line in got.lines], got.size, got.ended) == ([b"two\n"], len(sent) - 50, False)
    wire.far.close()
    assert stream.read(1000) == ([], 0, True)


def test_no_more_is_taken_than_was_asked_for(wire: Wire) -> None:
    wire.far.setblocking(False)
    piece = message(1, 1, b"z" * 1000 + b"\n")
    sent = 0
    try:
        while True:
            sent += wire.far.send(piece * 60)
    except BlockingIOError:
        assert sent > 64 * 1024
    got = ContainerLog(wire.exchange, terminal=False).read(1)
    assert 0 < got.size <= 64 * 1024 < sent


def test_what_the_engine_says_of_its_own_trouble_is_no_line(wire: Wire) -> None:
    stream = ContainerLog(wire.exchange, terminal=False)
    wire.far.sendall(message(1, 1, b"one\n") + frame(3, b"Error grabbing logs: invalid character 'x'\n"))
    assert [line.text for line in stream.read(1000).lines] == [b"one\n"]
    wire.far.close()
    with pytest.raises(Refused, match=r"^Error grabbing logs: invalid character 'x'$"):
        stream.read(1000)


def test_a_connection_that_breaks(wire: Wire) -> None:
    stream = ContainerLog(wire.exchange, terminal=True)
    wire.far.sendall(b"x" * 10)
    wire.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    stream.close()
    assert stream.read(100) == ([], 0, True)
    other = Exchange("unix:///nowhere")
    gone = socket.socket(socket.AF_UNIX)
    gone.close()
    other._keep(gone)
    with pytest.raises(Unreachable):
        ContainerLog(other, terminal=True).read(100)
