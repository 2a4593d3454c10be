"""``edged deploy APP BUNDLE`` and ``edged rollback APP``: follow a deployment to its end."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import FAILED, OK, REFUSED, USAGE, Failure
from .client import command, delete, get, send, socket_argument

ENDS = ("committed", "rolled_back", "refused", "cancelled", "failed")
CODES = {"committed": OK, "rolled_back": FAILED, "failed": FAILED, "refused": REFUSED, "cancelled": REFUSED}
TOLD = ("disagreement", "recorded")
"""Checks that decide nothing: the new model against the one in place, over inputs that the app has recorded."""
EARLIER = 3600.0
"""Seconds before its beginning from which on its events are looked for: a clock may be set back meanwhile."""
EVERY = 0.2
"""Seconds between two looks."""
QUIET = 2.0
"""Seconds without a new phase after which edged is asked what it is waiting for."""
AWAY = 120.0
"""Seconds for which edged itself may be away meanwhile: a deployment survives its restart."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("app")
    if verb == "deploy":
        parser.add_argument("bundle", nargs="?", default="", help="folder or .tar on this device, or an http(s) URL")
    parser.add_argument(
        "--config", action="store_true", help="an app configuration, not a model (told by a bundle that lies here)"
    )
    parser.add_argument(
        "--cancel", action="store_true", help="cancel the deployment under way; possible until the swap"
    )
    parser.add_argument("--json", action="store_true", help="each phase as a line of JSON")
    socket_argument(parser)
    what = "detector /tmp/model-3.tar" if verb == "deploy" else "detector"
    parser.epilog = (
        f"example: edged {verb} {what}\n\nexit code 0 committed, 1 rolled back, 3 refused. ^C leaves it going on."
    )
    if verb == "deploy":
        parser.usage = "edged deploy [options] APP BUNDLE"


def main(args: argparse.Namespace, verb: str) -> int:
    config = args.config
    given: dict[str, Any] = {"app": args.app}
    if args.cancel:
        return _end(list(command(args.socket, "deploy.cancel", given)), args.json)
    if verb == "deploy":
        source = args.bundle
        if not source:
            raise Failure(USAGE, f"say which bundle, as in: edged deploy {args.app} model-3.tar")
        if "://" not in source:
            path = Path(source).absolute()
            if not path.exists():
                raise Failure(USAGE, f"there is no bundle {path}")
            config, source = config or _kind(path) == "config", _delivered(args.socket, path)
        given["bundle"] = source
    kind = "config" if config else "model"
    begun = time.time() - EARLIER
    answers = command(args.socket, f"{kind}.{verb}", given)
    first = next(answers)
    if first["status"] == "rejected":
        code = _end([first], args.json)
    else:
        if first["result"].get("waits_for"):
            print(first["message"], file=sys.stderr)
        code = _follow(args, first["id"], begun, answers)
    if code == REFUSED and given.get("bundle", "") != getattr(args, "bundle", ""):
        with contextlib.suppress(Failure):  # what was handed over and never begun is not left behind
            delete(args.socket, f"/v1/bundles?path={quote(given['bundle'])}")
    return code


def _delivered(socket: str | None, path: Path) -> str:
    """Where the daemon finds the bundle: under systemd it has a /tmp of its own, and not every folder is open to it."""
    seen, here = get(socket, f"/v1/bundles?path={quote(str(path))}"), path.stat()
    if (seen.get("device"), seen.get("inode")) == (here.st_dev, here.st_ino):
        return str(path)
    try:
        if path.is_dir() and not (path / "manifest.json").exists():  # whatever it is, it may be large
            raise Failure(REFUSED, f"{path} is no bundle, it has no manifest.json: `edged bundle new` makes one")
        with tempfile.TemporaryFile() if path.is_dir() else path.open("rb") as file:
            if path.is_dir():
                with tarfile.open(mode="w", fileobj=file) as tar:
                    tar.add(path, arcname=".")
                file.flush()
                file.seek(0)
            size = os.fstat(file.fileno()).st_size
            print(f"edged itself cannot read {path}: sending it, {size / 1e6:.1f} MB", file=sys.stderr)
            return str(send(socket, "/v1/bundles", file)["path"])
    except OSError as error:
        raise Failure(USAGE, f"the bundle {path} cannot be read: {error.strerror or error}") from None


def _kind(path: Path) -> str:
    """What the manifest says; empty when it cannot be read, which the daemon will say better."""
    try:
        if path.is_dir():
            data = (path / "manifest.json").read_bytes()
        else:
            with tarfile.open(path) as tar:
                names = [n for n in tar.getnames() if n.removeprefix("./").rpartition("/")[2] == "manifest.json"]
                # Of the bundle itself, also below a folder of its own name, and not of something deeper in it.
                member = tar.extractfile(min(names, key=lambda n: n.count("/"))) if names else None
                data = member.read(2**20) if member is not None else b"{}"
        return str(json.loads(data).get("kind", ""))
    except (OSError, ValueError, AttributeError, tarfile.TarError):
        return ""


def _end(answers: list[dict[str, Any]], as_json: bool) -> int:
    last = answers[-1]
    code = f" [{last['reason']}]" if last["reason"] else ""
    print(json.dumps(last) if as_json else f"{last['status']}{code}: {last['message']}")
    return {"succeeded": OK, "rejected": REFUSED}.get(last["status"], FAILED)


def _follow(args: argparse.Namespace, identity: str, since: float, answers: Iterator[dict[str, Any]]) -> int:
    """By the event log, which survives a restart of edged in the middle of it."""
    for event in _phases(args.socket, args.app, identity, since):
        data = event["data"]
        print(json.dumps(event) if args.json else line(data), flush=True)
        if data["new"] in ENDS:
            return CODES[data["new"]]
    return _answered(answers, args.json)


def _answered(answers: Iterator[dict[str, Any]], as_json: bool) -> int:
    """It is over, and no event says so: on a full disk edged keeps them in memory. The command has its answer."""
    try:
        last = list(answers)[-1]
    except (Failure, IndexError):
        last = {"status": "running"}
    if last["status"] not in ("succeeded", "failed"):
        raise Failure(FAILED, "it is over, and edged could not write down how: edged status shows what is in place")
    return CODES.get(last["result"].get("phase", ""), FAILED) if _end([last], as_json) else OK


def _phases(socket: str | None, app: str, identity: str, since: float) -> Iterator[dict[str, Any]]:
    """Its events as they come, to its end, or until edged has nothing more to do with it."""
    told, silent = 0, time.monotonic()
    asked, reason, over = silent, "", 0
    while over < 2:
        try:
            events = get(socket, f"/v1/events?since={since}&type={quote('deployment.changed')}")
            silent = time.monotonic()
        except Failure as failure:
            if time.monotonic() - silent > AWAY:
                raise
            events = []
            print(f"edged is away ({failure}); waiting", file=sys.stderr)
            time.sleep(2.0)
        mine = [event for event in events if event["data"]["id"] == identity]
        if told < len(mine):
            yield from mine[told:]
            told, asked = len(mine), time.monotonic()
        elif time.monotonic() - asked > QUIET:
            before, (here, reason), asked = reason, _seen(socket, app, identity), time.monotonic()
            over = 0 if here else over + 1
            if reason and reason != before:
                print(f"{'':<13} {reason}", file=sys.stderr, flush=True)
        time.sleep(EVERY)


def _seen(socket: str | None, app: str, identity: str) -> tuple[bool, str]:
    """Whether edged is still to do with it, and by what the last attempt of the present phase failed, if it did."""
    try:
        about = get(socket, "/v1/status")["apps"].get(app, {})
    except Failure:
        return True, ""
    running = about.get("deployment")
    if running is None or running["id"] != identity:
        return about.get("deployment_waiting") == identity, ""
    if not running.get("reason") or running["phase"] in ("rolling_back", "reverting"):
        return True, ""
    return True, f"{running['reason']}; edged tries again"


def line(data: dict[str, Any]) -> str:
    """One phase for people."""
    what = " ".join(part for part in (data["name"], data["version"], data["digest"][7:19]) if part)
    code = f" [{data['code']}]" if data["code"] else ""
    why = f": {data['reason']}" if data["reason"] else ""
    took = f" ({data['seconds']:.1f} s)" if data["new"] in ENDS else ""
    lines = [f"{data['new'].replace('_', ' '):<13} {what}{code}{why}{took}"]
    if data["new"] in ("backing_up", "committed", "rolling_back"):
        for check in data["checks"]:
            mark = "told" if check["name"] in TOLD else "ok  " if check["ok"] else "FAIL"
            lines.append(f"{'':<13} {mark} {check['name']}: {check['why']}")
    return "\n".join(lines)
