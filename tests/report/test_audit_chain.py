"""The chain by itself: nothing can be changed, left out, added or moved without a fault, and a fault is no crash."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edged.audit import GENESIS, Entry, Head, Span, entry_line, link, parse_line, span_line, verify


def chain(count: int, first: int = 1) -> list[Span | Entry]:
    digest = GENESIS if first == 1 else b"\7" * 32
    anchor = Head(first - 1, digest.hex())
    entries = []
    for number in range(first, first + count):
        text = b'{"number":%d,"what":"command"}' % number
        digest = link(digest, text)
        entries.append(Entry(number, digest, text))
    return [Span(anchor, Head(first + count - 1, digest.hex())), *entries]


WHOLE: list[Any] = chain(6, 3)
EXPORT = [span_line(WHOLE[0]), *map(entry_line, WHOLE[1:])]


def test_an_empty_chain_and_one_of_which_only_the_anchor_is_left() -> None:
    assert verify([Span()]).ok and verify([]).ok
    empty = chain(0, 9)
    verdict = verify(empty, [Head(8, (b"\7" * 32).hex())])
    assert verdict.ok and (verdict.first, verdict.last, verdict.removed) == (0, 8, 8)
    assert not verify([Span(Head(0, "7" * 64), Head(0, "7" * 64))]).ok, "nothing comes before the first record"


def test_it_may_grow_while_it_is_read_in_pages() -> None:
    early, late = chain(6, 3), chain(8, 3)
    assert verify([early[0], *early[1:], late[0], *late[7:]]).ok
    assert not verify([late[0], *late[1:5]]).ok


def test_faults_are_bounded() -> None:
    wrong = [Span(head=Head(5000, "0" * 64)), *(Entry(n, b"", b"") for n in range(1, 5001))]
    assert len(verify(wrong).faults) == 20


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(EXPORT) - 1), st.integers(0, 10**6), st.integers(0, 255))
def test_no_byte_of_an_export_can_be_changed(line: int, place: int, byte: int) -> None:
    changed = bytearray(EXPORT[line])
    changed[place % len(changed)] = byte
    lines = [*EXPORT[:line], bytes(changed), *EXPORT[line + 1 :]]
    try:
        parts = [parse_line(text) for text in lines]
    except ValueError:
        return
    assert not verify(parts).ok or parts == WHOLE


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12))
def test_no_record_can_be_left_out_repeated_or_moved(order: list[int]) -> None:
    parts = [WHOLE[0], *(WHOLE[1 + index] for index in order)]
    assert verify(parts).ok == (order == list(range(6)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_refused_in_words(text: bytes) -> None:
    try:
        part = parse_line(text)
    except ValueError as error:
        assert str(error)
    else:
        assert isinstance(part, Entry) and not verify([Span(), part]).ok
