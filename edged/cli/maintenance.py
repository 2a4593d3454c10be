"""``edged maintenance APP on --for 2h --why TEXT | off``."""

from __future__ import annotations

import argparse

from . import USAGE, Failure
from .client import socket_argument
from .power import follow
from .values import duration


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("app")
    parser.add_argument("mode", choices=["on", "off"])
    parser.add_argument("--for", dest="duration", metavar="DURATION", help="how long, e.g. 2h (with on)")
    parser.add_argument("--why", default="", metavar="TEXT", help="shown to whoever wonders why nothing happens")
    parser.add_argument("--json", action="store_true")
    socket_argument(parser)
    parser.epilog = 'example: edged maintenance detector on --for 2h --why "new camera is being mounted"'


def main(args: argparse.Namespace, verb: str) -> int:
    seconds = 0.0
    if args.mode == "on":
        if not args.duration or not args.why:
            raise Failure(USAGE, "maintenance needs an end and a reason: --for 2h --why TEXT")
        seconds = duration(args.duration, "--for")
    wanted = {"app": args.app, "on": args.mode == "on", "seconds": seconds, "why": args.why}
    return follow(args, "maintenance.set", wanted)
