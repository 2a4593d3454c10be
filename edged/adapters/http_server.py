"""A small HTTP/1.1 server for the status page, metrics and the local API, over TCP or a Unix socket.

``http.server`` from the standard library, with bounds: so many connections at once, so many seconds and so many
bytes for a request.
"""

from __future__ import annotations

import grp
import logging
import os
import socket
import socketserver
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from ..ports import PortError, Request, Response, Routes

log = logging.getLogger(__name__)

CONNECTIONS = 8
FOLLOWERS = 64
"""Of those, who only wait for the outcome of what they asked for: minutes, while others are let in."""
REQUEST_SECONDS = 10.0
"""For all of a request, however slowly it comes."""
LATE = 30.0
"""Seconds after which an answer that is still being made is logged."""
LONGEST = 300.0
"""Seconds for which every reader may be busy with answers, so that nobody else is let in."""
DRAIN_SECONDS = 2.0
POLL = 0.5
BODY_BYTES = 2**20


class _Answer(Struct):
    """One that is being made."""

    path: str
    since: float
    told: bool = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "edged"
    sys_version = ""
    timeout = REQUEST_SECONDS
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.coming[self.request] = time.monotonic()

    def finish(self) -> None:
        self.server.coming.pop(self.request, None)
        super().finish()

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        self.close_connection = True
        url = urlsplit(self.path)
        route = self.server.routes.get((method, url.path))
        if route is None:
            known = sorted(method for method, path in self.server.routes if path == url.path)
            allow = {"Allow": ", ".join(known + ["HEAD"] * ("GET" in known))} if known else {}
            self._send(Response(405 if known else 404, b'{"error":"there is nothing here"}\n', headers=allow))
            return
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        streamed = method == "PUT"  # whoever takes it has a bound of its own
        if length < 0 or (length > BODY_BYTES and not streamed):
            self._send(Response(413, b'{"error":"the request is too large"}\n'))
            self._drain()
            return
        body = self.rfile.read(length) if length and not streamed else b""
        stream = cast(BinaryIO, self.rfile) if streamed else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(url.path, parse_qs(url.query), body, _peer(self.connection), stream, length, headers)
        self.server.coming.pop(self.request, None)
        answer = self.server.answers[self.request] = _Answer(url.path, time.monotonic())
        try:
            response = route(request)
        except Exception:
            log.exception("a request for %s failed by a mistake in edged", url.path)
            response = Response(500, b'{"error":"internal error, see the log of edged"}\n')
        finally:
            del self.server.answers[self.request]
        if answer.told:
            log.warning("the request for %s was answered after %.0f s", url.path, time.monotonic() - answer.since)
        self._send(response)
        if streamed and response.status != 200:
            self._drain()

    def _drain(self) -> None:
        """Lets the caller finish for a while: one that is cut off in the middle does not get to read why."""
        end = time.monotonic() + DRAIN_SECONDS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(DRAIN_SECONDS)
            while time.monotonic() < end and self.connection.recv(65536):
                pass

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Connection", "close")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in response.headers.items():
            self.send_header(name, value)
        if isinstance(response.body, bytes) and response.status != 304:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if not isinstance(response.body, bytes):
            self.server.make_room(self.request)
        for chunk in (response.body,) if isinstance(response.body, bytes) else response.body:
            self.wfile.write(chunk)
            self.wfile.flush()

    def address_string(self) -> str:
        return "local"

    def log_message(self, *args: Any) -> None:
        log.debug(*args)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 16
    routes: Routes

    def __init__(self, address: Any, family: socket.AddressFamily, routes: Routes) -> None:
        self.address_family = family
        self.routes = routes
        self.coming: dict[socket.socket, float] = {}
        """Connections whose request is not all here, since when."""
        self.answers: dict[socket.socket, _Answer] = {}
        self.last_beat = time.monotonic()
        self.stopping = False
        self._slots, self._followers = threading.BoundedSemaphore(CONNECTIONS), threading.BoundedSemaphore(FOLLOWERS)
        self._held: dict[socket.socket, threading.BoundedSemaphore] = {}
        super().__init__(address, _Handler)

    def service_actions(self) -> None:
        """Between two connections, and twice a second: ends those whose request comes too slowly."""
        self.last_beat = time.monotonic()
        for connection, since in list(self.coming.items()):
            if self.last_beat - since > REQUEST_SECONDS:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        # The others wait in the kernel's queue.
        until = time.monotonic() + REQUEST_SECONDS
        while not self._slots.acquire(timeout=POLL):
            self.service_actions()
            if self.stopping or time.monotonic() >= until:
                self.shutdown_request(request)
                return
        self._held[request] = self._slots
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._held.pop(request).release()

    def make_room(self, request: socket.socket) -> None:
        """Its answer comes in pieces, over minutes: as far as there is room for such, somebody else is let in."""
        if self._held[request] is self._slots and self._followers.acquire(blocking=False):
            self._held[request] = self._followers
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a connection ended early", exc_info=True)


class HttpServer:
    """Bound when it is made (so that a reload can fail before anything is given up), served after ``start``."""

    def __init__(self, server: _Server, name: str, path: Path | None = None) -> None:
        self._server, self._path = server, path
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": POLL}, name=f"edged-{name}", daemon=True
        )

    @classmethod
    def tcp(cls, listen: str, routes: Routes) -> HttpServer:
        """``listen``: ``host:port``. Raises ``PortError`` when the address cannot be had."""
        host, _, port = listen.rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return cls(_Server((host, int(port)), family, routes), "http")
        except OSError as error:
            raise PortError(f"cannot listen on {listen}: {error.strerror or error}") from error

    @classmethod
    def unix(cls, path: Path, routes: Routes, group: str = "edged") -> HttpServer:
        """A socket that its owner and ``group`` (when there is one) may use."""
        try:
            path.unlink(missing_ok=True)
            old = os.umask(0o117)
            try:
                server = _Server(str(path), socket.AF_UNIX, routes)
            finally:
                os.umask(old)
        except OSError as error:
            raise PortError(f"cannot make the socket {path}: {error.strerror or error}") from error
        try:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        except (KeyError, PermissionError):
            log.debug("no group %s for the socket %s", group, path)
        return cls(server, "api", path)

    @property
    def port(self) -> int:
        address = self._server.server_address
        return int(address[1]) if isinstance(address, tuple) else 0

    def start(self) -> None:
        self._server.last_beat = time.monotonic()
        self._thread.start()

    def report_late(self) -> None:
        """Logs each answer that takes far longer than any should, once."""
        now = time.monotonic()
        for answer in list(self._server.answers.values()):
            if not answer.told and now - answer.since > LATE:
                answer.told = True
                log.warning("a request for %s waits for its answer since %.0f s", answer.path, now - answer.since)

    def calls(self) -> list[tuple[str, float, float]]:
        """What would keep everybody out for good: (what, seconds since it began, seconds it may take)."""
        if self._thread.ident is None:
            return []
        now, answers = time.monotonic(), list(self._server.answers.values())
        found = [(f"the thread {self._thread.name}", now - self._server.last_beat, REQUEST_SECONDS + 5.0)]
        if len(answers) >= CONNECTIONS:
            last = max(answers, key=lambda one: one.since)
            found.append((f"every reader of {self._thread.name} ({last.path})", now - last.since, LONGEST))
        return found

    def stop(self) -> None:
        self._server.stopping = True
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _peer(connection: Any) -> str:
    """Who is at the other end: on a Unix socket the kernel knows."""
    if connection.family != socket.AF_UNIX:
        return str(connection.getpeername()[0])
    import pwd
    import struct

    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return f"local:uid={uid}({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"local:uid={uid}"
