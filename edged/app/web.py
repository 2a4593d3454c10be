"""The status page's server, and who is let in."""

from __future__ import annotations

import logging

from ..adapters.http_server import HttpServer
from ..config.listen import loopback
from ..config.model import Http
from ..config.token import read_token
from ..ports import Routes
from ..report.access import Door

log = logging.getLogger(__name__)


class Web:
    """Bound when it is made, served after ``start``. Raises ``PortError`` when the address cannot be had."""

    def __init__(self, http: Http, routes: Routes) -> None:
        self._door = Door(_token(http))
        self._server = HttpServer.tcp(http.listen, self._door.guard(routes))

    @property
    def port(self) -> int:
        return self._server.port

    def renew(self, http: Http) -> None:
        """The token may be another one now."""
        self._door.token = _token(http)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()


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
