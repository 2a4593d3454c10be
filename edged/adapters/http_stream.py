"""One GET whose answer is read piece by piece, every byte of it against a deadline."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..ports import PortError, Refused, Unreachable
from .http_get import request
from .resolver import ResolveError, Resolver
from .tls import client_context

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Stream:
    """The head of an answer, and its body to be read."""

    def __init__(self, url: str, response: http.client.HTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self._response = response

    def header(self, name: str) -> str:
        return (self._response.getheader(name) or "").strip()

    @property
    def length(self) -> int | None:
        """Bytes of the body, if the server said so."""
        text = self.header("content-length")
        chunked = self.header("transfer-encoding")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and not chunked else None

    def read(self, most: int) -> bytes:
        """What has arrived, at most so many bytes; empty at the end. Raises ``Unreachable``."""
        try:
            return self._response.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"the transfer from {host_of(self.url)} broke off: {_say(error)}") from None


class Fetcher:
    """Opens streams. ``ca_file``: who may vouch for servers, instead of the system's list."""

    def __init__(self, ca_file: str = "", resolver: Resolver | None = None) -> None:
        self._ca_file = ca_file
        self._resolver = resolver or Resolver()

    @contextmanager
    def get(self, url: str, headers: tuple[str, ...], idle: float, left: Callable[[], float]) -> Iterator[Stream]:
        """GET, following up to five redirects. ``idle``: seconds one read may take; ``left``: seconds for it all.

        Raises ``Unreachable`` for what may pass, ``Refused`` for what will not.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            sock = self._connect(url, idle, left)
            try:
                timed: Any = _Timed(sock, idle, left)
                with closing(http.client.HTTPResponse(timed)) as response:
                    try:
                        sock.settimeout(max(0.001, min(idle, left())))
                        sock.sendall(request(urlsplit(url), "Accept-Encoding: identity", *headers))
                        response.begin()
                    except (OSError, http.client.HTTPException, ValueError) as error:
                        raise Unreachable(f"{host_of(url)} gave no answer: {_say(error)}") from None
                    if response.status not in _REDIRECTS:
                        yield Stream(url, response)
                        return
                    url = _target(url, response.getheader("location") or "")
            finally:
                sock.close()
        raise Refused(f"{host_of(url)} redirects too often")

    def _connect(self, url: str, idle: float, left: Callable[[], float]) -> socket.socket:
        parts = check_url(url)
        secure = parts.scheme == "https"
        host = parts.hostname or ""
        port = parts.port or (443 if secure else 80)
        context = self._context() if secure else None
        try:
            addresses = self._resolver.resolve(host, min(idle, max(0.0, left())))
        except (ResolveError, TimeoutError) as error:
            raise Unreachable(f"{host} cannot be looked up: {_say(error)}") from None
        trouble: Exception = OSError("no address")
        for family, address, scope in addresses[:8]:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(max(0.001, min(idle, left())))
                sock.connect((address, port) if family == socket.AF_INET else (address, port, 0, scope))
                return context.wrap_socket(sock, server_hostname=host) if context else sock
            except ssl.SSLCertVerificationError as error:
                sock.close()
                raise Refused(f"the certificate of {host} is not valid: {error.verify_message}") from None
            except OSError as error:
                sock.close()
                trouble = error
        raise Unreachable(f"{host}:{port} cannot be reached: {_say(trouble)}")

    def _context(self) -> ssl.SSLContext:
        try:
            return client_context(self._ca_file)
        except OSError as error:
            raise PortError(f"ca_file {self._ca_file} cannot be read: {_say(error)}") from None


class _Timed(io.RawIOBase):
    """A socket as a file for ``HTTPResponse``: no read waits longer than ``idle``, and none past the deadline."""

    def __init__(self, sock: socket.socket, idle: float, left: Callable[[], float]) -> None:
        self._sock, self._idle, self._left = sock, idle, left

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, 64 * 1024)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._left()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(min(self._idle, left))
        return self._sock.recv_into(buffer)


def check_url(url: str) -> Any:
    """The parts of an http or https URL. Raises ``Refused``."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise Refused("the bundle's URL cannot be used; write it like https://host/path/bundle.tar")
    return parts


def host_of(url: str) -> str:
    """For messages: without credentials and whatever tokens a URL carries."""
    return urlsplit(url).netloc.rpartition("@")[2]


def remaining(seconds: float) -> Callable[[], float]:
    """A function that tells how much of ``seconds`` is left."""
    end = monotonic() + seconds
    return lambda: end - monotonic()


def _target(url: str, location: str) -> str:
    if not location:
        raise Refused(f"{host_of(url)} redirects to nowhere")
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise Refused(f"{host_of(url)} redirects from https to something unencrypted")
    return target


def _say(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]
