"""What no well-behaved engine does: scripted answers on a Unix socket."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edged.adapters.docker_engine import DockerEngine
from edged.ports import NotFound, PortError, Refused, Unreachable
from tests.fixtures.patience import PATIENCE

ID = "ab" * 32
PING = b"HTTP/1.1 200 OK\r\nApi-Version: %s\r\nServer: Docker/99.1 (linux)\r\nContent-Length: 2\r\n\r\nOK"
STREAM = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


def answer(body: object, status: bytes = b"200 OK") -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text)


class Scripted:
    """Answers each request by its path; one connection at a time, on a thread."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.version = b"1.41"
        self.asked: list[str] = []
        self.reply: Callable[[str], bytes | list[bytes]] = lambda path: answer([])
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                request = b""
                while b"\r\n\r\n" not in request and (data := connection.recv(4096)):
                    request += data
                path = request.split(b" ")[1].decode() if b" " in request else ""
                self.asked.append(path)
                reply = PING % self.version if path == "/_ping" else self.reply(path)
                try:
                    for piece in [reply] if isinstance(reply, bytes) else reply:
                        connection.sendall(piece)
                        self._ended.wait(0.02)
                except OSError:
                    continue

    def close(self) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    with closing(Scripted(tmp_path / "s")) as server:
        yield server


@pytest.fixture
def adapter(scripted: Scripted) -> Iterator[DockerEngine]:
    with closing(DockerEngine(scripted.url, 1.0)) as adapter:
        yield adapter


def test_a_newer_engine_is_spoken_to_as_this_program_knows_it(scripted: Scripted, adapter: DockerEngine) -> None:
    scripted.version = b"1.77"
    assert adapter.ping() == "99.1"
    adapter.list_all()
    assert scripted.asked[-1].startswith("/v1.45/containers/json")


def test_an_engine_that_dropped_all_known_versions(scripted: Scripted, adapter: DockerEngine) -> None:
    scripted.version = b"1.77"
    refusal = {"message": "client version 1.45 is too old. Minimum supported API version is 1.60, please upgrade"}
    scripted.reply = lambda path: answer([]) if path.startswith("/v1.77/") else answer(refusal, b"400 Bad Request")
    assert adapter.list_all() == ()
    assert [path.split("?")[0] for path in scripted.asked] == [
        "/_ping", "/v1.45/containers/json", "/_ping", "/v1.77/containers/json",
    ]  # fmt: skip


def test_an_engine_replaced_by_an_older_one(scripted: Scripted, adapter: DockerEngine) -> None:
    adapter.list_all()
    scripted.version = b"1.30"
    refusal = {"message": "client version 1.41 is too new. Maximum supported API version is 1.30"}
    scripted.reply = lambda path: answer([]) if path.startswith("/v1.30/") else answer(refusal, b"400 Bad Request")
    with pytest.raises(Refused, match="too new"):
        next(adapter.events(0, time.monotonic))
    assert adapter.list_all() == ()
    scripted.version = b"1.41"
    scripted.reply = lambda path: answer([])
    adapter.ping()
    adapter.list_all()
    assert scripted.asked[-1].startswith("/v1.41/")


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (answer({"message": "no such thing"}, b"404 Not Found"), NotFound, "no such thing"),
        (answer({"message": "it is busy"}, b"409 Conflict"), Refused, "it is busy"),
        (answer({"message": "shim died"}, b"500 Internal Server Error"), Refused, "shim died"),
        (answer(b"<html>forbidden", b"403 Forbidden"), Refused, "forbidden"),
        (answer(b"", b"502 Bad Gateway"), Refused, "502"),
        (answer(b"what"), Refused, "not JSON"),
        (answer({"no": "list"}), Refused, "makes no sense"),
        (b"", Unreachable, "closed connection|without response"),
        (b"hello\r\n\r\n", Unreachable, "hello|BadStatusLine"),
        (answer([])[:-1], Unreachable, "IncompleteRead|does not answer|1 more expected"),
    ],
)
def test_bad_answers(scripted: Scripted, adapter: DockerEngine, reply: bytes, kind: type[PortError], text: str) -> None:
    scripted.reply = lambda path: reply
    with pytest.raises(kind, match=text) as caught:
        adapter.list_all()
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (answer({"message": "no events for you"}, b"403 Forbidden"), Refused, "no events for you"),
        (b"", Unreachable, "closed the connection"),
        (b"hello\r\n\r\n", Unreachable, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", Unreachable, "chunks"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, Unreachable, "does not answer"),
    ],
)
def test_bad_event_streams(
    scripted: Scripted, adapter: DockerEngine, reply: bytes, kind: type[PortError], text: str
) -> None:
    scripted.reply = lambda path: reply
    with pytest.raises(kind, match=text):
        next(adapter.events(0, time.monotonic))


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:99999", "tcp://127.0.0.1:x", "http://" + "a" * 70 + ":1"])
def test_impossible_addresses(url: str) -> None:
    with closing(DockerEngine(url, 1.0)) as adapter, pytest.raises(PortError):
        adapter.list_all()


def test_something_else_on_the_socket(scripted: Scripted, adapter: DockerEngine) -> None:
    scripted.version = b"beta"
    with pytest.raises(Refused, match="not a container engine"):
        adapter.ping()
    with pytest.raises(PortError):
        adapter.list_all()


def test_headers_that_trickle_are_given_up_in_time(scripted: Scripted, adapter: DockerEngine) -> None:
    scripted.reply = lambda path: [b"H"] * 500
    adapter.ping()
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer within 1s"):
        next(adapter.events(0, time.monotonic))
    assert time.monotonic() - began < 1.5 * PATIENCE


def test_messages_in_pieces_with_rubbish_between(scripted: Scripted, adapter: DockerEngine) -> None:
    def message(action: str) -> bytes:
        return json.dumps({"Type": "container", "Action": action, "Actor": {"ID": ID}, "time": 1}).encode() + b"\n"

    start, die = message("start"), message("die")
    scripted.reply = lambda path: [
        STREAM + start[:10], start[10:] + b"{rubbish\n\n" + b"[" * 5000 + b"\n7\n" + die[:-1], b"\n",
        b"x" * 700_000, b"x" * 700_000 + b"\n" + message("exec_die") + message("stop"),
    ]  # fmt: skip
    seen: list[str] = []
    with pytest.raises(Unreachable, match="broke off"):
        for change in adapter.events(0, lambda: 3.0):
            seen.append(change.action if change else "-")
    assert seen == ["-", "start", "die", "stop"]
    assert adapter.skipped_events == 3, "rubbish, nested too deeply, too long"


def test_log_frames_that_never_end(scripted: Scripted, adapter: DockerEngine) -> None:
    frame = b"\x01\0\0\0\0\0\0\x07line 1\n"
    scripted.reply = lambda path: (
        [STREAM, *[frame] * 200] if "/logs" in path else answer({"Id": ID, "State": {}, "Config": {}})
    )
    began = time.monotonic()
    got = adapter.logs("app", 10, 50, 0.4)
    assert time.monotonic() - began < PATIENCE
    lines = len(got) // 7
    assert 0 < lines <= 7 and got == b"line 1\n" * lines, "whole ones, of at most 50 bytes"


def test_a_usage_that_could_not_be_measured_is_not_one_of_zero(scripted: Scripted, adapter: DockerEngine) -> None:
    running = {"Id": ID, "Name": "/app", "State": {"Status": "running", "Pid": 7}, "Config": {}}
    failed = {"message": "no metrics received"}  # with status 200: Docker 26
    scripted.reply = lambda path: answer(failed if "/stats" in path else running)
    with pytest.raises(Refused, match="no usage of app: no metrics received"):
        adapter.usage(ID)
