"""HTML from plain values. Whatever is not ``Html`` already is escaped, so no text of a container can become markup."""

from __future__ import annotations

import re
from html import escape

VOID = frozenset({"meta", "link", "path", "br"})
MOST = 240
"""Characters of one text: an error may bring a whole page with it."""
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, half characters, and those that turn the direction of what follows."""


class Html(str):
    """Markup: it is put in as it is."""

    __slots__ = ()


Part = str | None
"""A ``str`` is escaped unless it is ``Html``; ``None`` is left out."""


def el(kind: str, /, *inside: Part, **attributes: str | int | bool | None) -> Html:
    """One element. ``class_`` and ``aria_label`` stand for ``class`` and ``aria-label``; ``None``, ``False``: none."""
    head = "".join(_attribute(key, value) for key, value in attributes.items())
    if kind in VOID:
        return Html(f"<{kind}{head}>")
    return Html(f"<{kind}{head}>{join(*inside)}</{kind}>")


def join(*parts: Part) -> Html:
    """One after the other; text is escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(_plain(part)) for part in parts if part is not None))


def text(value: object, most: int = MOST) -> str:
    """A text from outside, cut to a bearable length. Not escaped yet."""
    whole = _plain(str(value))
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def anchor(kind: str, name: str) -> str:
    """An id of an element: the same for the same name, another one for others."""
    from urllib.parse import quote
    from zlib import crc32

    data = name.encode(errors="replace")
    short = data if len(data) <= 128 else data[:40] + b"-%08x" % crc32(data)
    return f"{kind}-{quote(short, safe='')}"


def moment(at: str | None, prefix: str = "") -> Html | None:
    """A time of day; the browser turns it into how long ago that was. ``at``: RFC 3339 in UTC."""
    if not at:
        return None
    shown = at[:19].replace("T", " ") + " UTC"
    return join(prefix, el("time", shown, datetime=at))


def _plain(value: str) -> str:
    return _UNSEEN.sub("\ufffd", value)


def _attribute(key: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(_plain(str(value)))}"'
