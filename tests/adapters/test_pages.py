"""Whole pages over real sockets: chunks, ends that never come, drips, and what is held in memory meanwhile."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable

import msgspec
import pytest

from edged.adapters.probes import SocketProber
from edged.config import Metrics
from edged.observe.exposition import Page
from edged.ports import PortError

from .test_probes import Server, prober, says, serve

__all__ = ["prober", "serve"]

HEAD = b"HTTP/1.1 200 OK\r\n"
RULES = msgspec.convert({"url": "http://127.0.0.1:1/", "errors": {"total": "a_total"}}, Metrics)
MOST = 8 * 2**20


def asked(prober: SocketProber, server: Server, timeout: float = 10.0, most: int = MOST) -> tuple[int, list[bytes]]:
    pieces: list[bytes] = []
    status, rest = prober.call("GET", f"http://127.0.0.1:{server.port}/", timeout, most=most, take=pieces.append)
    return status, [*pieces, rest]


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"Content-Length: 10\r\n\r\n0123456789 and more"],
        [HEAD + b"Content-Length: 10\r\n\r\n", b"01234", b"56789"],
        [HEAD + b"\r\n0123456789"],
        [CHUNKED + b"4\r\n0123\r\n6;x=y\r\n456789\r\n0\r\n\r\n"],
        [CHUNKED + b"4\r", b"\n012", b"3", b"\r", b"\n6\r\n45", b"6789\r\n", b"0\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED, b"00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"],
    ],
)
def test_a_page_in_pieces(prober: SocketProber, serve: Callable[..., Server], parts: list[bytes]) -> None:
    status, pieces = asked(prober, serve(says(*parts, pause=0.02)))
    assert (status, b"".join(pieces)) == (200, b"0123456789")


def test_content_that_looks_like_the_last_chunk(prober: SocketProber, serve: Callable[..., Server]) -> None:
    server = serve(says(CHUNKED + b"7\r\na 0\r\n\r\n\r\n", b"3\r\nb 1\r\n0\r\n\r\n", pause=0.05))
    assert b"".join(asked(prober, server)[1]) == b"a 0\r\n\r\nb 1"


def test_the_body_of_a_refusal_goes_nowhere_else(prober: SocketProber, serve: Callable[..., Server]) -> None:
    status, pieces = asked(prober, serve(says(b"HTTP/1.1 503 Sorry\r\nContent-Length: 4\r\n\r\nnope")))
    assert status == 503 and pieces == [b"nope"]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([HEAD + b"Content-Length: 100\r\n\r\n0123456789"], "mid-answer"),
        ([CHUNKED + b"6\r\n0123"], "mid-answer"),
        ([CHUNKED + b"4\r\n0123\r\n"], "mid-answer"),
        ([CHUNKED + b"much\r\n0123\r\n"], "chunk without its length"),
        ([CHUNKED + b"-4\r\n0123\r\n"], "chunk without its length"),
        ([CHUNKED + b"fffffffff\r\n0123\r\n"], "chunk without its length"),
        ([CHUNKED + b"1" * 5000], "chunk without its length"),
        ([HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"], r"compressed \(gzip\)"),
        ([HEAD + b"\r\n" + b"x" * 3000], "more than 2 KiB"),
        ([HEAD + b"Content-Length: 3000\r\n\r\n" + b"x" * 3000], "more than 2 KiB"),
    ],
)
def test_a_page_that_is_none(prober: SocketProber, serve: Callable[..., Server], parts: list[bytes], why: str) -> None:
    with pytest.raises(PortError, match=why):
        asked(prober, serve(says(*parts)), most=2048)


def test_a_page_that_drips_ends_with_its_time(prober: SocketProber, serve: Callable[..., Server]) -> None:
    server = serve(says(HEAD + b"\r\n", *[b"x"] * 1000, pause=0.05))
    begun = time.monotonic()
    with pytest.raises(PortError, match=r"no answer within 0\.5s"):
        asked(prober, server, timeout=0.5)
    assert time.monotonic() - begun < 3.0


def test_an_endless_page_is_left_and_takes_no_memory(prober: SocketProber, serve: Callable[..., Server]) -> None:
    block = b'b_total{a="%d"} 1\n' % 7 * 4000

    def handle(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(HEAD + b"\r\n")
        while not over.is_set():
            connection.sendall(block)

    server = serve(handle)
    page = Page(RULES)
    tracemalloc.start()
    try:
        with pytest.raises(PortError, match=r"more than 8192 KiB|more than 200000 lines"):
            prober.call("GET", f"http://127.0.0.1:{server.port}/", 60.0, most=MOST, take=page.feed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_what_cannot_be_a_page_is_left_at_once(prober: SocketProber, serve: Callable[..., Server]) -> None:
    """The reader's own word ends the call."""
    server = serve(says(HEAD + b"\r\na_total{ 1\n", b"x" * 100, pause=20.0))
    page = Page(RULES)
    begun = time.monotonic()
    with pytest.raises(PortError, match="broken labels"):
        prober.call("GET", f"http://127.0.0.1:{server.port}/", 15.0, most=MOST, take=page.feed)
    assert time.monotonic() - begun < 10.0
