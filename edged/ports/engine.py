"""The container engine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

from ..vocabulary.facts import ContainerChanged
from ..vocabulary.isolation import Endpoint
from ..vocabulary.world import Container, Usage
from .logs import LogStream


class Containers(Protocol):
    """A container engine. Every call has its own timeout and raises ``PortError``."""

    def ping(self, timeout: float = 5.0) -> str:
        """The engine's version, asked on a new connection."""

    def list_all(self) -> tuple[Container, ...]:
        """All containers, stopped ones too, without inspecting each one."""

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        """One container, and the engine's whole answer."""

    def start(self, container_id: str, timeout: float) -> None: ...

    def restart(self, container_id: str, stop_timeout: float, timeout: float) -> None: ...

    def stop(self, container_id: str, stop_timeout: float, timeout: float) -> None: ...

    def signal(self, container_id: str, signal: str, timeout: float) -> None:
        """Sends a signal (``HUP``) to the main process."""

    def get_archive(self, container_id: str, path: str, max_bytes: int, timeout: float) -> Generator[bytes, None, None]:
        """A tar of a file or folder in the container, running or not. Raises ``NotFound``, ``Refused`` when larger.

        It may end early without an error when the engine goes away: a whole one ends with two blocks of zeros.
        """

    def put_archive(self, container_id: str, folder: str, tar: Iterator[bytes], timeout: float) -> None:
        """Unpacks a tar into a folder of the container, which must exist, entry by entry: what came before an error
        stays."""

    def pause(self, container_id: str, timeout: float) -> None: ...

    def unpause(self, container_id: str, timeout: float) -> None: ...

    def limit_memory(self, container_id: str, memory: int, swap: int, timeout: float) -> None:
        """Bytes; ``swap`` is memory and swap together, -1: without limit. Raises ``Refused`` when that is less than the
        kernel can bring it down to. The engine remembers it."""

    def logs(self, container_id: str, lines: int, max_bytes: int, timeout: float, since: float = 0.0) -> bytes:
        """The last log lines, stdout and stderr together, with timestamps. ``since``: seconds back; 0: all."""

    def follow_logs(self, container_id: str, since: str, tail: int, timeout: float) -> LogStream:
        """The last ``tail`` lines, and then what is written. None from before ``since`` (Unix time, to the nanosecond;
        empty: no bound). Raises ``Refused`` when the container's log driver cannot be read."""

    def networks(self, container_id: str, timeout: float) -> tuple[str, tuple[Endpoint, ...]]:
        """The network mode that it was created with (``host``, ``container:…``, a network), and what it is connected
        to. A network that gives none (``none``) is not among them."""

    def disconnect(self, container_id: str, network: str, timeout: float) -> None:
        """Cuts it off from a network, running or not. Not being connected is no error."""

    def connect(self, container_id: str, endpoint: Endpoint, timeout: float) -> None:
        """Connects it to a network, running or not."""

    def execute(self, container_id: str, command: tuple[str, ...], max_bytes: int, timeout: float) -> tuple[int, bytes]:
        """Runs a program in a running container, without a shell: its exit code, and the end of what it said.

        Raises ``Refused`` when it cannot be begun, ``Unreachable`` when it does not end in time; it may then go on.
        """

    def remove(self, container_id: str, timeout: float) -> None:
        """Removes a stopped container; its volumes stay. One that is gone is no error."""

    def prune_images(self, timeout: float) -> int:
        """Removes images that no name leads to and no container uses. Returns the bytes that are free now."""

    def usage(self, container_id: str) -> Usage:
        """One-shot stats: slow (1–2 s on old engines), for hosts whose cgroup files cannot be read."""

    def events(self, since: float, at: Callable[[], float]) -> Generator[ContainerChanged | None, None, None]:
        """Messages of the event stream from Unix time ``since`` on; blocks. ``at`` stamps each one.

        Yields ``None`` right after the engine has accepted the connection, and again after every few seconds
        of silence, which only shows that the caller's thread lives. Raises ``Unreachable`` when the stream
        breaks (a half-open one may not) and ends when ``close_events`` was called.
        """

    def close_events(self) -> None:
        """Ends a blocked ``events`` from another thread."""

    def close(self) -> None:
        """Lets go of all connections."""
