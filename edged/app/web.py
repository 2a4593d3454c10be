"""The status page's server, and who is let in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from ..adapters.http_server import HttpServer
from ..config.listen import loopback
from ..config.model import Http
from ..config.token import read_token
from ..ports import PortError, Routes
from ..report.access import Door
from .supervision import Call, Workers

log = logging.getLogger(__name__)


AGAIN = 10.0
"""Seconds between two attempts at an address that somebody else has."""


class Web:
    """Bound when it is made, served after ``start``. Raises ``PortError`` when the address cannot be had.

    ``patient``: it is tried again instead. A watchdog does not stay away because something else has its page's port.
    """

    def __init__(self, http: Http, routes: Routes, *, patient: bool = False) -> None:
        self._door = Door(_token(http))
        self._listen, self._routes = http.listen, self._door.guard(routes)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._server: HttpServer | None = None
        try:
            self._server = HttpServer.tcp(self._listen, self._routes)
        except PortError as error:
            if not patient:
                raise
            log.error(
                "%s; neither status page nor /metrics until it can be had, or http.listen is another; all else goes on",
                error,
            )

    @property
    def port(self) -> int:
        """0: it cannot be had at the moment."""
        return self._server.port if self._server is not None else 0

    def renew(self, http: Http) -> None:
        """The token may be another one now."""
        self._door.token = _token(http)

    def start(self) -> None:
        if self._server is not None:
            self._server.start()
        else:
            threading.Thread(target=self._try_again, name="edged-http-bind", daemon=True).start()

    def stop(self) -> None:
        with self._lock:
            self._over.set()
            server = self._server
        if server is not None:
            server.stop()

    def report_late(self) -> None:
        if self._server is not None:
            self._server.report_late()

    def calls(self) -> Iterable[Call]:
        return self._server.calls() if self._server is not None else ()

    def _try_again(self) -> None:
        while not self._over.wait(AGAIN):
            with self._lock:
                if self._over.is_set():
                    return
                try:
                    self._server = HttpServer.tcp(self._listen, self._routes)
                except PortError:
                    continue
                self._server.start()
            log.warning("listening on %s now", self._listen)
            return


class Servers:
    """``Workers``: those that serve at the moment."""

    def __init__(self, serving: Callable[[], Iterable[Workers]]) -> None:
        self._serving = serving

    def report_late(self) -> None:
        for one in self._serving():
            one.report_late()

    def calls(self) -> Iterable[Call]:
        for one in self._serving():
            yield from one.calls()


def _token(http: Http) -> str | None:
    """``None``: nobody is let in. A watchdog does not stay away because its page has no token."""
    if not http.token_file:
        return "" if loopback(http.listen) else None
    try:
        return read_token(http.token_file)
    except ValueError as error:
        log.error(
            "http.token_file: %s %s; nobody can read the status page until edged is reloaded", http.token_file, error
        )
        return None
