"""Just enough HTTP/1.1 to ask for one status or one page. Every byte is read against one deadline."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote

from .. import __version__

MOST_BYTES = 64 * 1024
_BODY_WAIT = 0.25
"""Seconds a body may take once the status is known."""
_MOST_CHUNK_LINE = 1024
_SAFE_IN_URLS = "/%:=&?~+!$,;'@()*[]"


class BadAnswer(Exception):
    """Something answered, but not in a way a client could use. The message is for a person."""


class Status(NamedTuple):
    code: int
    at: float
    """``monotonic()`` when the answer's head was complete."""
    text: str
    """Beginning of the body, on one line; else the reason phrase."""


def request(url: SplitResult, *more: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A whole request; ``more`` are further header lines."""
    target = quote(url.path or "/", safe=_SAFE_IN_URLS)
    if url.query:
        target += "?" + quote(url.query, safe=_SAFE_IN_URLS)
    credentials, _, host = url.netloc.rpartition("@")
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: edged/{__version__}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        *more,
    ]
    if credentials:
        lines.append("Authorization: Basic " + base64.b64encode(unquote(credentials).encode()).decode())
    if method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + body


def read_status(sock: socket.socket, deadline: float) -> Status:
    """Raises ``BadAnswer`` or ``OSError``; ``TimeoutError`` when the head is not complete in time."""
    code, reason, head, rest = _head(sock, deadline)
    at = monotonic()
    body = b"" if code in (204, 304) else _body(sock, head, rest, min(deadline, at + _BODY_WAIT))
    return Status(code, at, _one_line(body) or reason)


def read_page(
    sock: socket.socket, deadline: float, most: int, take: Callable[[bytes], None] | None = None
) -> tuple[int, bytes]:
    """Status and the whole body; that of a good answer goes to ``take`` piece by piece, if there is one.

    Raises ``BadAnswer`` when it is longer than ``most`` bytes or cut short, ``OSError``, and ``TimeoutError`` when it
    is not complete in time.
    """
    code, _, head, rest = _head(sock, deadline)
    if code in (204, 304):
        return code, b""
    coding = _header(head, b"content-encoding")
    if coding not in (b"", b"identity"):
        raise BadAnswer(f"compressed ({_one_line(coding)}), although it was asked for as it is")
    kept: list[bytes] = []
    put = take if take is not None and 200 <= code < 300 else kept.append
    length, got = _header(head, b"content-length"), 0
    chunked = b"chunked" in _header(head, b"transfer-encoding")
    wanted = int(length) if length.isdigit() and len(length) < 19 and not chunked else None
    pieces = _raw(sock, deadline, rest, wanted, chunked=chunked)
    for piece in _dechunked(pieces) if chunked else pieces:
        got += len(piece)
        if got > most:
            raise BadAnswer(f"more than {most // 1024} KiB")
        put(piece)
    return code, b"".join(kept)


def _raw(sock: socket.socket, deadline: float, piece: bytes, wanted: int | None, *, chunked: bool) -> Iterator[bytes]:
    """What comes over the wire after the head, up to ``wanted`` bytes; ``None``: until it is closed."""
    left = wanted
    while left is None or left > 0:
        if piece:
            yield piece if left is None else piece[:left]
            left = None if left is None else left - len(piece)
            if left is not None and left <= 0:
                return
        piece = _receive(sock, deadline)
        if not piece:
            if wanted is not None or chunked:
                raise BadAnswer("connection closed in mid-answer")
            return


def _dechunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content of chunks as it comes, without waiting for whole ones."""
    held, left = b"", 0
    for piece in pieces:
        held += piece
        while held:
            if left > 2:
                part = held[: left - 2]
                yield part
                held, left = held[len(part) :], left - len(part)
            elif left:  # the end of the line behind a chunk
                gone = min(left, len(held))
                held, left = held[gone:], left - gone
            else:
                size, newline, rest = held.partition(b"\r\n")
                if not newline and len(size) <= _MOST_CHUNK_LINE:
                    break
                digits = size.partition(b";")[0].strip()
                if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", digits):
                    raise BadAnswer("a chunk without its length")
                if int(digits, 16) == 0:
                    return
                held, left = rest, int(digits, 16) + 2


def _head(sock: socket.socket, deadline: float) -> tuple[int, str, bytes, bytes]:
    """Status, reason, the headers in lower case, and what came of the body already."""
    data = b""
    while True:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if separator:
            code, reason = _status_line(head)
            if code >= 200:
                return code, reason, head.lower(), rest
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
