"""``edged drift APP``: whether an app's inputs still look like those that its model was trained on."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from . import OK, USAGE, Failure
from .client import get, socket_argument
from .power import follow
from .render import paint, plain

WIDTH, NARROWEST = 24, 6
"""Columns of a bar."""
WIDE = 120
"""Columns of what is no terminal."""
MOST_BARS = 12
FAR = 0.2
"""PSI at which a person would expect a word on why it is not told as drift."""
EIGHTHS = " ▏▎▍▌▋▊▉█"
WORDS = {
    "waiting": "no rows were read yet",
    "learning": "learning a reference from the first rows, while all is well",
    "collecting": "the first window is not full yet",
    "steady": "the inputs are like those of the reference",
    "drifted": "the inputs have moved",
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("app")
    parser.add_argument("feature", nargs="?", help="only this one, with its histogram whatever it says")
    parser.add_argument("--reset", action="store_true", help="the detectors begin anew")
    parser.add_argument("--relearn", action="store_true", help="with --reset: learn what is normal from the next rows")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    socket_argument(parser)
    parser.epilog = "example: edged drift detector\n         edged drift detector --reset --relearn"


def main(args: argparse.Namespace, verb: str) -> int:
    if args.relearn and not args.reset:
        raise Failure(USAGE, "--relearn goes with --reset")
    if args.reset:
        return follow(args, "drift.reset", {"app": args.app, "relearn": args.relearn})
    report = get(args.socket, f"/v1/drift?app={quote(args.app, safe='')}")
    if args.feature is not None:
        report["features"] = [one for one in report["features"] if one["name"] == args.feature]
        if not report["features"]:
            raise Failure(USAGE, f"{args.app} has no feature {args.feature}")
    if args.json:
        print(json.dumps(report, indent=2))
        return OK
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    print("\n".join(lines(report, can_draw(), every=args.feature is not None, columns=columns)))
    return OK


def can_draw() -> bool:
    """Whether the terminal's encoding has the blocks that bars are made of."""
    try:
        EIGHTHS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def lines(report: dict[str, Any], blocks: bool, *, every: bool = False, columns: int = WIDE) -> list[str]:
    """The report for people. ``every``: histograms also of what has not moved."""
    state = report["state"]
    colour = {"drifted": "red", "steady": "green"}.get(state, "yellow")
    found = [f"{report['app']}: {paint(WORDS[state], colour)}", *_head(report), ""]
    features = sorted(report["features"], key=lambda one: (not one["drifted"], not one["problems"], -one["excess"]))
    if features:
        width = min(32, max(len("feature"), *(len(one["name"]) for one in features)))
        found.append(f"  {'feature':<{width}}  {'PSI':>6} {'JS':>6} {'KS':>6} {'W1':>6} {'missing':>8}  verdict")
        found += [f"  {plain(one['name'])[:width]:<{width}}  {_scores(one)}  {_verdict(one)}" for one in features]
    for one in features:
        if (one["drifted"] or every) and sum(one["after"]):
            found += ["", f"  {plain(one['name'])}: share of the rows by bin, before and now"]
            found += _bars(one, blocks, columns)
    return found


def _head(report: dict[str, Any]) -> list[str]:
    reference, learning = report["reference"], report["learning"]
    found = [f"  source     {plain(report['source'])}"]
    if reference is not None:
        whose = "learned by edged on this device" if reference["learned"] else f"of the model {reference['model'][:19]}"
        found.append(f"  reference  {whose}, {reference['rows']} rows")
    if learning is not None:
        found.append(f"  reference  {learning['rows']} of {learning['wanted']} rows so far")
    found.append(
        f"  rows       {report['rows']} in {report['windows']} windows of {report['window']}, "
        f"{report['window_rows']} in the one under way; last read {report['read'] or 'never'}"
    )
    found += [paint(f"  problem    {plain(problem)}", "yellow") for problem in report["problems"]]
    if report["broken"]:
        found.append(paint(f"  problem    rows cannot be read: {plain(report['broken'])}", "red"))
    return found


def _scores(one: dict[str, Any]) -> str:
    figures = (one["psi"], one["jensen_shannon"], one["kolmogorov_smirnov"], one["wasserstein"])
    return (
        " ".join(f"{'-' if value is None else f'{value:.3f}':>6}" for value in figures)
        + f" {one['missing_ratio']:>8.1%}"
    )


def _verdict(one: dict[str, Any]) -> str:
    said = [plain(text) for text in one["problems"]]
    if one["drifted"]:
        why = one["why"] if one["why"].startswith(one["direction"]) else f"{one['direction']}, {one['why']}"
        said.insert(0, f"{plain(why)}, since {one['since'][:19]}Z")
    if said:
        return paint("; ".join(said), "red" if one["drifted"] else "yellow")
    if not sum(one["after"]):
        return "no full window yet"
    return f"may be chance (p = {one['p']:.2g})" if one["psi"] >= FAR else "as before"


def _bars(one: dict[str, Any], blocks: bool, columns: int) -> list[str]:
    names = bin_names(one["kind"], one["edges"], one["labels"])
    rows = list(zip(names, one["before"], one["after"], strict=True))
    if len(rows) > MOST_BARS:
        most = sorted(rows, key=lambda row: -abs(row[1] - row[2]))[:MOST_BARS]
        rows = [row for row in rows if row in most]
    width = min(24, max(len(name) for name, _, _ in rows))
    room = max(NARROWEST, min(WIDTH, (columns - width - 22) // 2))
    scale = max(max(before, after) for _, before, after in rows) or 1.0
    return [
        f"    {name[:width]:<{width}}  "
        + "  ".join(f"{bar(share / scale, blocks, room)} {share:>6.1%}" for share in (before, after))
        for name, before, after in rows
    ]


def bin_names(kind: str, edges: Sequence[float], labels: Sequence[str]) -> list[str]:
    """As many as there are bins, in their order."""
    if kind == "categorical":
        return [*(plain(label) or '""' for label in labels), "(anything else)"]
    if not edges:
        return ["(any)"]
    inner = [f"{low:.4g} … {high:.4g}" for low, high in pairwise(edges)]
    return [f"< {edges[0]:.4g}", *inner, f">= {edges[-1]:.4g}"]


def bar(share: float, blocks: bool, width: int = WIDTH) -> str:
    """``share`` of 0 to 1 as a bar of ``width`` columns."""
    if not blocks:
        return ("#" * round(share * width)).ljust(width)
    eighths = round(share * width * 8)
    part = EIGHTHS[eighths % 8] if eighths % 8 else ""
    return ("█" * (eighths // 8) + part).ljust(width)
