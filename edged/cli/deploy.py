"""``edged deploy APP BUNDLE`` and ``edged rollback APP``: follow a deployment to its end."""

from __future__ import annotations

import argparse
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
    begun = time.time() - 1.0
    answers = command(args.socket, f"{kind}.{verb}", given)
    first = next(answers)
    if first["status"] == "rejected":
        if given.get("bundle", "") != getattr(args, "bundle", ""):
            delete(args.socket, f"/v1/bundles?path={quote(given['bundle'])}")
        return _end([first], args.json)
    return _follow(args, first["id"], begun)


def _delivered(socket: str | None, path: Path) -> str:
    """Where the daemon finds the bundle: under systemd it has a /tmp of its own, and not every folder is open to it."""
    seen, here = get(socket, f"/v1/bundles?path={quote(str(path))}"), path.stat()
    if (seen.get("device"), seen.get("inode")) == (here.st_dev, here.st_ino):
        return str(path)
    try:
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
                names = [n for n in tar.getnames() if n.removeprefix("./") == "manifest.json"]
                member = tar.extractfile(names[0]) if names else None
                data = member.read(2**20) if member is not None else b"{}"
        return str(json.loads(data).get("kind", ""))
    except (OSError, ValueError, tarfile.TarError):
        return ""


def _end(answers: list[dict[str, Any]], as_json: bool) -> int:
    last = answers[-1]
    code = f" [{last['reason']}]" if last["reason"] else ""
    print(json.dumps(last) if as_json else f"{last['status']}{code}: {last['message']}")
    return {"succeeded": OK, "rejected": REFUSED}.get(last["status"], FAILED)


def _follow(args: argparse.Namespace, identity: str, since: float) -> int:
    """By the event log, which survives a restart of edged in the middle of it."""
    for event in _phases(args.socket, identity, since):
        data = event["data"]
        print(json.dumps(event) if args.json else line(data), flush=True)
        if data["new"] in ENDS:
            return CODES[data["new"]]
    return FAILED


def _phases(socket: str | None, identity: str, since: float) -> Iterator[dict[str, Any]]:
    told, silent = 0, time.monotonic()
    while True:
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
        yield from mine[told:]
        told = max(told, len(mine))
        time.sleep(0.2)


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
