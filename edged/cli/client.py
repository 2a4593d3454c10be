"""Talks to the running daemon: HTTP over its Unix socket."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from . import UNREACHABLE, Failure

TIMEOUT = 10.0
RESULT_TIMEOUT = 310.0


def socket_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--socket", metavar="PATH", help="the daemon's socket (default: $EDGED_SOCKET, /run/edged, /var/lib/edged)"
    )


def find_socket(given: str | None) -> Path:
    """The socket to use. Raises ``Failure`` when there is none."""
    named = given or os.environ.get("EDGED_SOCKET")
    if named:
        return Path(named)
    candidates = [Path("/run/edged/edged.sock"), Path("/var/lib/edged/edged.sock")]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise Failure(
        UNREACHABLE,
        "no daemon is running here (looked for /run/edged/edged.sock and /var/lib/edged/edged.sock); "
        "systemctl start edged, or name its socket with --socket",
    )


def request(
    given: str | None, method: str, path: str, body: Any = None, file: BinaryIO | None = None
) -> Iterator[bytes]:
    """Lines of the answer. A small client of our own: importing ``http.client`` takes longer than the answer."""
    where = find_socket(given)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(RESULT_TIMEOUT if method in ("POST", "PUT") else TIMEOUT)
        try:
            connection.connect(str(where))
        except PermissionError:
            way = "join the group edged (sudo usermod -aG edged $USER, then log in anew), or be root"
            raise Failure(UNREACHABLE, f"you may not use {where}: {way}") from None
        except OSError as error:
            raise Failure(UNREACHABLE, f"the daemon does not answer at {where}: {error.strerror or error}") from None
        data = json.dumps(body).encode() if body is not None else b""
        length = len(data) if file is None else os.fstat(file.fileno()).st_size
        head = f"{method} {path} HTTP/1.1\r\nHost: edged\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        try:
            connection.sendall(head.encode() + data)
            if file is not None:
                with suppress(BrokenPipeError):  # it says why in its answer
                    connection.sendfile(file)
            yield from _lines(connection, where)
        except TimeoutError:
            raise Failure(UNREACHABLE, f"the daemon at {where} took the request and does not answer") from None
        except ConnectionError as error:
            raise Failure(UNREACHABLE, f"the connection to {where} broke: {error}") from None


def _lines(connection: socket.socket, where: Path) -> Iterator[bytes]:
    with connection.makefile("rb") as stream:
        status = stream.readline().split()
        length: int | None = None
        while header := stream.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        code = int(status[1]) if len(status) > 1 and status[1].isdigit() else 0
        if code != 200:
            text = stream.read(4096).decode("utf-8", "replace").strip()
            raise Failure(1 if code else UNREACHABLE, _refusal(text, code, where))
        came = 0
        for line in stream:
            came += len(line)
            yield line
        if length is not None and came < length:
            raise Failure(UNREACHABLE, f"the daemon at {where} ended in the middle of its answer; ask again")


def _refusal(text: str, code: int, where: Path) -> str:
    """What the daemon says is for people; what something else there says is told with its origin."""
    try:
        said = json.loads(text).get("error")
    except (ValueError, AttributeError):
        said = None
    return said if isinstance(said, str) and said else f"the daemon at {where} said {code or 'nothing'}: {text}"


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise Failure(UNREACHABLE, "the daemon ended in the middle of its answer; ask again") from None


def get(given: str | None, path: str) -> Any:
    return _parsed(b"".join(request(given, "GET", path)))


def send(given: str | None, path: str, file: BinaryIO) -> Any:
    """Hands a file over."""
    return _parsed(b"".join(request(given, "PUT", path, file=file)))


def delete(given: str | None, path: str) -> Any:
    return _parsed(b"".join(request(given, "DELETE", path)))


def command(given: str | None, type_: str, args: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Runs a command and yields its answers as they come."""
    for line in request(given, "POST", "/v1/commands", {"type": type_, "args": args}):
        yield _parsed(line)
