"""An engine that goes on sending and never comes to an end is one that hangs: each call keeps its time-out."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from edged.adapters.docker_engine import DockerEngine
from edged.ports import Unreachable

PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.0\r\nContent-Length: 2\r\n\r\nOK"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
TIMEOUT = 0.3
TRICKLES: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "one endless header": (HEAD + b"X-Long: ", b"x"),
    "ever more headers": (HEAD, b"X: y\r\n"),
    "body with a length": (HEAD + b"Content-Length: 100000000\r\n\r\n[", b" "),
    "body without a length": (HEAD + b"\r\n[", b" "),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}
"""What comes at once, and what then comes again and again."""


class Trickler:
    """Answers pings; everything else it begins to answer and never ends."""

    def __init__(self, path: Path, first: bytes, then: bytes) -> None:
        self._first, self._then = first, then
        self._over = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                thread = threading.Thread(target=self._answer, args=self._listener.accept()[:1], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if b"/_ping" in connection.recv(65536):
                connection.sendall(PING)
                return
            for piece in chain((self._first,), repeat(self._then)):
                connection.sendall(piece)
                if self._over.wait(0.05):
                    return

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5.0)


@pytest.fixture(params=TRICKLES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DockerEngine]:
    trickler = Trickler(tmp_path / "sock", *TRICKLES[request.param])
    made = DockerEngine(f"unix://{tmp_path}/sock", timeout=TIMEOUT)
    yield made
    made.close()
    trickler.close()


CALLS: dict[str, Callable[[DockerEngine], object]] = {
    "list": lambda engine: engine.list_all(),
    "inspect": lambda engine: engine.inspect("c"),
    "start": lambda engine: engine.start("c", TIMEOUT),
    "usage": lambda engine: engine.usage("c"),
    "logs": lambda engine: engine.logs("c", 10, 1000, TIMEOUT),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_ends_in_time(engine: DockerEngine, call: str) -> None:
    began = time.monotonic()
    with contextlib.suppress(Unreachable):  # where the status came, some calls need no more
        CALLS[call](engine)
    assert time.monotonic() - began < 8 * TIMEOUT


def test_a_list_that_never_ends_is_no_list(engine: DockerEngine) -> None:
    with pytest.raises(Unreachable, match=r"does not answer within 0.3s"):
        engine.list_all()


def test_a_stream_of_bytes_that_make_no_message_shows_that_the_thread_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.adapters.docker_engine._IDLE", 0.2)
    trickler = Trickler(tmp_path / "sock", b"HTTP/1.0 200 OK\r\n\r\n{", b" ")
    engine = DockerEngine(f"unix://{tmp_path}/sock", timeout=TIMEOUT)
    stream = engine.events(0.0, time.monotonic)
    began = time.monotonic()
    assert [next(stream) for _ in range(4)] == [None] * 4
    assert time.monotonic() - began < 5.0
    stream.close()
    engine.close()
    trickler.close()
