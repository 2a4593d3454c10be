"""``edged check``: every error of a configuration at once."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import OK, USAGE, values

if TYPE_CHECKING:
    from ..config.problem import Problem


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "-c", "--config", metavar="FILE", default=str(values.DEFAULT), help=f"default: {values.DEFAULT}"
    )
    parser.add_argument("--json", action="store_true", help="errors and warnings as JSON")
    parser.epilog = "example: edged check -c /etc/edged/edged.yaml && systemctl reload edged"


def main(args: argparse.Namespace, verb: str) -> int:
    from ..config.load import check_files, load
    from ..config.problem import ConfigError, render

    path = Path(args.config)
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    summary = ""
    try:
        loaded = load(path, values.environment())
    except ConfigError as error:
        errors = error.errors
    else:
        # Of a secret that only the service gets, nobody else can say for sure that it will not be there.
        secret = {one.key for one in loaded.files if Path(one.path).parent == values.CREDSTORE}
        unreadable = check_files(loaded)
        errors = (*(one for one in unreadable if one.key not in secret), *_trust(loaded.config.commands.trust))
        warnings = (*loaded.warnings, *(one for one in unreadable if one.key in secret))
        config = loaded.config
        apps = f"{len(config.apps)} app{'' if len(config.apps) == 1 else 's'}"
        summary = f"{path} is in order: device {config.device.id}, {apps}, {loaded.digest[:19]}"
    if args.json:
        shown = {"ok": not errors, "errors": [_fields(p) for p in errors], "warnings": [_fields(p) for p in warnings]}
        print(json.dumps(shown, indent=2))
        return USAGE if errors else OK
    if warnings:
        print("warnings:", render(warnings), sep="\n", file=sys.stderr)
    if errors:
        print(render(errors), file=sys.stderr)
        print(f"edged check: {len(errors)} error{'s' if len(errors) != 1 else ''} in {path}", file=sys.stderr)
        return USAGE
    print(summary)
    return OK


def _trust(file: str) -> tuple[Problem, ...]:
    """What is wrong with the trust file; that it cannot be read at all is told with the other files."""
    from ..bundles.trust import load
    from ..config.problem import ConfigError

    try:
        if file and os.access(file, os.R_OK):
            load(Path(file))
    except ConfigError as error:
        return error.errors
    return ()


def _fields(problem: object) -> dict[str, object]:
    return {name: getattr(problem, name) for name in ("file", "line", "column", "key", "value", "reason", "hint")}
