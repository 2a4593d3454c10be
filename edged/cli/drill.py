"""``edged drill APP KIND``: a failure on purpose; ``edged drill``: what came of past ones."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from ..vocabulary.drills import KINDS
from . import FAILED, OK, UNREACHABLE, USAGE, Failure
from .client import get, socket_argument
from .power import follow
from .values import duration

AWAY = 60.0
"""Seconds for which edged itself may be away meanwhile: the next run undoes the drill, and says so."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("app", nargs="?", help="none: list past drills")
    parser.add_argument("kind", nargs="?", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--since", default="35d", metavar="TIME", help="how far back the list goes (default 35d)")
    parser.add_argument("--json", action="store_true", help="each answer, or past drill, as a line of JSON")
    socket_argument(parser)
    parser.usage = "edged drill [options] [APP KIND]"
    parser.epilog = (
        "example: edged drill detector kill\n\n"
        "kill: its main process is killed. hang: it is stopped (SIGSTOP), and its health check must notice. oom: its\n"
        "memory limit is lowered until the kernel kills. unhealthy: the answers of its health check are taken for bad\n"
        "ones. bad-model: its model with wrong answers is deployed, and must be refused. The app is away until it is\n"
        "recovered, except with bad-model. Whatever is left of it is undone. Spends no budget.\n\n"
        "exit code 0 noticed and mended, 1 not, 3 refused: the app is not healthy, in maintenance, being deployed to …"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    if args.app is None:
        return _past(args)
    if args.kind is None:
        raise Failure(USAGE, f"say what is to happen to {args.app}: {', '.join(KINDS)}")
    since = time.time() - 1.0
    get(args.socket, f"/v1/events?since={since}&type=drill.ended")  # an edged that is not there is not waited for
    try:
        return follow(args, "drill.run", {"app": args.app, "kind": args.kind})
    except Failure as failure:
        if failure.code != UNREACHABLE:
            raise
        return _later(args, since, failure)


def _later(args: argparse.Namespace, since: float, cause: Failure) -> int:
    """The answers broke off: edged was restarted, or the drill takes longer than anybody is kept on the line."""
    deadline = time.monotonic() + AWAY
    while True:
        try:
            events = get(args.socket, f"/v1/events?since={since}&type=drill.started&type=drill.ended")
        except Failure:
            events = []
        mine = [e for e in events if (e["subject"], e["data"]["kind"]) == (args.app, args.kind)]
        if mine and mine[-1]["type"].endswith("drill.ended"):
            print(json.dumps(mine[-1]) if args.json else line(mine[-1]), flush=True)
            return OK if mine[-1]["data"]["ok"] else FAILED
        if mine:
            deadline = time.monotonic() + AWAY
        elif time.monotonic() > deadline:
            raise cause
        time.sleep(0.5)


def _past(args: argparse.Namespace) -> int:
    since = time.time() - duration(args.since, "--since")
    events = get(args.socket, f"/v1/events?since={since}&type=drill.ended")
    for event in events:
        print(json.dumps(event) if args.json else line(event))
    if not events and not args.json:
        print(f"no drills within {args.since}")
    return OK


def line(event: dict[str, Any]) -> str:
    """One past drill for people."""
    data = event["data"]
    detection, recovery = data["detection_seconds"], data["recovery_seconds"]
    if data["ok"]:
        told = f"noticed after {detection:.2f} s, well again after {recovery:.2f} s"
    else:
        told = f"FAILED [{data['code']}]: {data['reason']}"
    return f"{event['time'][:19]}Z  {event['subject']:<16} {data['kind']:<10} {told}  ({data['origin']})"
