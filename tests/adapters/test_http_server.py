"""The small HTTP server: bounds, peers, streams."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.adapters.http_server import BODY_BYTES, HttpServer
from edged.ports import PortError, Response, Routes

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
