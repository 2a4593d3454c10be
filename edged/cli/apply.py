"""``edged apply FILE``: another configuration for edged itself, kept only if it proves itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import USAGE, Failure
from .client import socket_argument
from .power import follow
from .values import duration


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("file", metavar="FILE", help="the whole new configuration")
    parser.add_argument(
        "--hold", default="60s", metavar="DURATION", help="how long it has to prove itself, up to 4m (default: 60s)"
    )
    parser.add_argument("--json", action="store_true", help="each answer as a line of JSON")
    socket_argument(parser)
    parser.epilog = (
        "example: edged apply new.yaml --hold 30s\n\n"
        "Checked first; a bad one changes nothing. Then it is in force, and kept if, when the time is over, edged is\n"
        "well and reaches its engine and its broker as before; else, or if edged ends meanwhile, the one before is in\n"
        "force again. What is kept lies in <state>/applied.yaml, for the daemon may not write below /etc: it\n"
        "counts until somebody changes the file in /etc. Files it names are found as from there.\n\n"
        "exit code 0 kept, 1 refused or taken back, 3 not even tried"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    hold = duration(args.hold, "--hold")
    from ..judge.commands.own_config import LARGEST

    try:
        with Path(args.file).open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode()
    except OSError as error:
        raise Failure(USAGE, f"{args.file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Failure(USAGE, f"{args.file} is not text in UTF-8") from None
    if len(data) > LARGEST:
        raise Failure(USAGE, f"{args.file} is larger than {LARGEST // 1024}KiB")
    return follow(args, "edged.config.deploy", {"config": text, "hold": hold})
