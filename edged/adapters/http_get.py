"""Just enough HTTP/1.1 to ask for one status. Every byte is read against one deadline."""

from __future__ import annotations

import base64
import contextlib
import socket
from time import monotonic
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote

from .. import __version__

MOST_BYTES = 64 * 1024
_BODY_WAIT = 0.25
"""Seconds a body may take once the status is known."""
_SAFE_IN_URLS = "/%:=&?~+!$,;'@()*[]"


class BadAnswer(Exception):
    """Something answered, but not in a way a client could use. The message is for a person."""


class Status(NamedTuple):
    code: int
    at: float
    """``monotonic()`` when the answer's head was complete."""
    text: str
    """Beginning of the body, on one line; else the reason phrase."""


def request(url: SplitResult, *more: str) -> bytes:
    """The head of a GET; ``more`` are further header lines."""
    target = quote(url.path or "/", safe=_SAFE_IN_URLS)
    if url.query:
        target += "?" + quote(url.query, safe=_SAFE_IN_URLS)
    credentials, _, host = url.netloc.rpartition("@")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: edged/{__version__}",
        "Accept: */*",
        "Connection: close",
        *more,
    ]
    if credentials:
        lines.append("Authorization: Basic " + base64.b64encode(unquote(credentials).encode()).decode())
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def read_status(sock: socket.socket, deadline: float) -> Status:
    """Raises ``BadAnswer`` or ``OSError``; ``TimeoutError`` when the head is not complete in time."""
    data = b""
    while True:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if separator:
            code, reason = _status_line(head)
            if code >= 200:
                break
            data = rest  # 100 Continue, 103 Early Hints: the real answer follows
            continue
        if len(data) > MOST_BYTES:
            code, _ = _status_line(data)
            raise BadAnswer(f"HTTP {code} with more than {MOST_BYTES // 1024} KiB of headers")
        part = _receive(sock, deadline)
        if not part:
            raise BadAnswer("connection closed " + ("in mid-answer" if data else "without an answer"))
        data += part
        if not b"HTTP/".startswith(data[:5]):
            _status_line(data)
    at = monotonic()
    body = b"" if code in (204, 304) else _body(sock, head.lower(), rest, min(deadline, at + _BODY_WAIT))
    return Status(code, at, _one_line(body) or reason)


def _receive(sock: socket.socket, deadline: float) -> bytes:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)
    return sock.recv(16384)


def _status_line(head: bytes) -> tuple[int, str]:
    version, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    code, _, reason = rest.partition(b" ")
    if not version.startswith(b"HTTP/") or len(code) != 3 or not code.isdigit():
        raise BadAnswer(f"not an HTTP answer: {_one_line(head)[:40]!r}")
    return int(code), _one_line(reason)


def _body(sock: socket.socket, head: bytes, body: bytes, deadline: float) -> bytes:
    """What there is of the body. The status is known, so nothing that goes wrong here matters.

    Read to its end where it is short: closing a socket with unread data resets the connection, which
    many an app logs as an error at every probe.
    """
    length = _header(head, b"content-length")
    wanted = int(length) if length.isdigit() else MOST_BYTES
    chunked = b"chunked" in _header(head, b"transfer-encoding")
    with contextlib.suppress(OSError):
        while len(body) < min(wanted, MOST_BYTES) and not (chunked and body.endswith(b"0\r\n\r\n")):
            part = _receive(sock, deadline)
            if not part:
                break
            body += part
    return _unchunked(body) if chunked else body


def _header(head: bytes, name: bytes) -> bytes:
    """The value of a header; ``head`` and ``name`` in lower case."""
    _, found, rest = head.partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip() if found else b""


def _unchunked(body: bytes) -> bytes:
    text = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if length <= 0:
            break
        text += body[:length]
        body = body[length + 2 :]
    return text


def _one_line(text: bytes) -> str:
    words = " ".join(text[:1000].decode("utf-8", "replace").split())
    return "".join(c for c in words if c.isprintable())[:200]
