"""The chain of the audit: each record is bound to all before it by a SHA-256. Pure; for the store, the command line and
consoles alike.

A record is the text of one JSON object, kept and hashed byte by byte. Whoever may write the file can also make the
whole chain anew, with other records: that is only seen by a head that was noted elsewhere before (``Head``).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

GENESIS = bytes(32)
"""Stands for the hash of the record before the first."""
SHORT = 32
"""Digits of a hash that is sent all the time: 128 bits."""
MOST_FAULTS = 20
_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{16,64})\Z")


class Head(Struct, frozen=True):
    """A point of the chain: whoever knows it can tell whether the records up to it are still the same."""

    number: int = 0
    hash: str = GENESIS.hex()
    """In hexadecimal digits, 16 at least."""

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @property
    def short(self) -> str:
        return f"{self.number}:{self.hash[:SHORT]}"

    def fits(self, digest: bytes) -> bool:
        return digest.hex().startswith(self.hash)


NO_HEAD = Head()


def parse_head(text: str) -> Head:
    """``123:abcdef…``, as ``edged status`` shows it. Raises ``ValueError``."""
    found = _HEAD.match(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no head of an audit: it looks like 123:5f2a…, with 16 to 64 digits")
    return Head(int(found[1]), found[2])


class Entry(Struct, frozen=True):
    """One record, as it is kept."""

    number: int
    hash: bytes
    record: bytes


class Span(Struct, frozen=True):
    """What the records lie between."""

    anchor: Head = NO_HEAD
    """The newest record that was removed by age; the first one kept follows it."""
    head: Head = NO_HEAD


def link(before: bytes, record: bytes) -> bytes:
    """The hash of a record that follows the one with the hash ``before``."""
    return hashlib.sha256(before + record).digest()


class Fault(Struct, frozen=True):
    number: int
    what: str


class Verdict(Struct, frozen=True):
    faults: tuple[Fault, ...]
    first: int
    """0: there is no record."""
    last: int
    count: int
    removed: int
    """Records up to this number were removed by age."""
    head: Head

    @property
    def ok(self) -> bool:
        return not self.faults


def verify(parts: Iterable[Span | Entry], noted: Sequence[Head] = (), since: int = 0) -> Verdict:
    """Goes through the chain and compares it with heads that were noted before.

    ``parts``: what the records lie between, and the records. With more than one span (they were read in pages, and
    there may be more of them by now) the first anchor and the last head count.
    ``since``: begins at this record, taking its own hash for true, as after a loss that is known and looked into.
    """
    walk: _Walk | None = None
    span = Span()
    for part in parts:
        if isinstance(part, Span):
            span = part if walk is None else Span(span.anchor, part.head)
            walk = walk or _Walk(span.anchor)
            continue
        walk = walk or _Walk(span.anchor)
        if part.number > since:
            walk.step(part)
        elif part.number == since:
            walk.begin(part)
        walk.compare(part, noted)
    walk = walk or _Walk(span.anchor)
    walk.end(span.head)
    walk.unseen(noted, span)
    return Verdict(
        faults=tuple(walk.faults[:MOST_FAULTS]),
        first=walk.first,
        last=walk.last,
        count=walk.count,
        removed=span.anchor.number,
        head=Head(walk.last, walk.hash.hex()),
    )


class _Walk:
    def __init__(self, anchor: Head) -> None:
        self.faults: list[Fault] = []
        self.first = self.count = 0
        self.last, self.hash = anchor.number, bytes.fromhex(anchor.hash)
        self._seen: set[Head] = set()
        if anchor.number == 0 and self.hash != GENESIS:
            self._fault(1, "what the first record follows was changed")

    def _fault(self, number: int, what: str) -> None:
        if len(self.faults) <= MOST_FAULTS:
            self.faults.append(Fault(number, what))

    def begin(self, entry: Entry) -> None:
        self.first, self.count = entry.number, 1
        self.last, self.hash = entry.number, entry.hash

    def step(self, entry: Entry) -> None:
        number = entry.number
        if number <= self.last:
            self._fault(number, f"it stands after record {self.last}: the order was changed, or it is there twice")
            return
        whole = number == self.last + 1
        if not whole:
            self._fault(self.last + 1, _missing(self.last + 1, number - 1))
        said = number_of(entry.record)
        if said is None:
            self._fault(number, "it cannot be read")
        elif said != number:
            self._fault(number, f"it says that it is record {said}: it was moved here")
        elif whole and link(self.hash, entry.record) != entry.hash:
            self._fault(number, "it does not fit its hash: it, or the hash of the one before it, was changed")
        self.first = self.first or number
        self.count += 1
        self.last, self.hash = number, entry.hash

    def compare(self, entry: Entry, noted: Sequence[Head]) -> None:
        for head in noted:
            if head.number == entry.number:
                self._seen.add(head)
                if not head.fits(entry.hash):
                    self._fault(entry.number, f"it was {head.short} when that was noted: the chain was made anew")

    def end(self, head: Head) -> None:
        if head.number > self.last:
            self._fault(self.last + 1, _missing(self.last + 1, head.number) + " at the end")
        elif head.number < self.last:
            self._fault(head.number + 1, f"records were added behind number {head.number}, not by edged")
        elif not head.fits(self.hash):
            self._fault(head.number, "it is not the record that edged wrote last")

    def unseen(self, noted: Sequence[Head], span: Span) -> None:
        """Heads whose record is not there."""
        for head in noted:
            if head in self._seen:
                continue
            if head.number == span.anchor.number:
                if not head.fits(bytes.fromhex(span.anchor.hash)):
                    self._fault(head.number, f"it was {head.short} when that was noted: the chain was made anew")
            elif head.number < span.anchor.number:
                self._fault(head.number, "it was removed by age: nothing tells whether it is the one that was noted")
            elif head.number > self.last:
                self._fault(head.number, f"it was there when its hash was noted: the chain ends at {self.last} now")


def _missing(first: int, last: int) -> str:
    return f"record {first} is missing" if first == last else f"records {first} to {last} are missing"


def number_of(record: bytes) -> int | None:
    """The number that a record says it has; none: it cannot be read."""
    try:
        content = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    number = content.get("number") if isinstance(content, dict) else None
    return number if isinstance(number, int) else None


# As lines of text: what the daemon answers, and what is exported


_NOTHING = b"null"


class _Line(Struct):
    """One line, of either kind."""

    edged_audit: int = 0
    """1 in the line that everything begins with."""
    anchor: str = ""
    head: str = ""
    number: int = 0
    hash: str = ""
    record: msgspec.Raw = msgspec.Raw(_NOTHING)
    unreadable: str = ""
    """Base64 of what stands where a record should."""


def span_line(span: Span) -> bytes:
    return msgspec.json.encode({"edged_audit": 1, "anchor": str(span.anchor), "head": str(span.head)})


def entry_line(entry: Entry) -> bytes:
    line: dict[str, Any] = {"number": entry.number, "hash": entry.hash.hex()}
    if number_of(entry.record) is None or b"\n" in entry.record:
        line["unreadable"] = base64.b64encode(entry.record).decode()
    else:
        line["record"] = msgspec.Raw(entry.record)
    return msgspec.json.encode(line)


def parse_line(text: bytes) -> Span | Entry:
    """Raises ``ValueError``."""
    try:
        line = msgspec.json.decode(text, type=_Line)
        if line.edged_audit:
            span = Span(parse_head(line.anchor), parse_head(line.head))
            if not len(span.anchor.hash) == len(span.head.hash) == len(NO_HEAD.hash):
                raise ValueError("a hash in its first line has been cut")
            return span
        record = bytes(line.record)
        if record == _NOTHING:
            record = base64.b64decode(line.unreadable, validate=True)
        return Entry(line.number, bytes.fromhex(line.hash), record)
    except ValueError as error:
        raise ValueError(f"this is no line of an audit: {error}") from None


def content(entry: Entry) -> dict[str, Any]:
    """What a record says; empty: it cannot be read."""
    if number_of(entry.record) is None:
        return {}
    found: dict[str, Any] = msgspec.json.decode(entry.record)
    return found
