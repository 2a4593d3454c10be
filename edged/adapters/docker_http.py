"""One HTTP GET to the engine on a connection of its own, for what the SDK cannot do: ping, events, logs.

HTTP/1.0, so that a body is plain bytes until the engine closes, and a read that timed out can be taken up
again. Every wait has a deadline, and ``abort`` ends it from another thread.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from urllib.parse import urlsplit

from ..ports import PortError, Refused, Unreachable
from .docker_errors import answered, unreachable
from .tls import client_context

_MAX_HEADERS = 64 * 1024
_MAX_ERROR = 64 * 1024
_CHUNK = 64 * 1024


class Exchange:
    """A request and its answer, then perhaps another. For one thread; only ``abort`` may come from others."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._rest = b""
        self.aborted = False
        self.headers: dict[str, str] = {}
        """Keys in lower case."""

    def get(self, path: str, timeout: float) -> None:
        """Sends the request and reads status and headers, within ``timeout`` seconds in all."""
        self._ask("GET", path, b"", timeout)

    def post(self, path: str, body: bytes, timeout: float) -> None:
        """The same with JSON to send."""
        self._ask("POST", path, body, timeout)

    def _ask(self, method: str, path: str, body: bytes, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        try:
            connection = self._connect(timeout)
            connection.sendall(
                f"{method} {path} HTTP/1.0\r\nHost: {urlsplit(self._url).hostname or 'localhost'}\r\n"
                "User-Agent: edged\r\nAccept: application/json\r\n".encode()
                + (b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if body else b"")
                + b"\r\n"
                + body
            )
            head = b""
            while b"\r\n\r\n" not in head:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                received = connection.recv(_CHUNK)
                head += received
                if not received or len(head) > _MAX_HEADERS or time.monotonic() > deadline:
                    raise TimeoutError if received else ConnectionResetError("it closed the connection")
            status = self._read_head(head)
        except OSError as error:
            raise unreachable(error, self._url, timeout) from error
        except ValueError as error:  # an impossible port or host name
            raise Refused(f"{self._url}: {error}") from error
        if status != 200:
            raise self._error(status, deadline)

    def _connect(self, timeout: float) -> socket.socket:
        parts = urlsplit(self._url)
        if parts.scheme == "unix":
            connection = self._keep(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.settimeout(timeout)
            connection.connect(self._url.removeprefix("unix://"))
            return connection
        secure = parts.scheme == "https"
        address = (parts.hostname or "localhost", parts.port or (2376 if secure else 2375))
        connection = self._keep(socket.create_connection(address, timeout))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if secure:
            connection = self._keep(client_context().wrap_socket(connection, server_hostname=address[0]))
        return connection

    def _keep(self, connection: socket.socket) -> socket.socket:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = connection
            if self.aborted:
                raise ConnectionAbortedError("ended on request")
        return connection

    def _read_head(self, received: bytes) -> int:
        head, _, self._rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.headers = {}
        for line in lines:
            key, _, value = line.partition(":")
            self.headers[key.strip().lower()] = value.strip()
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
            raise ConnectionError("what answers there does not speak HTTP")
        if "chunked" in self.headers.get("transfer-encoding", ""):
            raise ConnectionError("it answers HTTP/1.0 in chunks")
        return int(words[1])

    def _error(self, status: int, deadline: float) -> PortError:
        body = b""
        with contextlib.suppress(TimeoutError, Unreachable):
            while len(body) < _MAX_ERROR and (received := self.read(deadline - time.monotonic())):
                body += received
        return answered(status, body)

    def read(self, timeout: float) -> bytes:
        """Bytes of the body as they come, ``b""`` at its end. Raises ``TimeoutError``; may then be called again."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        if self._socket is None:
            return b""
        self._socket.settimeout(max(0.001, timeout))
        try:
            return self._socket.recv(_CHUNK)
        except TimeoutError:
            raise
        except OSError as error:
            if self.aborted:
                return b""
            raise unreachable(error, self._url, timeout) from error

    def blocks(self, deadline: float) -> Iterator[bytes]:
        """The body to its end, as it comes. Raises ``TimeoutError`` after ``deadline`` (monotonic)."""
        while (left := deadline - time.monotonic()) > 0.0:
            data = self.read(left)
            if not data:
                return
            yield data
        raise TimeoutError

    def ready(self) -> bytes | None:
        """What has come of the body, without waiting: ``None``: nothing now, ``b""``: this is its end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        if self._socket is None:
            return b""
        try:
            self._socket.settimeout(0.0)
            return self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError as error:
            raise unreachable(error, self._url, 0.0) from error

    def abort(self) -> None:
        """Makes the other thread's wait end now."""
        with self._lock:
            self.aborted = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # not connected (any more)
                    self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
