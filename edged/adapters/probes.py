"""Asking apps and dependencies whether they are there, each time within one deadline for everything."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit

from ..ports import Answer, PortError, Unreachable
from .http_get import BadAnswer, read_page, read_status, request
from .resolver import Address, ResolveError, Resolver

if TYPE_CHECKING:
    import ssl

# This host's own trouble: says nothing about who was to be asked.
_OUR_TROUBLE = frozenset({
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT,
    errno.EACCES, errno.EPERM,
})  # fmt: skip


class SocketProber:
    """Implements ``ports.Prober``. May be used by several threads; keeps no connection open."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver or Resolver()
        self._contexts: dict[str, tuple[int, ssl.SSLContext]] = {}

    def close(self) -> None:
        self._resolver.close()

    def http(self, url: str, timeout: float, ca_file: str = "") -> Answer:
        """GET; 2xx and 3xx are well, without following redirects. The body only explains a failure."""
        target = _target(url)

        def ask(attempt: _Attempt) -> str:
            with self._connected(attempt, target, ca_file) as sock:
                return self._status(attempt, sock, request(target.parts))

        return self._answer(ask, timeout)

    def call(
        self,
        method: str,
        url: str,
        timeout: float,
        *,
        body: bytes = b"",
        content_type: str = "",
        most: int = 2**20,
        ca_file: str = "",
        take: Callable[[bytes], None] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body, ``most`` bytes of it, within ``timeout`` seconds in all. Raises ``PortError``."""
        target = _target(url)
        page: list[tuple[int, bytes]] = []

        def ask(attempt: _Attempt) -> str:
            with self._connected(attempt, target, ca_file) as sock:
                attempt.stage = "answer"
                sock.settimeout(attempt.left())
                kind = (f"Content-Type: {content_type}",) if content_type else ()
                sock.sendall(request(target.parts, *kind, method=method, body=body))
                page.append(read_page(sock, attempt.deadline, most, take))
            return ""

        answer = self._answer(ask, timeout)
        if not page:
            raise Unreachable(f"{url}: {answer.detail}")
        return page[0]

    @contextlib.contextmanager
    def _connected(self, attempt: _Attempt, target: _Target, ca_file: str) -> Iterator[socket.socket]:
        context = self._context(ca_file) if target.secure else None
        name = target.host.partition("%")[0]  # fe80::1%eth0: the certificate knows nothing of our interfaces
        with attempt.connect(target.host, target.port) as plain:
            if context is None:
                yield plain
                return
            attempt.stage = "TLS handshake"
            plain.settimeout(attempt.left())
            with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as wrapped:
                wrapped.do_handshake()
                yield wrapped

    def tcp(self, address: str, timeout: float) -> Answer:
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise PortError(f"the probe's address {address!r} cannot be used: bad port")

        def ask(attempt: _Attempt) -> str:
            attempt.connect(host.strip("[]"), int(port)).close()
            return ""

        return self._answer(ask, timeout)

    def dns(self, name: str, timeout: float) -> Answer:
        def ask(attempt: _Attempt) -> str:
            return ", ".join(host for _, host, _ in attempt.resolve(name))

        return self._answer(ask, timeout)

    def _status(self, attempt: _Attempt, sock: socket.socket, data: bytes) -> str:
        attempt.stage = "answer"
        sock.settimeout(attempt.left())
        sock.sendall(data)
        status = read_status(sock, attempt.deadline)
        attempt.ended = status.at
        if not 200 <= status.code < 400:
            raise BadAnswer(f"HTTP {status.code}" + (f": {status.text}" if status.text else ""))
        return f"HTTP {status.code}"

    def _answer(self, ask: Callable[[_Attempt], str], timeout: float) -> Answer:
        attempt = _Attempt(self._resolver, timeout)
        try:
            detail, ok = ask(attempt), True
        except TimeoutError:
            detail, ok = f"no {attempt.stage} within {timeout:g}s", False
        except (ResolveError, BadAnswer) as error:
            detail, ok = str(error), False
        except OSError as error:
            detail, ok = _explained(error), False
        return Answer(ok=ok, seconds=(attempt.ended or monotonic()) - attempt.began, detail=detail)

    def _context(self, ca_file: str) -> ssl.SSLContext:
        """Made once for each CA file, and again when the file has changed: it costs some 10 ms."""
        from .tls import client_context  # with it 4 MB that a device without https probes need not pay

        try:
            version = Path(ca_file).stat().st_mtime_ns if ca_file else 0
            known = self._contexts.get(ca_file)
            if known is None or known[0] != version:
                known = (version, client_context(ca_file))
                self._contexts[ca_file] = known
        except OSError as error:  # SSLError is one: not a certificate
            raise PortError(f"cannot use CA file {ca_file}: {error.strerror or error}") from error
        return known[1]


class _Target(NamedTuple):
    parts: SplitResult
    secure: bool
    host: str
    port: int


def _target(url: str) -> _Target:
    try:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        return _Target(parts, secure, parts.hostname or "localhost", parts.port or (443 if secure else 80))
    except ValueError as error:
        raise PortError("the probe's URL cannot be used: bad host or port") from error


class _Attempt:
    """One probe on its way: how much time is left, and what is being waited for."""

    def __init__(self, resolver: Resolver, timeout: float) -> None:
        self._resolver = resolver
        self.timeout = timeout
        self.began = monotonic()
        self.deadline = self.began + timeout
        self.stage = ""
        self.ended = 0.0

    def left(self) -> float:
        """Seconds. Raises ``TimeoutError`` when there are none."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def resolve(self, host: str) -> list[Address]:
        self.stage = "answer of name resolution"
        addresses = self._resolver.resolve(host, self.left())
        self.stage = "connection"
        return addresses

    def connect(self, host: str, port: int) -> socket.socket:
        """Tries each address; none may use up the time of the ones behind it."""
        addresses = self.resolve(host)
        failures: list[OSError] = []
        for number, address in enumerate(addresses):
            try:
                return _connect(address, port, self.left() / (len(addresses) - number))
            except OSError as error:
                failures.append(error)
        # localhost has an IPv6 address that many a host cannot use: that must not hide "refused".
        raise next((e for e in failures if e.errno not in _OUR_TROUBLE), failures[0])


def _connect(address: Address, port: int, timeout: float) -> socket.socket:
    family, host, scope = address
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.settimeout(timeout)
        sock.connect((host, port, 0, scope) if family == socket.AF_INET6 else (host, port))
        # A port that nobody listens on can be given to our own end, which then talks to itself.
        if sock.getsockname() == sock.getpeername():
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    except BaseException:
        sock.close()
        raise
    return sock


def _explained(error: OSError) -> str:
    """Words for an answer that is no success; ``PortError`` when it was not an answer."""
    verification = getattr(error, "verify_message", "")
    if verification:
        return f"TLS: {verification}"
    # An SSLError's number is OpenSSL's, not the system's.
    if hasattr(error, "library"):
        if type(error).__name__ in ("SSLEOFError", "SSLZeroReturnError"):
            return "TLS failed: unexpected eof while reading"  # older Pythons say this in other words
        return f"TLS failed: {str(getattr(error, 'reason', None) or error).replace('_', ' ').lower()}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "connection reset by peer"
    words = error.strerror or str(error)
    if error.errno in _OUR_TROUBLE:
        raise PortError(f"the probe could not be made: {words}") from error
    return words[:1].lower() + words[1:]
