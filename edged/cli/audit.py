"""``edged audit``: who wanted what of this device, and whether that account was tampered with."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ..audit import Entry, Head, Span, Verdict, content, entry_line, parse_head, parse_line, span_line, verify
from . import FAILED, OK, UNREACHABLE, USAGE, Failure
from .audit_text import row
from .client import find_socket, request, socket_argument
from .render import table
from .values import duration

PAGE = 1000
Page = Callable[[int, int], tuple[Span, list[Entry]]]


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="show|verify|export")
    show = actions.add_parser("show", help="the records, oldest first")
    show.add_argument("--since", metavar="DURATION", help="only those of the last 7d, 12h …")
    show.add_argument("--limit", type=int, metavar="N", help="the newest N (default 50, with --since all)")
    show.add_argument("--json", action="store_true", help="as a JSON array")
    check = actions.add_parser("verify", help="check the chain of hashes; exit code 1: it is broken")
    check.add_argument("file", nargs="?", type=Path, help="an export; without it the audit of this device")
    check.add_argument(
        "--head", action="append", default=[], metavar="NUMBER:HASH", help="one that was noted elsewhere"
    )
    check.add_argument(
        "--from", dest="first", type=int, default=0, metavar="N", help="begin at record N, taking it for true"
    )
    check.add_argument("--json", action="store_true")
    export = actions.add_parser("export", help="all records with their hashes, one JSON object a line")
    export.add_argument("-o", dest="output", type=Path, metavar="FILE", help="instead of standard output")
    for action, example in (
        (show, "edged audit show --since 7d"),
        (check, "edged audit verify --head 123:5f2a…   (from edged status, noted last week)"),
        (export, "edged audit export -o audit.ndjson && edged audit verify audit.ndjson"),
    ):
        action.epilog = f"example: {example}"
        action.add_argument("--db", type=Path, metavar="FILE", help="read this edged.db, and ask no daemon")
        socket_argument(action)
    parser.epilog = (
        "example: edged audit verify\n\n"
        "exit code 0: the chain is whole, 1: it is broken, 4: no daemon answers and no database can be read"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    if args.action == "verify":
        return _verify(args)
    page = _source(args)
    return _export(args, page) if args.action == "export" else _show(args, page)


# Where the records come from


def _source(args: argparse.Namespace) -> Page:
    """The daemon; when it does not answer, its database, if that may be read."""
    if args.db is not None:
        return _database(args.db)

    def ask(after: int, limit: int) -> tuple[Span, list[Entry]]:
        return _parsed(request(args.socket, "GET", f"/v1/audit?after={after}&limit={limit}"))

    try:
        ask(0, 0)
    except Failure as failure:
        if failure.code != UNREACHABLE:
            raise
        path = _beside(args.socket)
        if not os.access(path, os.R_OK):
            raise Failure(
                UNREACHABLE, f"{failure}; nor can its database be read at {path} (--db FILE names it)"
            ) from None
        print(f"no daemon answers: reading {path}", file=sys.stderr)
        return _database(path)
    return ask


def _beside(given: str | None) -> Path:
    usual = Path("/var/lib/edged/edged.db")
    try:
        socket = find_socket(given)
    except Failure:
        return usual
    return usual if socket.parent == Path("/run/edged") else socket.with_name("edged.db")


def _database(path: Path) -> Page:
    from ..adapters.storage.audit import read_stopped
    from ..ports import StorageError

    if not path.exists():
        raise Failure(UNREACHABLE, f"there is no database {path}")

    def read(after: int, limit: int) -> tuple[Span, list[Entry]]:
        try:
            return read_stopped(path, after, limit)
        except StorageError as error:
            raise Failure(UNREACHABLE, str(error)) from None

    return read


def _parsed(lines: Iterator[bytes]) -> tuple[Span, list[Entry]]:
    """What ``GET /v1/audit`` and an export say. Raises ``Failure``."""
    span: Span | None = None
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            part = parse_line(line)
        except ValueError as error:
            raise Failure(FAILED, f"line {number}: {error}") from None
        if isinstance(part, Span) != (number == 1):
            raise Failure(FAILED, f"line {number}: an export has its bounds in the first line, and only there")
        if isinstance(part, Span):
            span = part
        else:
            entries.append(part)
    if span is None:
        raise Failure(FAILED, "it is empty: not even the first line of an audit is there")
    return span, entries


def _parts(page: Page, after: int = 0) -> Iterator[Span | Entry]:
    while True:
        span, entries = page(after, PAGE)
        yield span
        yield from entries
        if len(entries) < PAGE:
            return
        after = entries[-1].number


# What is done with them


def _show(args: argparse.Namespace, page: Page) -> int:
    since = time.time() - duration(args.since, "--since") if args.since else None
    if args.limit is not None and args.limit < 1:
        raise Failure(USAGE, "--limit must be 1 or more")
    limit = args.limit or (50 if since is None else None)
    after = max(0, page(0, 0)[0].head.number - limit) if limit else 0
    entries = [part for part in _parts(page, after) if isinstance(part, Entry)]
    records = [{"number": entry.number, "hash": entry.hash.hex()} | content(entry) for entry in entries]
    if since is not None:
        records = [record for record in records if _moment(record) >= since]
    if args.json:
        print(json.dumps(records, indent=2))
        return OK
    print(
        "\n".join(
            table([["RECORD", "TIME", "WHAT", "WHO", "ABOUT"], *map(row, records)]) if records else ["no records"]
        )
    )
    return OK


def _moment(record: dict[str, Any]) -> float:
    """Unix time; of what cannot be read: the end of all time, so that it is shown."""
    try:
        return datetime.fromisoformat(str(record.get("time"))).timestamp()
    except ValueError:
        return float("inf")


def _export(args: argparse.Namespace, page: Page) -> int:
    parts = list(_parts(page))
    spans = [part for part in parts if isinstance(part, Span)]
    entries = [part for part in parts if isinstance(part, Entry)]
    lines = (span_line(Span(spans[0].anchor, spans[-1].head)), *map(entry_line, entries))
    data = b"\n".join(lines) + b"\n"
    if args.output is None:
        sys.stdout.buffer.write(data)
        return OK
    try:
        args.output.write_bytes(data)
    except OSError as error:
        raise Failure(FAILED, f"{args.output}: {error.strerror or error}") from None
    print(f"{len(entries)} records up to {spans[-1].head} are in {args.output}")
    return OK


def _verify(args: argparse.Namespace) -> int:
    try:
        noted = [parse_head(text) for text in args.head]
    except ValueError as error:
        raise Failure(USAGE, str(error)) from None
    verdict = verify(_read_export(args.file) if args.file is not None else _parts(_source(args)), noted, args.first)
    if args.json:
        print(json.dumps(_summary(verdict), indent=2))
    else:
        print("\n".join(_told(verdict, noted, args.first)))
    return OK if verdict.ok else FAILED


def _read_export(path: Path) -> Iterator[Span | Entry]:
    try:
        with path.open("rb") as file:
            span, entries = _parsed(file)
    except OSError as error:
        raise Failure(USAGE, f"{path}: {error.strerror or error}") from None
    yield span
    yield from entries


def _summary(verdict: Verdict) -> dict[str, Any]:
    return {
        "ok": verdict.ok,
        "first": verdict.first,
        "last": verdict.last,
        "records": verdict.count,
        "removed_by_age": verdict.removed,
        "head": str(verdict.head),
        "faults": [{"record": fault.number, "what": fault.what} for fault in verdict.faults],
    }


def _told(verdict: Verdict, noted: list[Head], first: int) -> list[str]:
    lines = []
    if verdict.removed and first <= verdict.removed:
        lines.append(f"records 1 to {verdict.removed} were removed by age; the chain was checked from there")
    if not verdict.ok:
        lines += [f"BROKEN at record {fault.number}: {fault.what}" for fault in verdict.faults]
        lines.append(
            "what was exported or noted elsewhere before tells what it was; edged audit export keeps this state"
        )
        return lines
    lines.append(f"the chain is whole: {verdict.count} records, head {verdict.head}")
    if noted:
        lines.append(f"it holds what was noted: {', '.join(head.short for head in noted)}")
    else:
        lines.append("note that head elsewhere: with --head it shows later whether somebody made the whole chain anew")
    return lines
