"""``edged isolate APP [--undo]``."""

from __future__ import annotations

import argparse

from .client import socket_argument
from .power import follow


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("app")
    parser.add_argument("--undo", action="store_true", help="connect it to its networks again")
    parser.add_argument("--json", action="store_true", help="each answer as a line of JSON")
    socket_argument(parser)
    parser.epilog = (
        "example: edged isolate detector\n\n"
        "its evidence is kept, then it is cut off from every network while it runs on; it stays so over restarts, and\n"
        "edged does not restart it, until edged isolate detector --undo"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    return follow(args, "isolate", {"app": args.app, "undo": args.undo})
