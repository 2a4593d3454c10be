"""The SDK's low-level clients, handed out to one thread at a time.

A ``requests`` session is not made for several threads, and its timeout is an attribute: so each call leases a
client for itself. Few are kept, connections never: a new one per call costs 0.1 ms, is never stale after the
engine was restarted, and goes to whoever listens on the socket's path now.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from docker.api.client import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

from ..ports import Refused, Unreachable
from .docker_errors import ENGINE_ERRORS, WrongVersion, explain
from .docker_http import Exchange
from .docker_translate import choose_version, engine_version

T = TypeVar("T")

_KEPT = 2
_PING_TIMEOUT = 5.0


class Clients:
    """A small stock of clients that speak the version agreed with the engine that is there now."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._idle: list[APIClient] = []
        self._version: str | None = None
        self._newest_known = DEFAULT_DOCKER_API_VERSION

    def ping(self, timeout: float, exchange: Exchange | None = None) -> str:
        """The engine's version, asked on a new connection, within ``timeout`` seconds in all."""
        with contextlib.nullcontext(exchange) if exchange else Exchange(self._url) as asking:
            asking.get("/_ping", timeout)
            headers = asking.headers
        try:
            version = choose_version(headers["api-version"], self._newest_known)
        except (KeyError, ValueError):
            raise Refused(f"{self._url}: what answers there is not a container engine") from None
        if version != self._version:
            self._agree(version)
        return engine_version(headers)

    def version(self, timeout: float, exchange: Exchange | None = None) -> str:
        """The API version to speak; asks the engine (over ``exchange``) when that is not known."""
        version = self._version
        if version is None:
            self.ping(min(timeout, _PING_TIMEOUT), exchange)
            version = self._version
        if version is None:  # another thread found the engine gone in the meantime
            raise Unreachable(f"{self._url}: the engine went away")
        return version

    def call(self, work: Callable[[APIClient], T], timeout: float) -> T:
        """``work(client)`` within ``timeout`` seconds (over TCP: for each wait); raises only ``PortError``.

        Where no version is agreed yet (at first, and after the engine was unreachable), that takes up to
        5 s more. Nothing is ever sent twice, except after the engine refused the version it was sent in.
        """
        try:
            return self._once(work, timeout)
        except WrongVersion as refusal:
            self.forget(refusal)
            return self._once(work, timeout)

    def _once(self, work: Callable[[APIClient], T], timeout: float) -> T:
        with self._lease(timeout) as client:
            try:
                return work(client)
            except ENGINE_ERRORS as error:
                failure = explain(error, self._url, timeout)
                if isinstance(failure, Unreachable):
                    self.forget()
                raise failure from error

    def forget(self, refusal: WrongVersion | None = None) -> None:
        """Whoever answers next may be another engine: agree anew."""
        if refusal is not None and "too old" in str(refusal):
            # An engine of the future that dropped the newest version known here: try its own.
            self._newest_known = "999.0"
        self._agree(None)

    def close(self) -> None:
        self._agree(None)

    def _agree(self, version: str | None) -> None:
        with self._lock:
            self._version = version
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    @contextlib.contextmanager
    def _lease(self, timeout: float) -> Iterator[APIClient]:
        version = self.version(timeout)
        with self._lock:
            client = self._idle.pop() if self._idle else None
        if client is None:
            client = self._new(version, timeout)
        client.timeout = timeout  # type: ignore[assignment]
        try:
            yield client
        finally:
            with self._lock:
                keep = client.api_version == self._version and len(self._idle) < _KEPT
                if keep:
                    self._idle.append(client)
            if not keep:
                client.close()

    def _new(self, version: str, timeout: float) -> APIClient:
        try:
            client = APIClient(self._url, version=version, max_pool_size=1)
        except ENGINE_ERRORS as error:
            raise explain(error, self._url, timeout) from error
        client.trust_env = False  # no proxy and no .netrc between a watchdog and its engine
        client.headers["Connection"] = "close"
        if self._url.startswith("unix:"):
            client.mount("http+docker://", _Adapter(self._url.replace("unix:", "http+unix:", 1)))
        return client


class _Socket(socket.socket):
    """All its waits together take no longer than the first time-out: an engine that trickles is one that hangs."""

    deadline = float("inf")

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("timed out")
        if (patience := self.gettimeout()) is None or patience > left:
            self.settimeout(left)
        return super().recv_into(*arguments, **named)


class _Connection(UnixHTTPConnection):
    def connect(self) -> None:
        """As in the SDK, which forgets to close the socket when nobody listens."""
        connection = _Socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if isinstance(self.timeout, int | float):
            connection.deadline = time.monotonic() + self.timeout
        try:
            connection.settimeout(self.timeout)
            connection.connect(self.unix_socket)
        except OSError:
            connection.close()
            raise
        self.sock = connection


class _Pool(UnixHTTPConnectionPool):
    def __init__(self, url: str, socket_path: str, seconds: int) -> None:
        super().__init__(url, socket_path, seconds, maxsize=1)
        self._seconds = seconds

    def _new_conn(self) -> _Connection:  # type: ignore[override]
        return _Connection(self.base_url, self.socket_path, self._seconds)


class _Adapter(UnixHTTPAdapter):
    def get_connection(self, url: Any, proxies: Any = None) -> _Pool:
        pool = self.pools.get(url)
        if pool is None:
            pool = self.pools[url] = _Pool(url, self.socket_path, self.timeout)
        return pool
