"""``edged alerts``: what fires now, and what has fired."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from . import OK, USAGE, Failure
from .client import get, socket_argument
from .power import follow
from .render import plain, state, table
from .status import alert_lines
from .values import duration

TYPES = ("alert.raised", "alert.changed", "alert.cleared", "alert.flapping")


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="ack NAME SUBJECT",
        help="a person takes care of this one, e.g. ack AppDown detector",
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="with ack: what you found, or what you do about it")
    parser.add_argument("--since", metavar="DURATION", help="past ones too, e.g. 7d")
    parser.add_argument("--json", action="store_true")
    socket_argument(parser)
    parser.epilog = (
        "examples: edged alerts --since 24h\n"
        '          edged alerts ack HighMemory detector --note "the vendor sends a fix on Monday"'
    )


def main(args: argparse.Namespace, verb: str) -> int:
    if args.words:
        return _acknowledge(args)
    since = duration(args.since, "--since") if args.since else None
    picture = get(args.socket, "/v1/status")
    past: list[dict[str, Any]] = []
    if since is not None:
        query = "&".join(f"type={t}" for t in TYPES)
        past = get(args.socket, f"/v1/events?since={time.time() - since}&{query}")
    if args.json:
        shown = {"firing": picture["alerts"]}
        print(json.dumps(shown if since is None else shown | {"past": past}, indent=2))
        return OK
    print("\n".join(alert_lines(picture["alerts"], picture["time"])))
    if since is not None:
        rows = [
            [
                e["time"],
                e["type"].removeprefix("dev.edged.alert."),
                state(e["data"].get("severity", "")),
                e["data"]["name"],
                e["subject"],
                plain(e["data"].get("summary", "")),
            ]
            for e in past
        ]
        print("", f"in the last {args.since}", *(table(rows, "  ") or ["  none"]), sep="\n")
    return OK


def _acknowledge(args: argparse.Namespace) -> int:
    match args.words:
        case ["ack", name, subject]:
            return follow(args, "alert.ack", {"name": name, "subject": subject, "note": args.note})
    raise Failure(USAGE, "like this: edged alerts ack NAME SUBJECT [--note TEXT]; edged alerts shows what fires")
