"""The container engine: ``ports.Containers`` over the Docker Engine API, from 1.24 on."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from docker.api.client import APIClient

from ..ports import NotFound, PortError, Refused, Unreachable
from ..vocabulary.facts import ContainerChanged
from ..vocabulary.isolation import Endpoint
from ..vocabulary.world import Container, Usage
from .docker_archive import Once, limited
from .docker_client import Clients
from .docker_errors import WrongVersion
from .docker_exec import execute
from .docker_http import Exchange
from .docker_logs import ContainerLog
from .docker_networks import to_networks
from .docker_streams import Demultiplexer, Lines, Tail
from .docker_translate import EVENT_ACTIONS, from_inspect, from_list, is_tty, to_change, to_usage

_IDLE = 5.0
"""Seconds of silence after which ``events`` yields ``None``."""
_DRAINED = 0.1
"""The same for the first silence of a stream."""
_ACCEPT_TIMEOUT = 5.0
"""Seconds in which the engine has to accept the event stream."""
_STOP_MARGIN = 10.0
"""Seconds that the engine may need on top of the stop timeout: to kill, tear down and start."""
_MAX_EVENT = 1024 * 1024
_ONE_SHOT_SINCE = (1, 41)


class DockerEngine:
    """Thread-safe. Nothing is connected, and no version agreed, before it is needed."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """``timeout``: seconds for each call that does not say otherwise."""
        self._url = url
        self._timeout = timeout
        self._clients = Clients(url)
        self._lock = threading.Lock()
        self._stream: Exchange | None = None
        self.skipped_events = 0
        """Messages of the event stream that were too long or not JSON."""

    def ping(self, timeout: float = 5.0) -> str:
        return self._clients.ping(timeout)

    def list_all(self) -> tuple[Container, ...]:
        answer: Any = self._clients.call(lambda client: client.containers(all=True), self._timeout)
        if not isinstance(answer, list):
            raise Refused(f"{self._url}: the list of containers makes no sense")
        return tuple(found for entry in answer if (found := from_list(entry)) is not None)

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        answer: Any = self._clients.call(lambda client: client.inspect_container(container_id), self._timeout)
        container = from_inspect(answer)
        if container is None:
            raise Refused(f"{self._url}: the description of {container_id} makes no sense")
        return container, answer

    def start(self, container_id: str, timeout: float) -> None:
        """Starting what runs already is no error."""
        self._clients.call(lambda client: client.start(container_id), timeout)

    def restart(self, container_id: str, stop_timeout: float, timeout: float) -> None:
        """Waits at least ``stop_timeout`` plus a margin, even when ``timeout`` is shorter."""
        grace, rest = _stop_times(stop_timeout, timeout)
        # The SDK adds the grace to the client's timeout itself, here and in stop.
        self._clients.call(lambda client: client.restart(container_id, timeout=grace), rest)

    def stop(self, container_id: str, stop_timeout: float, timeout: float) -> None:
        """Waits at least ``stop_timeout`` plus a margin, even when ``timeout`` is shorter."""
        grace, rest = _stop_times(stop_timeout, timeout)
        self._clients.call(lambda client: client.stop(container_id, timeout=grace), rest)

    def pause(self, container_id: str, timeout: float) -> None:
        self._clients.call(lambda client: client.pause(container_id), timeout)

    def unpause(self, container_id: str, timeout: float) -> None:
        self._clients.call(lambda client: client.unpause(container_id), timeout)

    def signal(self, container_id: str, signal: str, timeout: float) -> None:
        self._clients.call(lambda client: client.kill(container_id, signal), timeout)

    def limit_memory(self, container_id: str, memory: int, swap: int, timeout: float) -> None:
        self._clients.call(
            lambda client: client.update_container(container_id, mem_limit=memory, memswap_limit=swap or None), timeout
        )

    def get_archive(self, container_id: str, path: str, max_bytes: int, timeout: float) -> Generator[bytes, None, None]:
        """Nothing is asked before the first block is. ``timeout`` is for all of it."""
        deadline = time.monotonic() + timeout
        query = urlencode({"path": path})
        url = f"/v{self._clients.version(timeout)}/containers/{quote(container_id, safe='')}/archive?{query}"
        with Exchange(self._url) as exchange:
            exchange.get(url, max(0.1, deadline - time.monotonic()))
            yield from limited(exchange, path, max_bytes, deadline)

    def put_archive(self, container_id: str, folder: str, tar: Iterator[bytes], timeout: float) -> None:
        """``timeout`` is for all of it."""
        body = Once(tar, time.monotonic() + timeout)
        self._clients.version(timeout)  # agreed before: what was sent cannot be sent again in another one
        self._clients.call(lambda client: client.put_archive(container_id, folder, body), timeout)

    def execute(self, container_id: str, command: tuple[str, ...], max_bytes: int, timeout: float) -> tuple[int, bytes]:
        return execute(self._clients, self._url, container_id, command, max_bytes, timeout)

    def remove(self, container_id: str, timeout: float) -> None:
        with suppress(NotFound):
            self._clients.call(lambda client: client.remove_container(container_id), timeout)

    def prune_images(self, timeout: float) -> int:
        def prune(client: Any) -> Any:  # what the SDK does not give types for
            return client.prune_images({"dangling": True})

        answer = self._clients.call(prune, timeout)
        return int(answer.get("SpaceReclaimed") or 0) if isinstance(answer, dict) else 0

    def usage(self, container_id: str) -> Usage:
        container, inspected = self.inspect(container_id)
        if container.pid is None:
            raise NotFound(f"container {container.name} does not run")

        def stats(client: APIClient) -> Any:
            one_shot = tuple(int(part) for part in client.api_version.split(".")) >= _ONE_SHOT_SINCE
            return client.stats(container_id, stream=False, one_shot=True if one_shot else None)

        told = self._clients.call(stats, self._timeout)
        if isinstance(told, dict) and "message" in told:  # with status 200
            raise Refused(f"{self._url}: no usage of {container.name}: {told['message']}")
        return to_usage(container.id, told, inspected)

    def networks(self, container_id: str, timeout: float) -> tuple[str, tuple[Endpoint, ...]]:
        answer: Any = self._clients.call(lambda client: client.inspect_container(container_id), timeout)
        return to_networks(answer)

    def disconnect(self, container_id: str, network: str, timeout: float) -> None:
        """Not being connected, and a network that is gone, are no error."""
        try:
            self._clients.call(
                lambda client: client.disconnect_container_from_network(container_id, network, force=True), timeout
            )
        except PortError:
            _, left = self.networks(container_id, timeout)
            if any(endpoint.network == network for endpoint in left):
                raise

    def connect(self, container_id: str, endpoint: Endpoint, timeout: float) -> None:
        self._clients.call(
            lambda client: client.connect_container_to_network(
                container_id,
                endpoint.network,
                ipv4_address=endpoint.ipv4 or None,
                ipv6_address=endpoint.ipv6 or None,
                aliases=list(endpoint.aliases) or None,
                links=[(name, alias or None) for name, _, alias in (link.partition(":") for link in endpoint.links)],
                driver_opt=endpoint.options or None,
            ),
            timeout,
        )

    def logs(self, container_id: str, lines: int, max_bytes: int, timeout: float, since: float = 0.0) -> bytes:
        """The last lines, at most ``max_bytes``; what was got until ``timeout`` when that takes too long."""
        deadline = time.monotonic() + timeout
        container, inspected = self.inspect(container_id)
        query = urlencode(
            {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": max(0, lines)}
            | ({"since": f"{time.time() - since:.3f}"} if since > 0.0 else {})
        )
        path = f"/v{self._clients.version(timeout)}/containers/{quote(container.id)}/logs?{query}"
        tail, frames = Tail(max_bytes), None if is_tty(inspected) else Demultiplexer()
        with Exchange(self._url) as exchange:
            exchange.get(path, max(0.1, deadline - time.monotonic()))
            while (left := deadline - time.monotonic()) > 0:
                try:
                    data = exchange.read(left)
                except TimeoutError:
                    break
                if not data:
                    break
                tail.feed(data if frames is None else frames.feed(data))
        return tail.bytes()

    def follow_logs(self, container_id: str, since: str, tail: int, timeout: float) -> ContainerLog:
        """``timeout`` is for getting the connection; reading never waits."""
        deadline = time.monotonic() + timeout
        container, inspected = self.inspect(container_id)
        query = urlencode(
            {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": 1, "tail": tail} | ({"since": since} if since else {})
        )
        path = f"/v{self._clients.version(timeout)}/containers/{quote(container.id)}/logs?{query}"
        exchange = Exchange(self._url)
        try:
            exchange.get(path, max(0.1, deadline - time.monotonic()))
        except PortError as error:
            exchange.__exit__(None, None, None)
            if isinstance(error, WrongVersion):
                self._clients.forget(error)
            raise
        return ContainerLog(exchange, terminal=is_tty(inspected))

    def events(self, since: float, at: Callable[[], float]) -> Generator[ContainerChanged | None, None, None]:
        """Yields ``None`` once accepted, and again after every 5 s of silence: the caller can show that it lives.
        The first silence is a short one: what there was to tell of the past has been told then.

        Silence proves nothing about the engine, which may hang with the connection open: whoever finds out
        calls ``close_events``.
        """
        with Exchange(self._url) as exchange:
            with self._lock:
                self._stream = exchange
            try:
                yield from self._read_events(exchange, since, at)
            except PortError as error:
                if isinstance(error, WrongVersion):
                    self._clients.forget(error)
                if not exchange.aborted:
                    raise

    def _read_events(
        self, exchange: Exchange, since: float, at: Callable[[], float]
    ) -> Generator[ContainerChanged | None, None, None]:
        # Filtered by the engine: health checks alone make three exec_* messages each time.
        filters = json.dumps({"type": ["container"], "event": list(EVENT_ACTIONS)})
        query = urlencode({"since": f"{since:.9f}", "filters": filters})
        timeout = min(self._timeout, _ACCEPT_TIMEOUT)
        exchange.get(f"/v{self._clients.version(timeout, exchange)}/events?{query}", timeout)
        yield None
        lines = Lines(_MAX_EVENT)
        told, idle = time.monotonic(), min(_DRAINED, _IDLE)
        while True:
            try:
                data = exchange.read(idle)
            except TimeoutError:
                data, idle = None, _IDLE
            # Also when bytes come that make no whole message: the thread lives.
            if data is None or time.monotonic() - told > _IDLE:
                told = time.monotonic()
                yield None
            if data is None:
                continue
            if not data:
                raise Unreachable(f"{self._url}: the event stream broke off")
            skipped = lines.skipped
            for line in lines.feed(data):
                change = self._decode(line, at)
                if change is not None:
                    yield change
            self.skipped_events += lines.skipped - skipped

    def _decode(self, line: bytes, at: Callable[[], float]) -> ContainerChanged | None:
        if not line.strip():
            return None
        try:
            return to_change(msgspec.json.decode(line), at())
        except (msgspec.DecodeError, RecursionError):
            self.skipped_events += 1
            return None

    def close_events(self) -> None:
        """Ends the ``events`` that is open now, also one that still waits to be accepted."""
        with self._lock:
            if self._stream is not None:
                self._stream.abort()

    def close(self) -> None:
        self.close_events()
        self._clients.close()


def _stop_times(stop_timeout: float, timeout: float) -> tuple[int, float]:
    """Whole seconds of grace for the engine, and the seconds to wait beyond them."""
    grace = max(0, math.ceil(stop_timeout))
    return grace, max(timeout - grace, _STOP_MARGIN)
