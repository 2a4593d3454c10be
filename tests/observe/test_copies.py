"""Copies of a real message: a few are looked at, a flood of them is not."""

from __future__ import annotations

from edged.observe import copies
from edged.observe.copies import FREE, WITHIN, Copies


def looked_at(seen: Copies, mark: bytes, times: list[float]) -> list[bool]:
    found = []
    for now in times:
        enough = seen.enough(mark, now)
        if not enough:
            seen.verified(mark, now)
        found.append(not enough)
    return found


def test_the_first_ones_are_looked_at_and_after_a_while_again() -> None:
    seen = Copies()
    mark = seen.mark("t", b"order")
    assert looked_at(seen, mark, [0.1 * n for n in range(50)]) == [n <= FREE for n in range(50)]
    assert looked_at(seen, mark, [WITHIN, WITHIN + 0.1]) == [True, True]


def test_what_was_never_verified_is_always_looked_at() -> None:
    seen = Copies()
    mark = seen.mark("t", b"forged")
    assert not any(seen.enough(mark, 0.0) for _ in range(100))


def test_topic_and_content_make_the_message() -> None:
    assert len({Copies.mark(t, d) for t, d in (("t", b"x"), ("t", b"y"), ("u", b"x"), ("", b"tx"))}) == 4


def test_memory_is_bounded() -> None:
    seen = Copies()
    for n in range(copies.MOST + 500):
        seen.verified(seen.mark("t", b"%d" % n), 0.0)
    assert len(seen._seen) == copies.MOST
