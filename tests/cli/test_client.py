"""What a verb says when the daemon ends while it answers."""

from __future__ import annotations

import argparse
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.cli import UNREACHABLE, Failure, fleet_watch, power, run
from edged.cli.client import command, get

Answer = Callable[[bytes], str]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ACCEPTED = b'{"status":"accepted","reason":"","message":"restart of a begins"}\n'


@pytest.fixture
def answer(tmp_path: Path) -> Iterator[Answer]:
    """Answers the next request with these bytes, and closes the connection as a process that is killed does."""
    where = tmp_path / "edged.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(where))
        listener.listen(1)
        listener.settimeout(10.0)
        threads: list[threading.Thread] = []

        def serve(data: bytes) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(data)

        def will(data: bytes) -> str:
            threads.append(threading.Thread(target=serve, args=(data,)))
            threads[-1].start()
            return str(where)

        yield will
        for thread in threads:
            thread.join(10.0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 13\r\n\r\n",
        HEAD + b'Content-Length: 13\r\n\r\n{"boot": ',
        HEAD + b'\r\n{"boot": ',
        HEAD + b"Content-Length: 3\r\n\r\n12",  # what came is JSON of its own
    ],
)
def test_an_answer_cut_short_is_told(answer: Answer, data: bytes) -> None:
    with pytest.raises(Failure, match=r"ended in the middle of its answer|said nothing") as failure:
        get(answer(data), "/v1/status")
    assert failure.value.code == UNREACHABLE


def test_a_refusal_is_told_in_the_daemons_own_words(answer: Answer) -> None:
    body = b'{"error":"there is no incident nope"}'
    with pytest.raises(Failure, match=r"^there is no incident nope$"):
        get(answer(b"HTTP/1.1 404 Not Found\r\n\r\n" + body), "/")
    with pytest.raises(Failure, match=r"said 502: \[1\]"):
        get(answer(b"HTTP/1.1 502 Bad Gateway\r\n\r\n[1]"), "/")


def test_a_whole_answer_is_read(answer: Answer) -> None:
    assert get(answer(HEAD + b'Content-Length: 11\r\n\r\n{"boot": 3}'), "/v1/status") == {"boot": 3}


def test_a_command_whose_answers_break_off_is_told_after_those_that_came(answer: Answer) -> None:
    answers = command(answer(HEAD + b'\r\n{"status": "accepted"}\n{"sta'), "app.restart", {"app": "worker"})
    assert next(answers) == {"status": "accepted"}
    with pytest.raises(Failure, match="ended in the middle of its answer"):
        next(answers)


@pytest.mark.parametrize(
    ("lines", "said"), [(b"", "before it said anything"), (ACCEPTED, "the result comes when it is")]
)
def test_a_command_whose_result_does_not_come_is_not_taken_for_done(answer: Answer, lines: bytes, said: str) -> None:
    args = argparse.Namespace(socket=answer(HEAD + b"\r\n" + lines), json=False, app="a")
    with pytest.raises(Failure, match=f"{said}.*edged audit show") as failure:
        power.main(args, "restart")
    assert failure.value.code == UNREACHABLE


def test_who_may_not_use_the_socket_is_told_a_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "edged.sock"
    where.touch()

    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(Failure, match=r"sudo usermod -aG edged \$USER") as failure:
        get(str(where), "/v1/status")
    assert failure.value.code == UNREACHABLE


def test_no_words_from_elsewhere_steer_the_terminal(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    refusal = b'{"error":"no \\u001b[31m app"}'
    where = answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(refusal) + refusal)
    assert run(["status", "--socket", where]) == 1
    fleet_watch._show(None, "press-7  critical AppDown: \x1b]0;gone\x07")
    told = capsys.readouterr()
    assert "no ?[31m app" in told.err and "AppDown: ?]0;gone?" in told.out
