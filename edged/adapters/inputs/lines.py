"""Bytes to whole lines, none longer than there is room for."""

from __future__ import annotations

from msgspec import Struct

MOST_LINE = 64 * 1024
"""Bytes of a row."""
TOO_LONG = "longer than 64 KiB"


class Cut(Struct, frozen=True):
    lines: list[bytes]
    used: int
    """Bytes that are done with."""
    inside: bool
    """What comes next is the rest of a line that is too long."""
    too_long: int


def cut(data: bytes, *, inside: bool, last: bool) -> Cut:
    """The lines in ``data``. Without ``last`` what follows the last line break stays for the next time.

    ``inside``: it begins within a line that was too long.
    """
    begin = 0
    if inside:
        end = data.find(b"\n")
        if end < 0:
            return Cut([], len(data), not last, 0)
        begin = end + 1
    end = data.rfind(b"\n") + 1
    lines = data[begin:end].split(b"\n") if end > begin else []
    rest = data[max(begin, end) :]
    used, inside = len(data) - len(rest), False
    if len(rest) > MOST_LINE or (rest and last):
        lines.append(rest)
        used, inside = len(data), not last
    fit = [line for line in lines if len(line) <= MOST_LINE]
    return Cut([line for line in fit if line], used, inside, len(lines) - len(fit))
