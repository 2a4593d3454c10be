"""``edged doctor``: what is wrong with this host, and what mends it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import FAILED, OK, USAGE, Failure
from .render import paint, plain
from .values import DEFAULT

if TYPE_CHECKING:
    from ..doctor import Finding

_COLOUR = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}
_NAME = 26
"""Columns for the name: fixed, for lines are shown as they come."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("-c", "--config", metavar="FILE", help=f"default: {DEFAULT}, if it exists")
    parser.add_argument("--only", metavar="NAME", action="append", help="only this examination (several: a,b)")
    parser.add_argument("--json", action="store_true", help='{"findings": […], "ok": true or false}')
    parser.epilog = (
        "example: sudo edged doctor --only engine,broker\n\n"
        "Runs beside a daemon and without one, as any user; what only root may see is skipped. It writes nothing but\n"
        "a small file below the state folder, which it takes away again, and empty retained messages at the broker.\n\n"
        "exit code 0: nothing fails (there may be warnings), 1: something does, 2: bad usage"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    began = time.monotonic()
    from ..doctor import EXAMINATIONS, examine
    from ..doctor.patient import admit

    wanted = [name for given in args.only or [] for name in given.split(",") if name]
    if unknown := [name for name in wanted if name not in EXAMINATIONS]:
        raise Failure(USAGE, f"there is no examination {unknown[0]}; there are: {', '.join(EXAMINATIONS)}")
    path = Path(args.config) if args.config else DEFAULT if _exists(DEFAULT) else None
    patient = admit(path, _ask)
    chosen = {name: one for name, one in EXAMINATIONS.items() if not wanted or name in wanted}
    findings: list[Finding] = []
    for finding in examine(patient, chosen):
        findings.append(finding)
        if not args.json:
            print("\n".join(lines(finding)), flush=True)
    good = not any(finding.verdict == "fail" for finding in findings)
    if args.json:
        import msgspec

        print(json.dumps({"findings": msgspec.to_builtins(findings), "ok": good}, indent=2, ensure_ascii=False))
    else:
        print(f"\n{summary(findings)} in {time.monotonic() - began:.1f} s")
    return OK if good else FAILED


def lines(finding: Finding) -> list[str]:
    """The finding as lines for a person: ``verdict  name  text``, and how to mend it below."""
    verdict = paint(f"{finding.verdict:<4}", _COLOUR[finding.verdict])
    shown = [f"{verdict}  {finding.name:<{_NAME}}  {plain(finding.text)}"]
    if finding.fix:
        shown.append(f"      → {plain(finding.fix)}")
    return shown


def summary(findings: Sequence[Finding]) -> str:
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in _COLOUR}
    words = {"ok": "ok", "warn": "to look at", "fail": "wrong", "skip": "not known"}
    return ", ".join(f"{count} {words[verdict]}" for verdict, count in counts.items() if count)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # it says so when it is read


def _ask(socket: Path) -> dict[str, Any]:
    from ..ports import Unreachable
    from .client import get

    try:
        picture: dict[str, Any] = get(str(socket), "/v1/status")
    except (Failure, ValueError) as error:
        raise Unreachable(str(error)) from None
    return picture
