"""The verbs. A verb's module is imported when the verb is used, and imports only what it needs."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

OK, FAILED, USAGE, REFUSED, UNREACHABLE = 0, 1, 2, 3, 4

VERBS: dict[str, tuple[str, str]] = {
    "run": ("run", "the daemon in the foreground (systemd starts this)"),
    "check": ("check", "validate a configuration: every error at once"),
    "status": ("status", "what the running daemon sees now"),
    "alerts": ("alerts", "alerts that fire, and past ones"),
    "incidents": ("incidents", "what people manage: alerts of one cause with timeline, actions and impact"),
    "runbooks": ("runbooks", "what is done about each alert, and what would be done about one now"),
    "restart": ("power", "restart an app now, with evidence kept and the outcome verified"),
    "start": ("power", "start an app now"),
    "stop": ("power", "stop an app; it stays stopped until it is started again"),
    "maintenance": ("maintenance", "hands off an app for a while: report, do not act"),
    "isolate": ("isolate", "cut an app off from its networks while it runs on, or connect it again"),
    "deploy": ("deploy", "put a model or an app configuration in place, behind a health gate"),
    "rollback": ("deploy", "go back to the model or configuration before"),
    "deployments": ("deployments", "what was deployed, and how it ended"),
    "data": ("data", "backups of what an app has written: list, make one, restore one"),
    "drift": ("drift", "whether an app's inputs still look like what its model was trained on"),
    "drill": ("drill", "make a failure on purpose, and measure how edged notices and mends it"),
    "reload": ("reload", "read edged's configuration file anew, as SIGHUP does, and say how it went"),
    "apply": ("apply", "give edged another configuration, kept only if it proves itself"),
    "bundle": ("bundle", "make, sign, verify and show bundles: models and configurations to deploy"),
    "key": ("key", "make and show the keys that sign bundles and commands"),
    "report": ("report", "the weekly check and the monthly review: health, trends, incidents, a verdict"),
    "replay": ("replay", "judge recorded facts once more: is it the same, and what would another configuration do?"),
    "fleet": ("fleet", "the console side: list, watch, command and update a whole fleet, over MQTT"),
    "audit": ("audit", "who wanted what of this device: show, verify and export the chained records"),
    "doctor": ("doctor", "look at this host: what is wrong, and the command that mends it"),
    "demo": ("demo", "the whole story on this machine, in two minutes"),
}
"""verb -> (module, what it does)"""


class Failure(Exception):
    """Ends a verb with a message and an exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def run(argv: Sequence[str]) -> int:
    """Parses, runs the verb, returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no arrows gets a `?`
    try:
        code = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (head, less): not our failure.
        _forget_output()
        return OK
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or argv[:1] == ["run"]:
            raise
        _forget_output()
        print(f"edged: the output could not be written: {error.strerror}", file=sys.stderr)
        return FAILED
    return code


def _forget_output() -> None:
    """What is left must not be flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(argv: Sequence[str]) -> int:
    if len(argv) > 1 and argv[0] == "help":
        argv = [*argv[1:], "--help"]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview())
        return OK if argv else USAGE
    if argv[0] in ("-V", "--version"):
        from .. import __version__

        print(f"edged {__version__}")
        return OK
    verb = argv[0]
    if verb not in VERBS:
        import difflib

        near = difflib.get_close_matches(verb, VERBS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"edged: there is no verb {verb}{hint} (edged --help lists them)", file=sys.stderr)
        return USAGE
    module = importlib.import_module(f"{__name__}.{VERBS[verb][0]}")
    parser = argparse.ArgumentParser(
        prog=f"edged {verb}", description=VERBS[verb][1], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.arguments(parser, verb)
    try:
        args = parser.parse_args(argv[1:])
    except SystemExit as ended:
        return int(ended.code or 0)
    try:
        return int(module.main(args, verb))
    except Failure as failure:
        from .render import plain

        print(plain(f"edged {verb}: {failure}"), file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        return 130


def _overview() -> str:
    width = max(map(len, VERBS)) + 2
    lines = ["usage: edged VERB [options]      (edged VERB --help shows an example)", ""]
    lines += [f"  {verb:<{width}}{text}" for verb, (_, text) in VERBS.items()]
    lines += ["", "exit codes: 0 ok, 1 it failed, 2 bad usage or config, 3 refused, 4 daemon not reachable"]
    return "\n".join(lines)
