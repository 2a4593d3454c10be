"""Rows from an endpoint with a cursor, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from edged.adapters.inputs.row_http import FORGOTTEN, HttpRows
from edged.adapters.probes import SocketProber
from edged.ports import PortError


class App(ThreadingHTTPServer):
    """Ten rows, three at a time."""

    answers: list[tuple[int, bytes]]
    ndjson = False
    first = 0

    def page(self, query: str) -> tuple[int, bytes]:
        if self.answers:
            return self.answers.pop(0)
        given = parse_qs(query).get("cursor", [""])[0]
        begin = int(given.removeprefix("at/")) if given else self.first
        if begin < self.first:
            return 410, b""
        rows = [{"n": n} for n in range(begin, min(10, begin + 3))]
        cursor = {"cursor": f"at/{begin + len(rows)}"}
        if self.ndjson:
            return 200, b"\n".join(json.dumps(part).encode() for part in [*rows, cursor])
        return 200, json.dumps({"rows": rows} | cursor, indent=1).encode()


class Handler(BaseHTTPRequestHandler):
    server: App

    def do_GET(self) -> None:
        status, body = self.server.page(urlsplit(self.path).query)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def app() -> Iterator[App]:
    server = App(("127.0.0.1", 0), Handler)
    server.answers = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def source(app: App, position: str = "") -> HttpRows:
    return HttpRows(f"http://127.0.0.1:{app.server_port}/rows?of=box", SocketProber(), position=position)


def numbers(rows: HttpRows) -> tuple[list[int], str]:
    found: list[int] = []
    while True:
        chunk = rows.read(2**20)
        found += [json.loads(line)["n"] for line in chunk.lines]
        if not chunk.more:
            return found, chunk.position


@pytest.mark.parametrize("ndjson", [False, True])
def test_each_row_once(app: App, ndjson: bool) -> None:
    app.ndjson = ndjson
    rows = source(app)
    found, position = numbers(rows)
    assert (found, position) == (list(range(10)), "at/10")
    assert numbers(rows) == ([], "at/10")
    assert numbers(source(app, "at/8"))[0] == [8, 9]


@pytest.mark.parametrize("body", [b'{"rows": [{"n": 1}], "cursor": 1042}', b'{"n": 1}\n{"cursor": 1042}'])
def test_a_cursor_may_be_a_number(app: App, body: bytes) -> None:
    app.answers = [(200, body), (204, b"")]
    assert numbers(source(app)) == ([1], "1042")


def test_a_cursor_that_is_not_known_any_more(app: App) -> None:
    app.first = 5
    rows = source(app, "at/2")
    assert rows.read(2**20).refused == {FORGOTTEN: 1}
    assert numbers(rows)[0] == [5, 6, 7, 8, 9]


def test_the_same_cursor_is_nothing_new(app: App) -> None:
    app.answers = [(200, b'{"rows": [{"n": 1}], "cursor": "at/8"}')]
    assert source(app, "at/8").read(2**20).lines == []


@pytest.mark.parametrize(
    "answer",
    [(500, b""), (200, b'{"rows": [{"n": 1}]}'), (200, b'{"n": 1}\n{"n": 2}'), (200, b"<html>"),
     (200, b"x" * 5_000_000), (200, json.dumps({"rows": [{}], "cursor": "x" * 3000}).encode())],
    ids=["500", "no cursor", "no cursor in lines", "no rows", "too large", "long cursor"],
)  # fmt: skip
def test_an_answer_that_cannot_be_used_is_said_and_the_position_stays(app: App, answer: tuple[int, bytes]) -> None:
    rows = source(app, "at/8")
    app.answers = [answer]
    with pytest.raises(PortError, match=r"127\.0\.0\.1"):
        rows.read(2**20)
    assert numbers(rows)[0] == [8, 9]
