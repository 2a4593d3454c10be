"""Who may read what is served on TCP: everybody on this machine, or whoever has the token."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Callable, Mapping

from ..config.listen import loopback
from ..ports import Request, Response, Routes

OPEN = frozenset({"/healthz", "/readyz"})
"""What probes ask. It says whether edged lives, and nothing of the apps."""
CHALLENGE = 'Basic realm="edged", charset="UTF-8"'
"""What makes a browser ask for a name and a password. Programs may send ``Bearer`` as well."""
_NO_TOKEN = b'{"error":"this needs the token of http.token_file: as a bearer token, or as a password with any name"}\n'
_SHUT = b'{"error":"http.token_file could not be read: see the log of edged"}\n'
_ELSEWHERE = b'{"error":"without http.token_file this answers to the names of this machine only, such as localhost"}\n'


class Door:
    """The token may be another one after a reload. Empty: none is needed. ``None``: none was readable, all stay out."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def guard(self, routes: Routes) -> Routes:
        """The same routes, each with a look at who asks."""
        return {key: route if key[1] in OPEN else self._guarded(route) for key, route in routes.items()}

    def _guarded(self, route: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            token = self.token
            if token is None:
                return Response(503, _SHUT)
            if not token:
                # A page elsewhere can point a name of its own at 127.0.0.1 and have a browser here read for it.
                host = request.headers.get("host", "")
                return route(request) if not host or loopback(host) else Response(403, _ELSEWHERE)
            if not hmac.compare_digest(shown(request.headers).encode(), token.encode()):
                return Response(401, _NO_TOKEN, headers={"WWW-Authenticate": CHALLENGE, "Cache-Control": "no-store"})
            return route(request)

        return answer


def shown(headers: Mapping[str, str]) -> str:
    """The token that a request shows, or nothing."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return ""
    return ""
