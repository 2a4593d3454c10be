"""``edged data APP ls|backup|restore [WHICH]``."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from . import OK, USAGE, Failure
from .client import get, socket_argument
from .evidence import piece_together
from .power import follow


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("app")
    parser.add_argument(
        "do", choices=("ls", "backup", "restore"), help="what to do (default ls)", nargs="?", default="ls"
    )
    parser.add_argument("which", nargs="?", help="a backup's name, as ls shows it; default: the newest good one")
    parser.add_argument("--json", action="store_true", help="as JSON; each answer as a line of it")
    socket_argument(parser)
    parser.epilog = (
        "example: edged data historian restore backup-000012-20261121T031500Z\n\n"
        "restore stops the app, keeps what it has aside (ls shows it, and restore takes it back), puts the backup in\n"
        "place, and starts the app again. A backup that is damaged, or that the app's `data.verify` finds bad, is\n"
        "never restored."
    )


def main(args: argparse.Namespace, verb: str) -> int:
    if args.which is not None and args.do != "restore":
        raise Failure(USAGE, f"{args.do} takes no name")
    if args.do == "backup":
        return follow(args, "data.backup", {"app": args.app})
    if args.do == "restore":
        return follow(args, "data.restore", {"app": args.app} | ({} if args.which is None else {"which": args.which}))
    found: list[dict[str, Any]] = piece_together(args.socket, "data.list", {"app": args.app})
    if args.json:
        print(json.dumps(found, indent=2))
        return OK
    for one in found:
        print(_line(one))
    if not found:
        watched = get(args.socket, "/v1/status")["apps"].get(args.app, {}).get("data") is not None
        print(
            f"no backup of {args.app} is kept; edged data {args.app} backup makes one"
            if watched
            else f"the configuration of {args.app} has no `data:`, so nothing of it is backed up"
        )
    return OK


def _line(one: dict[str, Any]) -> str:
    made = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(one["at"]))
    state = f"DAMAGED: {one['damaged']}" if one["damaged"] else _good(one)
    return f"{one['name']:<32} {made}  {_size(one['bytes']):>9}  {one['entries']:>6} files  {state}"


def _good(one: dict[str, Any]) -> str:
    if one["aside"]:
        return "kept aside before a restore"
    return f"verified {one['verified']}" if one["verified"] else "whole; not verified by the app"


def _size(size: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GiB"
