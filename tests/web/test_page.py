"""The status page as text: nothing from outside becomes markup, it stays small, and it says when nothing changed."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections import Counter
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from edged.ports import Request, Response, StorageError, StoredEvent
from edged.report.web.markup import MOST, Html, anchor, el, join, moment, text
from edged.report.web.numbers import count, seconds, share, size
from edged.report.web.recent import APPS, EVERY, KEEP, Recent
from edged.report.web.sparkline import POINTS, path, sparkline, thin
from edged.vocabulary.app_state import Condition
from edged.vocabulary.state import EngineState, State

from .busy import HOSTILE, NAMES, Device, busy

LIMIT = 60_000


def ask(device: Device, refresh: str = "", mark: str = "") -> Response:
    query = {"refresh": [refresh]} if refresh else {}
    return device.routes()["GET", "/"](Request("/", query, b"", "", headers={"if-none-match": mark}))


def body(device: Device) -> str:
    answer = ask(device)
    assert answer.status == 200 and answer.content_type == "text/html; charset=utf-8"
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


class Reading(HTMLParser):
    """Elements and their attributes, and all text outside of script and style."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._in = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in not in ("script", "style"):
            self.words += data


def test_everything_is_on_it() -> None:
    words = Reading(body(Device(busy()))).words
    for name in NAMES:
        assert name in words
    for part in (
        "press-7", "site: plant-a", "3 critical, 2 warnings", "AppDown · detector", "acknowledged by ann", "flapping",
        "INC-2026-09-21-000", "P0", "escalated", "Likely: deployment of", "affects detector, ocr", "INC-2026-09-21-005",
        "The restart budget is spent (2 of 5)", "In maintenance", "Cut off from its networks", "Stopped by",
        "detector-net 1.0.0 abababab", "2.0.0: gating", "1 feature drifted", "12.3/s, 0.4% failed", "21.3 ms",
        "62% of 8 GiB", "62 °C", "cpu.some 21%", "The clock is not synchronised.", "/data", "READ-ONLY",
        "historian", "does not answer", "rolled_back", "latency p95 31 ms", "spindle_temperature higher, PSI 0.41",
        "configuration refused", "Runbook: start, waits: health probe",
        "Drill: oom, detecting", "The last drill hang failed: not_detected", "kill 3.14 s", "run 12",
        "Audit: 7 records", "status.json",
    ):  # fmt: skip
        assert part in words, part


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State(engine=EngineState(up=True, version="26")), "all well"),
        (State(), "looking for the engine"),
        (State(engine=EngineState(up=False, error=HOSTILE)), "the container engine is down"),
    ],
)
def test_with_next_to_nothing(state: State, words: str) -> None:
    device = Device(replace(busy(), state=state))
    device.rows = []
    seen = Reading(body(device))
    assert words in seen.words and "None fires." in seen.words and "None was made." in seen.words


def test_what_hangs_is_the_first_thing_said() -> None:
    device = Device(busy())
    device.silent = 100.0
    assert "edged itself hangs since 100 s" in body(device)


def test_a_history_that_cannot_be_read_is_said() -> None:
    device = Device(busy())

    def broken(since: float, types: tuple[str, ...], limit: int) -> list[StoredEvent]:
        raise StorageError("the disk reports an error")

    source = replace(device.source(), history=broken)
    from edged.report.pages import public_routes

    page = public_routes(source)["GET", "/"](Request("/", {}, b"", ""))
    assert isinstance(page.body, bytes)
    assert b"past deployments cannot be read: the disk reports an error" in page.body


def test_texts_from_outside_stay_texts() -> None:
    plain = Reading(body(Device(busy())))
    names = tuple(f"{HOSTILE}{number}" for number in range(len(NAMES)))
    hostile = Reading(body(Device(busy(names, HOSTILE), HOSTILE)))
    kinds = Counter(tag for tag, _ in hostile.elements)
    assert kinds.keys() == {tag for tag, _ in plain.elements}
    assert (kinds["script"], kinds["style"], kinds["title"], kinds["img"]) == (1, 1, 1, 0)
    shown = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    assert hostile.words.count(shown) > 60
    assert "\u202e" not in hostile.words and "\x00" not in hostile.words
    known = {
        "class", "id", "href", "aria-hidden", "aria-label", "aria-labelledby", "role", "datetime", "d", "viewbox",
        "lang", "charset", "name", "content", "rel", "scope", "tabindex",
    }  # fmt: skip
    for tag, attributes in hostile.elements:
        assert attributes.keys() <= known, tag
        assert (attributes.get("href") or "#").startswith(("#", "?", "data:", "status", "metrics", "healthz", "readyz"))


def test_it_stays_small_however_much_there_is() -> None:
    usual = len(body(Device(busy())).encode())
    assert 20_000 < usual <= LIMIT
    endless = "<&\"'" * 2000
    for names, told in (
        ((f"inference-{n}" for n in range(300)), "short"),
        ((f"{n}{endless}" for n in range(300)), endless),
    ):
        page = body(Device(busy(tuple(names), told), told))
        assert len(page.encode()) <= LIMIT
        assert " more: edged status" in page and "3 critical" in page


def test_the_same_page_is_not_sent_twice() -> None:
    device = Device(busy())
    first = ask(device)
    mark = first.headers["ETag"]
    device.shot = replace(device.shot, wall=device.shot.wall + 5, now=device.shot.now + 5)
    again = ask(device, mark=mark)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", mark)
    device.shot = replace(device.shot, state=replace(device.shot.state, broker=False))
    changed = ask(device, mark=mark)
    assert changed.status == 200 and changed.headers["ETag"] != mark


def test_the_policy_allows_its_own_parts_alone() -> None:
    answer = ask(Device(busy()))
    assert isinstance(answer.body, bytes)
    page = answer.body.decode()
    policy = answer.headers["Content-Security-Policy"]
    for kind in ("script", "style"):
        parts = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digests = [b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts]
        assert re.findall(rf"{kind}-src ([^;]*)", policy) == [f"'sha256-{digests[0]}'"] and len(digests) == 1
    assert "unsafe" not in policy and "*" not in policy
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy
    assert not re.search(r"""(src|href|action)=["']?(https?:)?//|@import|url\(""", page)
    assert not re.search(r"<[^>]* (style|on[a-z]+)=", page)


@pytest.mark.parametrize("asked", ["10", "60", "300"])
def test_without_its_script_it_may_load_itself_anew(asked: str) -> None:
    answer = ask(Device(busy()), asked)
    assert isinstance(answer.body, bytes)
    assert f'<noscript><meta http-equiv="refresh" content="{asked}"></noscript>'.encode() in answer.body


@pytest.mark.parametrize("asked", ["", "0", "1", '10"><script>', "10;url=http://x/"])
def test_other_paces_are_not_taken(asked: str) -> None:
    answer = ask(Device(busy()), asked)
    assert isinstance(answer.body, bytes) and b"http-equiv" not in answer.body


def test_markup() -> None:
    assert el("p", "<&>", el("br"), None, class_="a\"b'", hidden=True, title=None, aria_label="x") == (
        '<p class="a&quot;b&#x27;" hidden aria-label="x">&lt;&amp;&gt;<br></p>'
    )
    assert join(Html("<b>"), "<b>") == "<b>&lt;b&gt;"
    assert text("x" * 1000) == "x" * (MOST - 1) + "…" and text("a\x1b[31m\ud800") == "a\ufffd[31m\ufffd"
    assert anchor("app", "a b/<\ud800") == "app-a%20b%2F%3C%3F"
    assert len(anchor("app", "x" * 1000)) < 60 and anchor("app", "x" * 1000) != anchor("app", "x" * 1001)
    assert moment(None) is None and moment("2026-01-02T03:04:05.678Z", "at ") == (
        'at <time datetime="2026-01-02T03:04:05.678Z">2026-01-02 03:04:05 UTC</time>'
    )


def test_numbers() -> None:
    assert [size(x) for x in (None, 0, 999, 1536, 200 * 2**20, 1.5 * 2**30, 5 * 2**50)] == [
        "–", "0 B", "999 B", "1.5 KiB", "200 MiB", "1.5 GiB", "5120 TiB",
    ]  # fmt: skip
    assert [share(x) for x in (None, 0.0, 0.004, 0.0994, 0.5, 1.0)] == ["–", "0%", "0.4%", "9.9%", "50%", "100%"]
    assert [seconds(x) for x in (None, 0.0042, 2.0, 300, 7200, 200_000)] == [
        "–",
        "4.2 ms",
        "2 s",
        "5 min",
        "2 h",
        "2 d",
    ]
    assert [count(1, "day"), count(0, "day"), count(2, "entry", "entries")] == ["1 day", "0 days", "2 entries"]


def test_lines() -> None:
    nan = float("nan")
    assert path([0.0, 1.0, nan, 1.0]) == "M0 21l0 0l32 -19M96 2l0 0"
    assert thin([1.0, 9.0, 2.0, nan, nan, nan], 3)[:2] == [9.0, 2.0]
    assert len(thin([1.0] * 1000)) == POINTS
    assert sparkline("Memory", [1.0, 2.0, nan], size, "last hour") is None
    drawn = sparkline("<Memory>", [1.0, 2.0, nan, 1.5], size, "last hour")
    assert drawn is not None and 'aria-label="&lt;Memory&gt;, last hour: 1 B to 2 B, now 2 B"' in drawn
    assert len(sparkline("m", [float(i % 97) for i in range(1000)], size, "s") or "") < 700
    assert path([0.0, 0.0, -1.0]) == "M0 21l0 0l48 0l48 0"


def test_memory_is_bounded() -> None:
    shot = busy(tuple(f"a{number:03d}" for number in range(APPS + 20)))
    recent = Recent()
    for step in range(KEEP + 50):
        recent.take(replace(shot, now=shot.now + step * EVERY))
        recent.take(replace(shot, now=shot.now + step * EVERY + 0.1))
    assert len(recent.line("a000", "memory")) == KEEP
    assert recent.line(f"a{APPS + 1:03d}", "memory") == [] and recent.line("gone", "memory") == []
    fewer = replace(shot, now=shot.now + 1e6, state=replace(shot.state, apps={"a000": shot.state.apps["a000"]}))
    recent.take(fewer)
    assert recent.line("a001", "memory") == [] and len(recent.line("a000", "memory")) == KEEP


def test_every_condition_has_a_look() -> None:
    from typing import get_args

    from edged.report.web.view import STATES

    assert set(get_args(Condition)) == STATES.keys()
