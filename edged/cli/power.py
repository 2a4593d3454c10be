"""``edged restart|start|stop APP``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from . import FAILED, OK, REFUSED, UNREACHABLE, Failure
from .client import command, socket_argument
from .render import plain


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("app")
    parser.add_argument("--json", action="store_true", help="each answer as a line of JSON")
    socket_argument(parser)
    parser.epilog = f"example: edged {verb} detector\n\nwaits for the verified result; spends none of the app's budget"


def main(args: argparse.Namespace, verb: str) -> int:
    return follow(args, verb, {"app": args.app})


def follow(args: argparse.Namespace, command_type: str, arguments_: dict[str, Any]) -> int:
    """Prints the answers of a command as they come and returns the exit code of the last."""
    answer: dict[str, Any] = {}
    try:
        for answer in command(args.socket, command_type, arguments_):
            if args.json:
                print(json.dumps(answer), flush=True)
                continue
            code = f" [{answer['reason']}]" if answer["reason"] else ""
            print(plain(f"{answer['status']}{code}: {answer['message']}"), flush=True)
    except Failure:
        if not answer:
            raise
    if not answer:
        raise Failure(UNREACHABLE, "edged ended before it said anything; edged audit show tells whether it was begun")
    if answer["status"] in ("accepted", "running"):
        raise Failure(UNREACHABLE, "edged ended; the result comes when it is back, and edged audit show tells it")
    return {"succeeded": OK, "rejected": REFUSED}.get(answer["status"], FAILED)
