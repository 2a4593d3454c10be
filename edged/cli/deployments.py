"""``edged deployments [ID]``: what was deployed here, and how it ended."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from . import FAILED, OK, Failure
from .client import get, socket_argument
from .deploy import ENDS, line
from .values import duration


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("id", nargs="?", help="one deployment with all its phases; its first characters are enough")
    parser.add_argument("--since", default="30d", metavar="TIME", help="how far back (default 30d)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    socket_argument(parser)
    parser.epilog = "example: edged deployments --since 7d"


def main(args: argparse.Namespace, verb: str) -> int:
    since = time.time() - duration(args.since, "--since")
    events = get(args.socket, f"/v1/events?since={since}&type=deployment.changed")
    by_id: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_id.setdefault(event["data"]["id"], []).append(event)
    if args.id:
        chosen = [key for key in by_id if key.startswith(args.id)]
        if len(chosen) != 1:
            found = "are several deployments" if chosen else "is no deployment"
            raise Failure(FAILED, f"there {found} {args.id}…; edged deployments --since 30d lists them")
        for event in by_id[chosen[0]]:
            print(json.dumps(event) if args.json else f"{event['time']}  {line(event['data'])}")
        return OK
    if args.json:
        print(json.dumps([_summary(key, events) for key, events in by_id.items()], indent=2))
        return OK
    for key, events in by_id.items():
        s = _summary(key, events)
        head = f"{s['time'][:19]}Z  {key[:8]}  {s['app']:<16} {s['kind']:<6} {s['version']:<12}"
        print(f"{head} {s['phase']}  {s['reason']}".rstrip())
    if not by_id:
        print(f"no deployments within {args.since}")
    return OK


def _summary(key: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    data = events[-1]["data"]
    return {
        "id": key,
        "time": events[0]["time"],
        "app": events[-1]["subject"],
        "kind": data["kind"],
        "name": data["name"],
        "version": data["version"],
        "digest": data["digest"],
        "phase": data["new"],
        "over": data["new"] in ENDS,
        "code": data["code"],
        "reason": data["reason"],
    }
