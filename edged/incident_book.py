"""The book of incidents as it is kept over restarts: each incident by itself, and what is beside them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from .vocabulary.incidents import Book, Change, Incident


class KeptBook(Struct, frozen=True):
    """All but the incidents, which have a key each."""

    numbers: dict[str, int] = {}
    changes: tuple[Change, ...] = ()
    images: dict[str, str] = {}


def shut(book: Book) -> KeptBook:
    """What outlives edged by itself; incidents are stored one by one."""
    return KeptBook(book.numbers, book.changes, book.images)


def opened(kept: KeptBook, incidents: Sequence[Incident]) -> Book:
    """When time changes something in it is found out when edged has started."""
    return Book(
        open={i.id: i for i in sorted(incidents, key=lambda i: i.opened_at) if i.closed_at is None},
        closed={i.id: i for i in sorted(incidents, key=lambda i: i.closed_at or 0.0) if i.closed_at is not None},
        numbers=_numbers(kept.numbers, incidents),
        changes=kept.changes,
        images=kept.images,
    )


def _numbers(kept: dict[str, int], incidents: Sequence[Incident]) -> dict[str, int]:
    """No number that is known to be taken is given again, whatever was lost."""
    numbers = dict(kept)
    for incident in incidents:
        day, _, number = incident.id.removeprefix("INC-").rpartition("-")
        if number.isdigit():
            numbers[day] = max(numbers.get(day, 0), int(number))
    return numbers
