"""``edged incidents [ID]``: what people manage, with all that was seen and done about it."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any
from urllib.parse import quote

from ..config.units import format_duration
from . import OK, USAGE, Failure
from .client import get, socket_argument
from .power import follow
from .render import ago, paint, plain, table
from .values import duration

LEVEL_COLOUR = {"P0": "red", "P1": "red", "P2": "yellow", "P3": "dim"}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="ID",
        help="one with its whole timeline; the end of its id is enough. Or: ack ID, note ID TEXT",
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="with ack: what you found, or what you do about it")
    parser.add_argument("--since", metavar="DURATION", help="past ones too, with what they add up to, e.g. 7d")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--markdown",
        nargs="?",
        const="report",
        choices=("report", "update"),
        help="with ID: the incident report as Markdown, or a short update to send out while it lasts",
    )
    parser.add_argument("--evidence", metavar="DIR", help="with ID: what was kept of it, into a folder; -: as JSON")
    parser.add_argument(
        "--rules", action="store_true", help="which alert is how bad, and the times to respond and resolve"
    )
    socket_argument(parser)
    parser.epilog = (
        "examples: edged incidents --since 7d\n"
        "          edged incidents INC-2026-11-21-001 --markdown > report.md\n"
        '          edged incidents ack 001 --note "the vendor was called"\n'
        '          edged incidents note 001 "the switch in hall 3 had no power"'
    )


def main(args: argparse.Namespace, verb: str) -> int:
    match args.words:
        case [] if args.rules:
            return _rules(args)
        case [] if args.markdown:
            raise Failure(USAGE, "--markdown is about one incident: name it")
        case []:
            return _list(args)
        case ["ack", wanted]:
            return follow(args, "alert.ack", {"incident": _one(args, wanted)["id"], "note": args.note})
        case ["note", wanted, *words] if words:
            return follow(args, "incident.note", {"incident": _one(args, wanted)["id"], "text": " ".join(words)})
        case [wanted] if wanted not in ("ack", "note"):
            return _show(args, wanted)
    raise Failure(USAGE, "like this: edged incidents [ID | ack ID | note ID TEXT]")


def _one(args: argparse.Namespace, wanted: str) -> dict[str, Any]:
    found: dict[str, Any] = get(args.socket, f"/v1/incidents?id={quote(wanted, safe='')}")
    return found


def _show(args: argparse.Namespace, wanted: str) -> int:
    found = _one(args, wanted)
    if args.evidence:
        from .evidence import save

        return save(args.socket, found["id"], args.evidence)
    if args.json:
        print(json.dumps(found, indent=2))
    elif args.markdown:
        from ..report.incident_markdown import report, update

        print((update if args.markdown == "update" else report)(found))
    else:
        print("\n".join(page(found)))
    return OK


def _list(args: argparse.Namespace) -> int:
    since = duration(args.since, "--since") if args.since else None
    now = time.time()
    found = get(args.socket, f"/v1/incidents?since={now - (since or 0.0)}")
    if args.json:
        print(json.dumps(found if since is not None else {"open": found["open"]}, indent=2))
        return OK
    print("\n".join(lines(found["open"], None)))
    if since is not None:
        print("", f"in the last {args.since}", *(table(_rows(found["past"]), "  ") or ["  none"]), sep="\n")
        print("", *_counts(found["counts"]), sep="\n")
    return OK


def lines(incidents: list[dict[str, Any]], now: str | None) -> list[str]:
    """The open ones, for ``edged status`` too. ``now``: RFC 3339, by the daemon's clock."""
    if not incidents:
        return ["no open incidents"]
    found = ["incidents"]
    for i in incidents:
        long = f" for {ago(i['opened'], now)}" if now else f" since {i['opened'][:19]}Z"
        mark = " (drill)" if i["drill"] else ""
        found.append(f"  {_level(i['severity'])}  {i['id']}{mark}{long}: {plain(i['title'])}")
        found.append(f"      {_promise(i)}")
        if i["likely"]:
            found.append(f"      likely cause: {plain(i['likely'])}")
    return found


def _promise(i: dict[str, Any]) -> str:
    seen = i["acknowledged"]
    if seen is not None:
        who = f"acknowledged by {plain(seen['by'])}"
    else:
        who = "acted on" if i["responded"] else f"respond by {i['respond_by'][:19]}Z"
    late = f"; {paint('ESCALATED', 'red')}: {', '.join(e['why'] for e in i['escalated'])}" if i["escalated"] else ""
    if i["state"] == "restored":
        return f"all clear since {i['restored'][:19]}Z: it closes by itself if it stays so{late}"
    return f"{who}, resolve by {i['resolve_by'][:19]}Z{late}"


def _level(severity: str) -> str:
    return paint(severity, LEVEL_COLOUR.get(severity, ""))


def _rows(incidents: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            i["id"],
            _level(i["severity"]),
            i["opened"][:19] + "Z",
            "into " + i["merged_into"] if i["merged_into"] else seconds(i["seconds"]),
            i["cause"],
            plain(i["title"]),
        ]
        for i in incidents
    ]


def _counts(c: dict[str, Any]) -> list[str]:
    by_level = ", ".join(f"{n} {level}" for level, n in c["by_severity"].items() if n) or "none"
    by_cause = ", ".join(f"{n} {plain(cause)}" for cause, n in c["by_cause"].items())
    many = "1 incident" if c["incidents"] == 1 else f"{c['incidents']} incidents"
    found = [f"{many}: {by_level}" + (f"; by cause: {by_cause}" if by_cause else "")]
    if c["mttr_seconds"] is not None:
        found.append(f"MTTD {seconds(c['mttd_seconds'])}, MTTR {seconds(c['mttr_seconds'])}")
    if c["escalated"] or c["reopened"] or c["drills"]:
        found.append(f"{c['escalated']} escalated, {c['reopened']} reopened; {c['drills']} drills are not counted")
    return found


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f} s" if value < 120.0 else format_duration(round(value))


def page(i: dict[str, Any]) -> list[str]:
    """All of one."""
    head = f"{paint(i['id'], 'bold')}  {_level(i['severity'])}  {i['state']}"
    out = [head + ("  drill" if i["drill"] else ""), f"  {plain(i['title'])}", ""]
    facts = [
        ["cause", f"{i['kind']} {plain(i['cause'])}"],
        ["began", f"{i['began']}, detected after {seconds(i['detect_seconds'])}"],
        ["lasted" if i["restored"] else "lasts", seconds(i["seconds"])],
        ["state", _promise(i) if i["closed"] is None else f"closed {i['closed']}"],
    ]
    if i["merged_into"]:
        facts.append(["merged", f"into {i['merged_into']}"])
    if i["merged"]:
        facts.append(["merged", f"holds {', '.join(i['merged'])}"])
    if i["reopened"]:
        facts.append(["reopened", "once" if i["reopened"] == 1 else f"{i['reopened']} times"])
    if i["likely"]:
        facts.append(["likely", plain(i["likely"])])
    facts += [["hint", plain(hint)] for hint in i["hints"]]
    facts += [["changed", f"{c['at'][:19]}Z {plain(c['text'])}"] for c in i["changes"]]
    facts += [["impact", f"{name}: {h['worst']} for {seconds(h['seconds'])}"] for name, h in i["impact"].items()]
    facts += [["evidence", f"{e['record']}  {e['digest'][:19]}"] for e in i["evidence"]]
    out += table(facts, "  ")
    out += ["", "alerts", *table([_alert(a) for a in i["alerts"]], "  ")]
    out += ["", "timeline"]
    shown = [[e["at"], e["kind"], plain(e["subject"]), plain(e["text"])] for e in i["timeline"]]
    if i["timeline_left_out"]:
        shown.insert(i["timeline_left_out_after"], ["", "…", "", f"{i['timeline_left_out']} lines left out"])
    return [*out, *table(shown, "  ")]


def _alert(a: dict[str, Any]) -> list[str]:
    until = f"until {a['cleared'][:19]}Z" if a["cleared"] else paint("fires", "red")
    times = f" ({a['times']} times)" if a["times"] > 1 else ""
    return [a["severity"], a["name"] + times, plain(a["subject"]), until, plain(a["summary"])]


def _rules(args: argparse.Namespace) -> int:
    found = get(args.socket, "/v1/incidents?rules=1")
    if args.json:
        print(json.dumps(found, indent=2))
        return OK
    rows = [["ALERT", "WARNING", "CRITICAL", "WHY"]]
    rows += [[n, r["warning"], r["critical"], r["why"]] for n, r in found["severity"].items()]
    print("\n".join(table(rows)))
    print(f"\ncritical alerts of apps with priority {found['essential']} or lower count one level more")
    times = [["", "RESPOND", "RESOLVE"]]
    for level, within in found["respond_seconds"].items():
        times.append([level, format_duration(within), format_duration(found["resolve_seconds"][level])])
    print("\n".join(["", *table(times)]))
    print(f"\ncloses after {format_duration(found['hold_seconds'])} without an alert; opens again within ", end="")
    print(format_duration(found["reopen_seconds"]))
    return OK
