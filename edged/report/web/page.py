"""The whole document, its policy and its mark."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from . import apps, events, head, host
from .markup import Html, el, join, moment
from .view import LEVELS, View

ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3Ctext y='13'%3E●%3C/text%3E%3C/svg%3E"
REFRESHES = {"10", "60", "300"}
"""Seconds after which a page without its script may load itself anew, when its reader asked for that."""
LIMIT = 60_000
"""Bytes."""
SECTIONS = ("alerts", "incidents", "apps", "host", "deployments", "drift")


@cache
def asset(name: str) -> Html:
    """The style or the script. Not escaped: it is ours, and may not hold the end of its own element."""
    found = Path(__file__).with_name(name).read_text(encoding="utf-8")
    assert "</" not in found
    return Html(found)


@cache
def policy() -> str:
    """Nothing but our own script and style, by digest; nobody may frame it, and it sends nothing elsewhere."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(asset('page.js'))}",
            f"style-src {_digest(asset('page.css'))}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _digest(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def page(view: View, refresh: str = "") -> tuple[bytes, str]:
    """(document, entity tag). The tag is that of all but the time at which it was made.

    What is too large for a phone on a bad link is made again with less of everything.
    """
    document, mark = b"", ""
    for most in LEVELS:
        document, mark = _page(replace(view, most=most), refresh)
        if len(document) <= LIMIT:
            break
    return document, mark


def _page(view: View, refresh: str) -> tuple[bytes, str]:
    body = join(
        el(
            "nav",
            el("ul", *(el("li", el("a", name.capitalize(), href=f"#{name}")) for name in SECTIONS)),
            aria_label="Sections",
        ),
        el(
            "main",
            head.alerts(view),
            events.incidents(view),
            apps.apps(view),
            host.host(view),
            host.dependencies(view),
            events.deployments(view),
            events.drift(view),
            id="main",
        ),
        head.foot(view),
    )
    top = join(
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width,initial-scale=1"),
        el("title", head.title(view)),
        el("link", rel="icon", href=ICON),
        el("style", asset("page.css")),
        el("noscript", el("meta", http_equiv="refresh", content=refresh)) if refresh in REFRESHES else None,
    )
    shown = join(top, head.head(view), body)
    mark = f'W/"{hashlib.sha256(shown.encode()).hexdigest()[:24]}"'
    made = el(
        "p",
        moment(view.picture["time"], "Seen at "),
        " ",
        el(
            "noscript",
            "This page stands still without JavaScript. ",
            el("a", "Load it anew every 10 s", href="?refresh=10"),
        ),
        id="live",
        class_="soft small",
    )
    lost = el("p", id="lost", role="alert")
    header = el("header", lost, head.head(view), made)
    skip = el("a", "To the content", href="#main", class_="skip")
    document = el("html", el("head", top), el("body", skip, header, body, el("script", asset("page.js"))), lang="en")
    return b"<!doctype html>" + document.encode(), mark
