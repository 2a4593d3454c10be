"""``edged run``: the daemon."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from . import FAILED, USAGE
from .values import DEFAULT


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("-c", "--config", metavar="FILE", help=f"default: {DEFAULT}, if it exists")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.epilog = (
        "example: edged run -c /etc/edged/edged.yaml\n\n"
        "With no file at all every container is discovered, observed and reported; only those that carry the label\n"
        "edged.enable=true are recovered.\n"
        "SIGHUP reloads the configuration, SIGTERM stops edged and leaves all containers as they are."
    )


def main(args: argparse.Namespace, verb: str) -> int:
    _tune_memory()
    logging.basicConfig(level=args.log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    from ..app.applied import current
    from ..config.problem import ConfigError, Problem

    wrong: tuple[Problem, ...] = ()
    path = Path(args.config) if args.config else DEFAULT if DEFAULT.exists() else None
    try:
        loaded = current(path, os.environ)
    except ConfigError as error:
        from ..app.last_good import recall

        print(error, file=sys.stderr)
        before = recall(path, os.environ) if path is not None else None
        count = f"{len(error.errors)} error{'s' * (len(error.errors) != 1)} in {path}"
        if before is None:
            print(f"edged: {count}; nothing was started", file=sys.stderr)
            return USAGE
        print(f"edged: {count}; going on with the one that was last in force, {before.path}", file=sys.stderr)
        loaded, wrong = before, error.errors
    from ..app.daemon import Daemon
    from ..ports import PortError

    try:
        daemon = Daemon(loaded, os.environ, path=path, wrong=wrong)
    except PortError as error:
        print(f"edged: {error}", file=sys.stderr)
        return FAILED
    code = daemon.run()
    logging.shutdown()
    sys.stdout.flush()
    # A worker that hangs in the engine or on a dead disk must not keep the process from ending.
    os._exit(code)


def _tune_memory() -> None:
    """One malloc arena for all threads, and free memory given back: a few MB less over the years."""
    import ctypes

    try:
        libc = ctypes.CDLL(None)
        m_arena_max, m_trim_threshold = -8, -1
        libc.mallopt(m_arena_max, 1)
        libc.mallopt(m_trim_threshold, 128 * 1024)
    except (OSError, AttributeError):
        return  # not glibc: nothing to tune
