"""``edged report``: the weekly check and the monthly review."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from . import FAILED, OK, REFUSED, UNREACHABLE, USAGE, Failure
from .client import command, get, request, socket_argument
from .values import duration

FORMATS = ("text", "json", "html", "markdown")
LONGEST = 366 * 86400.0
MINUTES_BACK = 8 * 86400.0
"""Seconds for which minutes are kept: advice for a month is made from its last days."""
BRIEF = 6 * 3600.0
"""Seconds up to which a review is made from minutes: hours at its edges would tell of other times."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("--since", default="7d", metavar="TIME", help="how far back (default 7d; 30d for the month)")
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("-o", "--output", metavar="FILE", help="into this file, and the verdict to the terminal")
    parser.add_argument(
        "--publish", action="store_true", help="have the daemon tell the verdict as an event, over MQTT too"
    )
    socket_argument(parser)
    parser.epilog = (
        "examples: edged report\n"
        "          edged report --since 30d --format html -o review.html\n"
        "exit code: 0 nothing needs attention, 1 something does; 1 with nothing on standard output: it could not be\n"
        "made or written, and standard error says why; 3 or 4 with --publish: the daemon did not tell the verdict"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    from ..review.build import review
    from ..review.document import document

    since = duration(args.since, "--since")
    if not 60.0 <= since <= LONGEST:
        raise Failure(USAGE, "--since must be within 1m and 366d")
    _first_to_go()
    made = review(gather(args.socket, since))
    page = document(made)
    if args.output is None:
        print(rendered(args.format, made, page), end="")
    else:
        _write(Path(args.output), rendered(args.format, made, page))
        print(f"{'OK' if made['verdict'] == 'ok' else 'ATTENTION'}: {page.lead}; all of it is in {args.output}")
    if args.publish:
        publish(args.socket, made)
    return OK if made["verdict"] == "ok" else FAILED


def gather(socket: str | None, seconds: float) -> Any:
    """Asks the daemon for all that a review is made from. Raises ``Failure``."""
    from ..ports.history import HOUR, MINUTE, Series
    from ..review.advising import limit
    from ..review.material import Material, told

    status = get(socket, "/v1/status")
    until = time.time()
    since = until - seconds
    states = {name: app["state"] for name, app in status["apps"].items()}

    def series(step: int, path: str = "", begin: float = since) -> tuple[Series, ...]:
        body = b"".join(request(socket, "GET", f"/v1/rollups?since={begin - step}&step={step}{path}"))
        return tuple(msgspec.json.decode(body, type=list[Series]))

    told_limits = get(socket, "/v1/limits")
    advisable = tuple(limit(one) for one in told_limits["advisable"])
    try:
        happened = told(events(socket, since), since, until, states)
        # Minutes are many, and of use only where an alert fired.
        fired = {(one.name, one.subject) for one in happened.firings}
        minutes: list[Series] = []
        for one in advisable:
            if (one.alert, one.subject) in fired:
                path = f"&subject={quote(one.subject, safe='')}&metric={one.metric}"
                minutes += series(MINUTE, path, max(since, until - MINUTES_BACK))
        return Material(
            since=since,
            until=until,
            status=status,
            told=happened,
            hours=series(MINUTE if seconds <= BRIEF else HOUR),
            minutes=tuple(minutes),
            incidents=get(socket, f"/v1/incidents?since={since}"),
            audit=audit(socket),
            limits=told_limits["in_force"],
            advisable=advisable,
            oldest=oldest(socket),
        )
    except ValueError as error:
        raise Failure(FAILED, f"the daemon's answer cannot be read: {error}") from None


def events(socket: str | None, since: float) -> Iterator[bytes]:
    """Every event since then, in pages."""
    after = 0
    while True:
        line = b""
        for line in request(socket, "GET", f"/v1/log?after={after}&since={since}"):
            yield line
        if not line:
            return
        after = int(msgspec.json.decode(line)["sequence"])


def oldest(socket: str | None) -> tuple[int, str] | None:
    """Number and time of the oldest event that the daemon keeps."""
    line, *_ = [*request(socket, "GET", "/v1/log?after=0&since=0"), b""]
    if not line:
        return None
    found = msgspec.json.decode(line)
    return int(found["sequence"]), str(found["time"])


def audit(socket: str | None) -> dict[str, Any]:
    from ..audit import Span, parse_line, verify
    from .audit import PAGE

    def parts() -> Iterator[Any]:
        after = 0
        while True:
            count = 0
            for line in request(socket, "GET", f"/v1/audit?after={after}&limit={PAGE}"):
                part = parse_line(line)
                yield part
                if not isinstance(part, Span):
                    after, count = part.number, count + 1
            if count < PAGE:
                return

    verdict = verify(parts())
    return {
        "ok": verdict.ok,
        "records": verdict.count,
        "head": verdict.head.short,
        "faults": [f"record {fault.number}: {fault.what}" for fault in verdict.faults[:5]],
    }


def rendered(kind: str, made: dict[str, Any], page: Any) -> str:
    if kind == "json":
        return msgspec.json.format(msgspec.json.encode(made), indent=2).decode() + "\n"
    if kind == "html":
        from ..review.html import html

        return html(page)
    from ..review.plain import markdown, text

    return markdown(page) if kind == "markdown" else text(page)


def publish(socket: str | None, made: dict[str, Any]) -> None:
    told = {
        "verdict": made["verdict"],
        "seconds": float(made["seconds"]),
        "findings": [f"{one['subject']}: {one['text']}"[:300] for one in made["findings"]][:20],
    }
    answers = list(command(socket, "report.tell", told))
    if not answers or answers[-1]["status"] != "succeeded":
        why = answers[-1]["message"] if answers else "no answer"
        # Never 1, which is a verdict.
        code = REFUSED if answers and answers[-1]["status"] == "rejected" else UNREACHABLE
        raise Failure(code, f"the verdict was not told: {why}")
    print("the daemon tells it", file=sys.stderr)


def _first_to_go() -> None:
    """When memory is short: a report can be made again."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _write(path: Path, text: str) -> None:
    from ..adapters.atomic import write_atomic

    try:
        write_atomic(path, text.encode(), 0o640)
    except OSError as error:
        raise Failure(FAILED, f"cannot write {path}: {error.strerror or error}") from None
