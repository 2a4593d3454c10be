"""``edged reload``: the configuration file anew, with the outcome as exit code."""

from __future__ import annotations

import argparse

from .client import socket_argument
from .power import follow


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("--json", action="store_true", help="each answer as a line of JSON")
    socket_argument(parser)
    parser.epilog = (
        "example: edged check && edged reload\n\n"
        "as systemctl reload edged, but says what was wrong: a bad file changes nothing, exit code 1"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    return follow(args, "edged.reload", {})
