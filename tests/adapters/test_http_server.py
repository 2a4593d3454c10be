"""The small HTTP server: bounds, peers, streams."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.adapters.http_server import BODY_BYTES, REQUEST_SECONDS, HttpServer
from edged.ports import PortError, Request, Response, Routes

from ..fixtures.patience import PATIENCE

ROUTES: Routes = {
    ("GET", "/hello"): lambda request: Response(
        200, f"hello {request.query.get('you', ['?'])[0]}".encode(), "text/plain"
    ),
    ("POST", "/echo"): lambda request: Response(200, request.body),
    ("GET", "/peer"): lambda request: Response(200, request.peer.encode()),
    ("GET", "/kept"): lambda request: (
        Response(304, b"", headers={"ETag": '"1"'})
        if request.headers.get("if-none-match") == '"1"'
        else Response(200, b"whole", headers={"ETag": '"1"', "X-More": "yes"})
    ),
    ("GET", "/stream"): lambda request: Response(200, iter([b"one\n", b"two\n"])),
    ("GET", "/bug"): lambda request: Response(200, str(1 // 0).encode()),
}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    one = HttpServer.tcp("127.0.0.1:0", ROUTES)
    one.start()
    yield one
    one.stop()


def fetch(server: HttpServer, path: str, data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", data=data)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_routes(server: HttpServer) -> None:
    assert fetch(server, "/hello?you=me") == (200, b"hello me")
    assert fetch(server, "/echo", b"abc") == (200, b"abc")
    assert fetch(server, "/stream") == (200, b"one\ntwo\n")
    assert fetch(server, "/nothing")[0] == 404
    assert fetch(server, "/echo")[0] == 405
    assert fetch(server, "/echo", b"x" * (BODY_BYTES + 1))[0] == 413


def test_headers_go_both_ways(server: HttpServer) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection,
        connection.makefile("rb") as got,
    ):
        connection.sendall(b"GET /kept HTTP/1.1\r\nHost: x\r\nIF-NONE-MATCH: other\r\n\r\n")
        whole = got.read()
    assert b'\r\nETag: "1"\r\nX-More: yes\r\n' in whole and whole.endswith(b"\r\n\r\nwhole")
    for path, allowed in (("/hello", b"GET, HEAD"), ("/echo", b"POST")):
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection,
            connection.makefile("rb") as got,
        ):
            connection.sendall(b"DELETE %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            assert b"\r\nAllow: %b\r\n" % allowed in got.read()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection,
        connection.makefile("rb") as got,
    ):
        connection.sendall(b'GET /kept HTTP/1.1\r\nHost: x\r\nIf-None-Match: "1"\r\n\r\n')
        kept = got.read()
    assert kept.startswith(b"HTTP/1.1 304 ") and kept.endswith(b"\r\n\r\n") and b"Content-Length" not in kept


def test_a_mistake_in_a_page_is_a_500_and_logged(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    assert fetch(server, "/bug")[0] == 500
    assert "mistake in edged" in caplog.text
    assert fetch(server, "/hello")[0] == 200


def test_nonsense_ends_the_connection_only(server: HttpServer) -> None:
    for nonsense in (b"\x00\xff\r\n\r\n", b"GET /hello\r\n\r\n", b"GET " + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
                     b"POST /echo HTTP/1.1\r\nContent-Length: many\r\n\r\n"):  # fmt: skip
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            assert b"200" not in connection.recv(200)
    assert fetch(server, "/hello")[0] == 200


def trickle(server: HttpServer) -> bool:
    """Whether a request that never comes to its end is ended by the server."""
    deadline = time.monotonic() + 10.0 * PATIENCE
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.02) as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nX: ")
        while time.monotonic() < deadline:
            try:
                connection.sendall(b"x")
                if not connection.recv(1):
                    return True
            except TimeoutError:
                continue
            except OSError:
                return True
    return False


def test_a_request_that_trickles_has_no_more_time_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.adapters.http_server.REQUEST_SECONDS", 0.2)
    monkeypatch.setattr("edged.adapters.http_server.POLL", 0.05)
    one = HttpServer.tcp("127.0.0.1:0", ROUTES)
    one.start()
    try:
        assert trickle(one)
        assert fetch(one, "/hello")[0] == 200
    finally:
        one.stop()


def test_readers_that_hang_are_logged_and_told_when_nobody_else_can_be_let_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edged.adapters.http_server.CONNECTIONS", 2)
    monkeypatch.setattr("edged.adapters.http_server.LATE", 0.0)
    inside, gate = threading.Semaphore(0), threading.Event()

    def hang(request: Request) -> Response:
        inside.release()
        gate.wait(30.0)
        return Response(200, b"")

    one = HttpServer.tcp("127.0.0.1:0", {("GET", "/hang"): hang})
    assert one.calls() == []  # it does not serve yet
    one.start()
    asking = [threading.Thread(target=fetch, args=(one, "/hang"), daemon=True) for _ in range(2)]
    try:
        asking[0].start()
        assert inside.acquire(timeout=10.0)
        assert [what for what, _, _ in one.calls()] == ["the thread edged-http"]
        asking[1].start()
        assert inside.acquire(timeout=10.0)
        assert [what for what, _, _ in one.calls()][1:] == ["every reader of edged-http (/hang)"]
        one.report_late()
        one.report_late()
        assert caplog.text.count("a request for /hang waits for its answer") == 2
        with socket.create_connection(("127.0.0.1", one.port), timeout=5.0):
            begun = time.monotonic()
            one.stop()  # although one more waits to be let in
            assert time.monotonic() - begun < 5.0 * PATIENCE
    finally:
        gate.set()
        one.stop()
    (_, silent, allowed), *_ = one.calls()
    assert silent >= 0.0 and allowed > REQUEST_SECONDS


def test_who_waits_for_an_outcome_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.adapters.http_server.CONNECTIONS", 1)
    monkeypatch.setattr("edged.adapters.http_server.FOLLOWERS", 2)
    gate = threading.Event()

    def follow() -> Iterator[bytes]:
        yield b"accepted\n"
        gate.wait(30.0)
        yield b"done\n"

    routes: Routes = {**ROUTES, ("GET", "/follow"): lambda request: Response(200, follow())}
    one = HttpServer.tcp("127.0.0.1:0", routes)
    one.start()
    try:
        with contextlib.ExitStack() as stack:
            following = []
            for _ in range(2):
                url = f"http://127.0.0.1:{one.port}/follow"
                following.append(stack.enter_context(urllib.request.urlopen(url, timeout=10.0)))
                assert following[-1].readline() == b"accepted\n"
            assert fetch(one, "/hello")[0] == 200
            gate.set()
            assert [each.read() for each in following] == [b"done\n", b"done\n"]
        assert fetch(one, "/stream") == (200, b"one\ntwo\n") and fetch(one, "/hello")[0] == 200
    finally:
        one.stop()


def test_a_thread_that_ended_is_silent(server: HttpServer) -> None:
    def silent() -> float:
        return server.calls()[0][1]

    server._server.shutdown()
    first, begun = silent(), time.monotonic()
    while silent() < first + 0.1:
        assert time.monotonic() < begun + 10.0
        time.sleep(0.02)


def test_a_taken_address_is_said(server: HttpServer) -> None:
    with pytest.raises(PortError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        HttpServer.tcp(f"127.0.0.1:{server.port}", ROUTES)


def test_the_socket_knows_its_peer_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "edged.sock"
    one = HttpServer.unix(path, ROUTES)
    one.start()
    try:
        assert path.stat().st_mode & 0o777 == 0o660
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5.0)
            connection.connect(str(path))
            connection.sendall(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n")
            with connection.makefile("rb") as answer:
                assert answer.read().endswith(f"local:uid={os.getuid()}(root)".encode() if os.getuid() == 0 else b")")
    finally:
        one.stop()
    assert not path.exists()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "edged.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    one = HttpServer.unix(path, ROUTES)
    one.start()
    one.stop()
    assert not path.exists()
