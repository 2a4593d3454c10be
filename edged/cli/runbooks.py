"""``edged runbooks``: what is done about each alert, and what would be done about one now."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..config.units import format_duration
from . import OK, USAGE, Failure
from .client import find_socket, get, socket_argument
from .render import paint, plain, table
from .values import environment

COLOUR = {"now": "green", "then": "", "skip": "dim", "wait": "yellow", "refuse": "red"}
WORDS = {"now": "now", "then": "then", "skip": "skipped", "wait": "waits", "refuse": "refused"}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="NAME", help="one of them, as it is written in the file. Or: try ALERT SUBJECT"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="those of this file, instead of the running daemon's")
    parser.add_argument("--json", action="store_true", help="as JSON")
    socket_argument(parser)
    parser.epilog = (
        "examples: edged runbooks\n"
        "          edged runbooks AppDown          (to be put under `runbooks:` and changed)\n"
        "          edged runbooks try AppDown detector\n\n"
        "try does nothing: it tells what would be done now, if the alert were raised, and why"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    match args.words:
        case ["try", alert, subject]:
            return _try(args, alert, subject)
        case ["try", *_]:
            raise Failure(
                USAGE, "like this: edged runbooks try ALERT SUBJECT, e.g. edged runbooks try AppDown detector"
            )
        case [] | [_]:
            return _show(args, args.words[0] if args.words else "")
    raise Failure(USAGE, "name one runbook, or none for all of them")


def _show(args: argparse.Namespace, wanted: str) -> int:
    books, source = _books(args)
    if wanted:
        books = [_named(books, wanted)]
    if args.json:
        print(json.dumps(books[0] if wanted else books, indent=2))
        return OK
    if wanted:
        print("\n".join(text(books[0])))
        return OK
    rows = [[one["name"], "built in" if one["built_in"] else paint("replaced", "yellow"), _line(one)] for one in books]
    print("\n".join(table(rows)))
    busy = [run for one in books for run in one["under_way"]]
    for run in busy:
        held = f", held: {plain(run['held'])}" if run["held"] else ""
        print(f"under way: {run['alert']} {plain(run['subject'])} is at {run['step'] or 'its end'}{held}")
    print(f"({source})")
    return OK


def _books(args: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """From the file that was named, else from the daemon, else the built-in ones."""
    if args.config:
        return _of_file(Path(args.config)), f"of {args.config}"
    try:
        find_socket(args.socket)
    except Failure:
        from ..config import Config
        from ..report.runbooks import listed

        return listed(Config()), "no daemon runs here: these are the built-in ones"
    return get(args.socket, "/v1/runbooks"), "in force now"


def _of_file(path: Path) -> list[dict[str, Any]]:
    from ..config import ConfigError, load, render
    from ..report.runbooks import listed

    try:
        return listed(load(path, environment()).config)
    except ConfigError as error:
        raise Failure(USAGE, render(error.errors)) from None


def _named(books: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    found = next((one for one in books if one["name"].lower() == wanted.lower()), None)
    if found is None:
        import difflib

        near = difflib.get_close_matches(wanted, [one["name"] for one in books], 1)
        hint = f"did you mean {near[0]}?" if near else "edged runbooks lists them"
        raise Failure(USAGE, f"there is no runbook {wanted}: {hint}")
    return found


def _line(one: dict[str, Any]) -> str:
    steps = [step["do"] + (f" ({', '.join(step['when'])})" if step["when"] else "") for step in one["steps"]]
    return " → ".join(steps) or "nothing"


def text(one: dict[str, Any]) -> list[str]:
    """As YAML: it can be put into the file as it is."""
    whose = "built in" if one["built_in"] else "as configured"
    found = [f"# {one['name']}: {whose}", "runbooks:"]
    if not one["steps"]:
        return [*found, f"  {one['name']}: []"]
    found.append(f"  {one['name']}:")
    for step in one["steps"]:
        found.append(f"    # {step['does']}")
        keys = [f"do: {step['do']}"]
        if step["when"]:
            keys.append(f"when: [{', '.join(step['when'])}]")
        keys += [f"{name}: {step[name]}" for name in ("timeout", "verify") if name in step]
        if "say" in step:
            keys.append(f"say: {json.dumps(step['say'], ensure_ascii=False)}")
        found.append(f"    - {{{', '.join(keys)}}}")
    return found


def _try(args: argparse.Namespace, alert: str, subject: str) -> int:
    found = get(args.socket, f"/v1/runbooks?alert={quote(alert, safe='')}&subject={quote(subject, safe='')}")
    if args.json:
        print(json.dumps(found, indent=2))
        return OK
    print("\n".join(tried(found)))
    return OK


def tried(found: dict[str, Any]) -> list[str]:
    """The dry run for people."""
    whose = "built in" if found["built_in"] else "as configured"
    state = "it fires" if found["fires"] else plain(found["supposed"])
    lines = [f"{found['alert']} {plain(found['subject'])}: {state}", f"runbook {found['runbook']} ({whose})"]
    if found["under_way"]:
        lines.append(f"it is being carried out, and is at {plain(found['under_way'])}")
    for number, step in enumerate(found["steps"], 1):
        mark = paint(f"{WORDS[step['verdict']]:<8}", COLOUR[step["verdict"]])
        lines.append(f"  {number}. {step['step']:<21} {mark} {plain(step['why'])}")
        notes = [f"{name}: {plain(said)}" for name, said in step["checks"].items()]
        notes += [f"when {word}: {'yes' if true else 'no'}" for word, true in step["when"].items()]
        if step["timeout"]:
            notes.append(f"within {format_duration(step['timeout'])}, then verified: {step['verify']}")
        if notes:
            lines.append("       " + "; ".join(notes))
    if not found["steps"]:
        lines.append("  it has no steps: nothing is done")
    if found["actions"]:
        begun = ", ".join(f"{one['action']} of {plain(one['subject'])}" for one in found["actions"])
        lines.append(f"at once edged would begin: {begun}")
    elif not found["under_way"]:
        lines.append("at once edged would begin nothing")
    return lines
