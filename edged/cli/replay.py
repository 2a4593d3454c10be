"""``edged replay``: the flight recorder's facts, judged once more. Reads files; the daemon is not asked."""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from ..adapters.flight_files import FOLDER, contents
from ..flight.replay import Count, replay
from . import FAILED, OK, USAGE, Failure
from .replay_text import comparison_lines, decision_lines, verdict_lines
from .values import duration, environment

EXAMPLES = """examples:
  edged replay --since 24h                 every decision of the last day, and whether it would be the same
  edged replay --since 24h -c new.yaml     which alerts and restarts another configuration would add or spare
  edged replay recording/ --json           a recording of another device, copied here"""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="a segment (*.flight), or a folder of them")
    parser.add_argument("--since", default="24h", metavar="TIME", help="of this device's own recording (default 24h)")
    parser.add_argument("-c", "--config", metavar="NEW.yaml", help="judge with this configuration, and compare")
    parser.add_argument("--state", metavar="DIR", help="state folder of this device (default: as configured)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.epilog = EXAMPLES


def main(args: argparse.Namespace, verb: str) -> int:
    gc.disable()  # nothing here makes cycles, and there are a great many small objects
    try:
        return _main(args)
    finally:
        gc.enable()


def _main(args: argparse.Namespace) -> int:
    since = 0.0 if args.file else time.time() - duration(args.since, "--since")
    where, files = _files(args)
    count, begun = Count(), time.perf_counter()
    if args.config:
        return _other(args, where, _newer(files, since), count, since)
    decided: list[dict[str, Any]] = []
    for one in replay(_newer(files, since), count, since):
        if args.json:
            decided.append(msgspec.to_builtins(one))
            continue
        for line in decision_lines(one):
            print(line)
    _check(args, count, where)
    same = not count.differing
    if args.json:
        print(json.dumps({"same": same, "decided": decided, **msgspec.to_builtins(count)}, indent=2))
    else:
        for line in verdict_lines(count, time.perf_counter() - begun):
            print(line)
    return OK if same else FAILED


def _other(args: argparse.Namespace, where: Path, files: list[tuple[str, bytes]], count: Count, since: float) -> int:
    from ..config.load import load
    from ..config.problem import ConfigError, render
    from ..flight.whatif import compare

    try:
        loaded = load(Path(args.config), environment())
    except ConfigError as error:
        raise Failure(USAGE, "the configuration is not in order:\n" + render(error.errors)) from error
    outcome = compare(files, loaded.config, loaded.digest, count, since)
    _check(args, count, where)
    if args.json:
        print(json.dumps({**msgspec.to_builtins(outcome), **msgspec.to_builtins(count)}, indent=2))
        return OK
    for line in comparison_lines(outcome, count):
        print(line)
    return OK


def _check(args: argparse.Namespace, count: Count, where: Path) -> None:
    if not count.facts:
        notes = "".join(f"\n  {note}" for note in count.notes)
        late = "" if args.file else "; without a service manager the last half hour is written when edged ends"
        raise Failure(FAILED, f"{where} has no recording of that time{late}{notes}")


def _files(args: argparse.Namespace) -> tuple[Path, list[tuple[str, bytes]]]:
    where = Path(args.file) if args.file else _state_folder(args.state) / FOLDER
    try:
        if where.is_file():
            return where, [(where.name, where.read_bytes())]
        if not where.is_dir():
            raise Failure(
                FAILED, f"there is no recording at {where}: edged makes one while it runs (history.recording)"
            )
        return where, contents(where, None if args.file else _runtime_folder())
    except PermissionError as error:
        raise Failure(FAILED, f"{error.filename} cannot be read: recordings belong to edged, ask root") from error
    except OSError as error:
        raise Failure(FAILED, f"{where} cannot be read: {error.strerror}") from error


def _newer(files: list[tuple[str, bytes]], since: float) -> list[tuple[str, bytes]]:
    """Without the segments that ended before ``since``: nothing of them is needed, each one begins anew."""
    from ..flight.segment import Damaged, Segment

    first = 0
    for index, (_, data) in enumerate(files):
        try:
            if Segment(data, bare=True).head.wall < since:
                first = index
        except Damaged:
            continue
    return files[first:]


def _state_folder(given: str | None) -> Path:
    from ..app.applied import USUAL
    from ..config.defaults import state_dir
    from ..config.load import load
    from ..config.problem import ConfigError

    if given:
        return Path(given)
    try:
        return Path(load(USUAL, environment()).config.state_dir) if USUAL.exists() else Path(state_dir(os.environ))
    except (ConfigError, OSError):
        return Path(state_dir(os.environ))


def _runtime_folder() -> Path | None:
    """Where the running edged keeps what is newest."""
    first = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first or "/run/edged")
