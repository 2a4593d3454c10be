"""Looking names up within a deadline.

``getaddrinfo`` knows no time-out and can hang for minutes. One thread does all look-ups; whoever asks waits
only as long as he wants to. A look-up that could not even begin, because another name hangs, says nothing
about its own name and is a ``PortError``.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable

from ..ports import PortError

Address = tuple[socket.AddressFamily, str, int]
"""Family, numeric host, scope id (IPv6, else 0)."""
_MOST_WAITING = 64


class ResolveError(Exception):
    """The name has no address that anybody knows of. The message is for a person."""


def getaddrinfo(host: str) -> list[Address]:
    """Blocks. Raises ``OSError`` (``socket.gaierror``)."""
    return _addresses(host, 0)


def literal(host: str) -> list[Address]:
    """The address that ``host`` is, or nothing when it is a name. Never asks anybody."""
    if host in ("", "localhost"):
        # Known for sure (RFC 6761), so a broken name service cannot make a local app look dead.
        return [(socket.AF_INET, "127.0.0.1", 0), (socket.AF_INET6, "::1", 0)]
    try:
        return _addresses(host, socket.AI_NUMERICHOST)
    except socket.gaierror:
        return []


def _addresses(host: str, flags: int) -> list[Address]:
    # As bytes, a plain name does not load Python's IDNA tables (1 MB).
    name = host.encode("ascii") if host.isascii() else host.encode("idna")
    found: list[Address] = []
    for family, _, _, _, address in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=flags):
        entry = (family, str(address[0]), int(address[3]) if len(address) == 4 else 0)
        if entry not in found:
            found.append(entry)
    return found


class _Job:
    __slots__ = ("addresses", "done", "error", "host", "started")

    def __init__(self, host: str) -> None:
        self.host = host
        self.started = False
        self.done = threading.Event()
        self.addresses: list[Address] = []
        self.error: Exception | None = None


class Resolver:
    """One look-up thread, started at the first name. Who asks for a name being looked up joins in."""

    def __init__(self, lookup: Callable[[str], list[Address]] = getaddrinfo) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def resolve(self, host: str, timeout: float) -> list[Address]:
        """Raises ``ResolveError`` or ``TimeoutError`` (answers), or ``PortError`` (could not be asked)."""
        if addresses := literal(host):
            return addresses
        job = self._job(host)
        if not job.done.wait(max(0.0, timeout)):
            if not job.started:
                raise PortError(f"{host} could not be looked up: name resolution is busy with another name")
            raise TimeoutError
        if job.error is not None:
            raise job.error
        return job.addresses

    def close(self) -> None:
        """Ends the thread as soon as the look-up it is at returns; does not wait for that."""
        with self._lock:
            self._closed = True
            self._queue.put(None)

    def _job(self, host: str) -> _Job:
        with self._lock:
            job = self._jobs.get(host)
            if job is None:
                if self._closed or len(self._jobs) >= _MOST_WAITING:
                    raise PortError(f"{host} could not be looked up: name resolution is overloaded")
                self._start()
                job = self._jobs[host] = _Job(host)
                self._queue.put(job)
            return job

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="edged-resolver", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise PortError(f"name resolution could not be started: {error}") from error
            self._thread = thread

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            job.started = True
            try:
                job.addresses = self._lookup(job.host)
            except socket.gaierror as error:
                job.error = _explained(error)
            except ValueError:  # UnicodeError, or a NUL character
                job.error = ResolveError("not a valid host name")
            except OSError as error:
                job.error = PortError(f"{job.host} could not be looked up: {error.strerror}")
            with self._lock:
                del self._jobs[job.host]
            job.done.set()


def _explained(error: socket.gaierror) -> Exception:
    if error.errno in (socket.EAI_MEMORY, socket.EAI_SYSTEM):
        return PortError(f"name resolution failed: {error.strerror}")
    return ResolveError(f"name resolution failed: {error.strerror}")
