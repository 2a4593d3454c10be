"""What is served over HTTP: for people, Prometheus and probes on TCP; for the command line on the Unix socket."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

import msgspec

from .. import strict_json
from ..audit import Entry, Head, Span, entry_line, span_line
from ..ports import History, PortError, Request, Response, Routes, StorageError, StoredEvent
from ..vocabulary.events import CommandAnswered
from ..vocabulary.facts import CommandReceived, Fact
from . import drift, incidents, past
from .answers import FINAL, Answers
from .limits import limits
from .metrics import Counters, Vitals, render
from .snapshot import Snapshot
from .status import status
from .web.trends import Line

encode = msgspec.json.Encoder(order="deterministic").encode

STALE = 15.0
"""Seconds without a turn of the loop after which edged is not healthy."""
COMMAND_TIMEOUT = 300.0
HISTORY_LIMIT = 1000
LOG_LIMIT = 2000
AUDIT_LIMIT = 1000


class Bundles(Protocol):
    """What is handed over through the socket, since the daemon does not see what its caller sees."""

    def sees(self, path: str) -> dict[str, int]:
        """Device and inode of what is there; empty: nothing that could be read."""

    def take(self, stream: BinaryIO, length: int) -> str:
        """Where it is kept. Raises ``PortError``."""

    def drop(self, path: str) -> bool:
        """Whether there was anything. Raises ``PortError``."""


class Audit(Protocol):
    def audit_head(self) -> Head: ...

    def audit_page(self, after: int, limit: int) -> tuple[Span, list[Entry]]:
        """Raises ``StorageError``."""


class Source(msgspec.Struct, frozen=True):
    """Where the pages get their content."""

    snapshot: Callable[[], Snapshot]
    turned: Callable[[], float]
    """Monotonic time of the loop's last turn."""
    counters: Counters
    vitals: Vitals
    outbox: Callable[[], dict[str, Any]]
    history: Callable[[float, tuple[str, ...], int], list[StoredEvent]]
    log: Callable[[int, float, int], list[StoredEvent]]
    """Events above a sequence number, since a Unix time, so many."""
    now: Callable[[], float]
    post: Callable[[Fact], None]
    answers: Answers
    bundles: Bundles
    audit: Audit
    rollups: History
    line: Callable[[str, str], Line]
    """(subject, metric) -> its last hours, for the status page."""


def public_routes(source: Source) -> Routes:
    """Read-only: status, metrics, liveness."""
    return {
        ("GET", "/"): _status_page(source),
        ("GET", "/metrics"): lambda request: _metrics(source),
        ("GET", "/healthz"): lambda request: _health(source),
        ("GET", "/readyz"): lambda request: _ready(source),
        ("GET", "/status.json"): lambda request: _status(source),
    }


def local_routes(source: Source) -> Routes:
    """The command line's API."""
    return {
        ("GET", "/v1/status"): lambda request: _status(source),
        ("GET", "/v1/drift"): lambda request: _drift(source, request),
        ("GET", "/v1/events"): lambda request: _events(source, request),
        ("GET", "/v1/limits"): lambda request: _json(limits(source.snapshot())),
        ("GET", "/v1/log"): lambda request: _log(source, request),
        ("GET", "/v1/rollups"): lambda request: past.rollups(source.rollups, request),
        ("GET", "/v1/incidents"): lambda request: _incidents(source, request),
        ("GET", "/v1/audit"): lambda request: _audit(source, request),
        ("POST", "/v1/commands"): lambda request: _command(source, request),
        ("GET", "/v1/bundles"): lambda request: _json(source.bundles.sees(_path(request))),
        ("PUT", "/v1/bundles"): lambda request: _take(source, request),
        ("DELETE", "/v1/bundles"): lambda request: _drop(source, request),
    }


def _json(content: Any, code: int = 200) -> Response:
    return Response(code, encode(content) + b"\n")


def _status(source: Source) -> Response:
    return _json(status(source.snapshot(), source.outbox(), source.audit.audit_head()))


def _metrics(source: Source) -> Response:
    page = render(source.snapshot(), source.counters, source.vitals)
    return Response(200, page, "text/plain; version=0.0.4; charset=utf-8")


def _health(source: Source) -> Response:
    """Is edged itself alive? Says nothing of the apps."""
    silent = time.monotonic() - source.turned()
    if silent > STALE:
        return _json({"status": "stuck", "reason": f"no turn of the loop for {silent:.0f} s"}, 503)
    return _json({"status": "ok"})


def _ready(source: Source) -> Response:
    """Does edged see and may it act?"""
    state = source.snapshot().state
    if state.stopping:
        return _json({"status": "stopping"}, 503)
    if not state.engine.up:
        return _json(
            {"status": "waiting", "reason": state.engine.error or "the container engine was not seen yet"}, 503
        )
    return _json({"status": "ready"})


def _status_page(source: Source) -> Callable[[Request], Response]:
    """Its parts are imported when somebody looks at it: most devices are only looked at from afar."""
    made: list[Callable[[Request], Response]] = []

    def answer(request: Request) -> Response:
        if not made:
            from .web.serve import StatusPage

            page = StatusPage(
                source.snapshot,
                lambda shot: status(shot, source.outbox(), source.audit.audit_head()),
                source.line,
                source.history,
                lambda: silent if (silent := time.monotonic() - source.turned()) > STALE else 0.0,
            )
            made.append(page.respond)
        return made[0](request)

    return answer


def _events(source: Source, request: Request) -> Response:
    """Past events: ``since`` (Unix time), ``type`` (repeatable)."""
    try:
        since = float(request.query.get("since", ["0"])[0])
    except ValueError:
        return _json({"error": "since must be a Unix time"}, 400)
    try:
        rows = source.history(since, tuple(request.query.get("type", ())), HISTORY_LIMIT)
    except StorageError as error:
        return _json({"error": str(error)}, 503)
    return Response(200, b"[" + b",".join(row.payload for row in rows) + b"]\n")


def _log(source: Source, request: Request) -> Response:
    """Events and answers to commands with numbers above ``after``, since ``since`` (Unix time), one a line."""
    try:
        after, since = int(request.query.get("after", ["0"])[0]), float(request.query.get("since", ["0"])[0])
        if not 0 <= after < 2**63:
            raise ValueError
    except ValueError:
        return _json({"error": "after must be a sequence number and since a Unix time"}, 400)
    try:
        rows = source.log(after, since, LOG_LIMIT)
    except StorageError as error:
        return _json({"error": str(error)}, 503)
    return Response(200, b"".join(row.payload + b"\n" for row in rows), "application/x-ndjson")


def _incidents(source: Source, request: Request) -> Response:
    try:
        return _json(*incidents.answer(source.snapshot(), request.query, source.history))
    except StorageError as error:
        return _json({"error": str(error)}, 503)


def _audit(source: Source, request: Request) -> Response:
    """``limit`` records of the audit with numbers above ``after``, one a line, after a line that tells its bounds."""
    try:
        after, limit = (int(request.query.get(name, ["0"])[0]) for name in ("after", "limit"))
        if not (0 <= after < 2**63 and 0 <= limit <= AUDIT_LIMIT):
            raise ValueError
    except ValueError:
        return _json({"error": f"after must be a record's number, and limit at most {AUDIT_LIMIT}"}, 400)
    try:
        span, entries = source.audit.audit_page(after, limit)
    except StorageError as error:
        return _json({"error": str(error)}, 503)
    lines = (span_line(span), *map(entry_line, entries))
    return Response(200, b"\n".join(lines) + b"\n", "application/x-ndjson")


def _drift(source: Source, request: Request) -> Response:
    name = request.query.get("app", [""])[0]
    shot = source.snapshot()
    if name not in shot.state.apps:
        known = ", ".join(sorted(shot.state.apps)) or "none"
        return _json({"error": f"there is no app {name}; apps here: {known}"}, 404)
    told = drift.report(shot, name)
    if told is None:
        return _json({"error": f"the configuration of {name} has no `drift:`, so its inputs are not watched"}, 404)
    return _json(told)


def _path(request: Request) -> str:
    return request.query.get("path", [""])[0]


def _take(source: Source, request: Request) -> Response:
    """Keeps a bundle until it is deployed; answers with the path to deploy it from."""
    if request.stream is None:
        return _json({"error": "there is no bundle in the request"}, 400)
    try:
        return _json({"path": source.bundles.take(request.stream, request.length)})
    except PortError as error:
        return _json({"error": str(error)}, 507 if isinstance(error, StorageError) else 400)


def _drop(source: Source, request: Request) -> Response:
    try:
        return _json({"dropped": source.bundles.drop(_path(request))})
    except PortError as error:
        return _json({"error": str(error)}, 503)


class CommandRequest(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    args: dict[str, Any] = {}


def _command(source: Source, request: Request) -> Response:
    """Hands a command to the loop and streams its answers, one JSON object per line."""
    try:
        wanted = msgspec.json.decode(request.body, type=CommandRequest)
        strict_json.check(request.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _json({"error": f"not a command: {error}"}, 400)
    command_id = str(uuid.uuid4())
    source.answers.expect(command_id)
    source.post(
        CommandReceived(at=source.now(), id=command_id, type=wanted.type, args=wanted.args, origin=request.peer)
    )
    return Response(200, _follow(source, command_id), "application/x-ndjson")


def _follow(source: Source, command_id: str) -> Iterator[bytes]:
    last: CommandAnswered | None = None
    for last in source.answers.follow(command_id, COMMAND_TIMEOUT):
        yield encode(_answer(last)) + b"\n"
    if last is None or last.status not in FINAL:
        late = {
            "id": command_id,
            "status": "failed",
            "reason": "timeout",
            "message": f"no result within {COMMAND_TIMEOUT:.0f} s; edged status shows how it stands",
        }
        yield encode(late) + b"\n"


def _answer(event: CommandAnswered) -> dict[str, Any]:
    return {
        "id": event.id,
        "command": event.command,
        "app": event.subject,
        "status": event.status,
        "reason": event.reason,
        "message": event.message,
        "result": event.result,
    }
