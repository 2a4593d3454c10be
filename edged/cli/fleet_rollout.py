"""``edged fleet rollout``: a bundle to the fleet, in waves."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from . import FAILED, OK, USAGE, Failure, fleet_options
from .fleet_ls import chosen, chosen_early, labels_argument
from .values import duration

if TYPE_CHECKING:
    from ..fleet import Console
    from ..fleet.rollout import Rollout, Terms


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="URL from which the devices fetch it, or its path on the devices")
    add("--app", required=True, metavar="NAME", help="devices that do not have it are left out")
    labels_argument(parser)
    add("--kind", choices=["model", "config"], default="model", help="what is in the bundle (default model)")
    add("--waves", default="1,10%,50%,100%", metavar="LIST", help="how many have it after each wave: numbers or shares")
    add("--max-failures", type=int, default=2, metavar="N", help="stop when more than N devices failed (default 2)")
    add("--soak", default="10m", metavar="TIME", help="after each wave: watch, then go on if all is well (default 10m)")
    add("--timeout", default="30m", metavar="TIME", help="within which a device has to be done (default 30m)")
    add("--offline", choices=["wait", "skip"], default="wait", help="what to do about devices that are offline")
    add("--offline-for", default="30m", metavar="TIME", help="how long a wave waits for them, then skips (default 30m)")
    add("--at-once", type=int, default=100, metavar="N", help="devices under way at the same time (default 100)")
    add("--grace", default="30s", metavar="TIME", help="an app may be not healthy for so long (default 30s)")
    add("--state", metavar="FILE", help="where its progress is kept (default: below ~/.local/state/edged)")
    add("--again", action="store_true", help="from the beginning, whatever the file with its progress says")
    add("--json", action="store_true", help="each change as a line of JSON, and the whole at the end")
    parser.epilog = (
        "example: edged fleet rollout https://files.example/detector-2.tar --app detector --labels site=plant-a\n\n"
        "^C, or a console that is killed, stops nothing on the devices; the same command goes on where it was. What\n"
        "nobody watched is no soak, and devices that come later are no part of it.\n"
        "exit code 0 done, 1 halted: too many devices failed."
    )


def main(args: argparse.Namespace) -> int:
    from ..fleet.driver import watched
    from ..fleet.rollout import OVER

    chosen_early(args)
    terms = _terms(args)
    path = Path(args.state) if args.state else _path(fleet_options.resolve(args).broker, terms)
    with ExitStack() as stack:
        try:
            before = _begun(stack, path, args)
        except OSError as error:
            raise Failure(FAILED, f"{path} cannot be used: {error.strerror}; name another with --state") from None
        if before is not None and before.stage in OVER:
            return _over(before, terms, path, args)
        console = stack.enter_context(fleet_options.console(args, signing=True))
        console.follow(watched(terms.type))
        console.survey()
        rollout = _going_on(before, terms, path) if before else _new(console, terms, args)
        return _drive(console, rollout, path, args)


def _terms(args: argparse.Namespace) -> Terms:
    from ..fleet import parse_labels
    from ..fleet.rollout import Terms
    from ..fleet.waves import BadWaves, parse

    if "://" not in args.bundle and not args.bundle.startswith("/"):
        raise Failure(USAGE, f"{args.bundle}: the devices fetch the bundle themselves; give a URL, or a path on them")
    if args.max_failures < 0 or args.at_once < 1:
        raise Failure(USAGE, "--max-failures is 0 or more, --at-once 1 or more")
    try:
        waves = parse(args.waves)
    except BadWaves as error:
        raise Failure(USAGE, f"--waves: {error}") from None
    return Terms(
        type=f"{args.kind}.deploy",
        app=args.app,
        bundle=args.bundle,
        labels=parse_labels(args.labels),
        waves=waves,
        max_failures=args.max_failures,
        soak=duration(args.soak, "--soak"),
        timeout=duration(args.timeout, "--timeout"),
        offline=args.offline,
        offline_for=duration(args.offline_for, "--offline-for"),
        at_once=args.at_once,
        grace=duration(args.grace, "--grace"),
    )


def _path(broker: str, terms: Terms) -> Path:
    from ..adapters.fleet_files import state_folder

    what = json.dumps([broker, terms.type, terms.app, terms.bundle, sorted(terms.labels.items())])
    try:
        return state_folder() / f"rollout-{terms.app}-{sha256(what.encode()).hexdigest()[:12]}.json"
    except OSError as error:
        raise Failure(FAILED, f"{error.filename} cannot be made: {error.strerror}; name a file with --state") from None


def _begun(stack: ExitStack, path: Path, args: argparse.Namespace) -> Rollout | None:
    """What the file says; it stays ours until the end."""
    from ..adapters.fleet_files import only_one
    from ..fleet.rollout import Rollout

    if not stack.enter_context(only_one(path)):
        raise Failure(FAILED, f"this rollout is being driven by another console on this machine ({path})")
    if args.again or not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Rollout)
    except msgspec.MsgspecError as error:
        raise Failure(FAILED, f"{path} holds no rollout ({error}); --again begins anew") from None


def _over(before: Rollout, terms: Terms, path: Path, args: argparse.Namespace) -> int:
    """The end of one whose console was killed before it could tell; else it is said that there is nothing to do."""
    _same(before, terms, path)
    if before.told:
        why = f": {before.reason}" if before.reason else ""
        raise Failure(FAILED, f"this rollout is over, {before.stage}{why}; --again begins anew ({path})")
    return _end(before, path, args.json)


def _going_on(before: Rollout, terms: Terms, path: Path) -> Rollout:
    _same(before, terms, path)
    print(f"going on: wave {before.wave + 1} of {before.waves}, {_counted(before)}", file=sys.stderr)
    return msgspec.structs.replace(before, terms=terms)


def _same(before: Rollout, terms: Terms, path: Path) -> None:
    for name in ("type", "app", "bundle", "labels", "waves"):
        if getattr(before.terms, name) != getattr(terms, name):
            was = getattr(before.terms, name)
            raise Failure(USAGE, f"a rollout with other {name} is kept there ({was}, {path}); --again begins anew")


def _new(console: Console, terms: Terms, args: argparse.Namespace) -> Rollout:
    from uuid import uuid4

    from ..fleet.rollout import plan

    found = chosen(console.fleet, args.labels)
    have = [one for one in found if terms.app in one.apps or (one.meta is not None and terms.app in one.meta.apps)]
    able = [one.id for one in have if not one.schemas or terms.type in one.schemas]
    if left_out := len(found) - len(able):
        print(f"{left_out} devices are left out: no app {terms.app}, or no command {terms.type}", file=sys.stderr)
    if not able:
        raise Failure(FAILED, f"there is no device with the app {terms.app} among {len(found)} devices")
    return plan(str(uuid4()), terms, able)


def _drive(console: Console, rollout: Rollout, path: Path, args: argparse.Namespace) -> int:
    from ..fleet.driver import Driver
    from .fleet_send import Bar

    try:
        driver = Driver(console, rollout, lambda now: _keep(path, now))
        with Bar(len(rollout.entries), not args.json) as bar:
            _tell(None, driver.rollout, args.json)
            while not driver.over:
                before = driver.rollout
                driver.turn()
                _tell(before, driver.rollout, args.json)
                bar.update(sum(entry.state not in _UNDER_WAY for entry in driver.rollout.entries.values()))
    except KeyboardInterrupt:
        print(f"\nstopped watching; the same command goes on ({path})", file=sys.stderr)
        raise
    except OSError as error:
        raise Failure(FAILED, f"{path} cannot be written: {error.strerror}; nothing more is sent") from None
    return _end(driver.rollout, path, args.json)


def _keep(path: Path, rollout: Rollout) -> None:
    from ..adapters.atomic import write_atomic

    write_atomic(path, msgspec.json.encode(rollout), 0o600)


_UNDER_WAY = ("pending", "sent", "accepted", "running")


def _tell(before: Rollout | None, now: Rollout, as_json: bool) -> None:
    for device, entry in now.entries.items():
        was = before.entries[device] if before is not None else None
        if was is not None and (was.state, was.phase) != (entry.state, entry.phase):
            if as_json:
                print(json.dumps(_entry(entry)), flush=True)
            elif entry.state not in _UNDER_WAY:
                print(f"{device}  {_said(entry)}", flush=True)
    if before is None or (before.stage, before.wave) != (now.stage, now.wave):
        stage = {"stage": now.stage, "wave": now.wave + 1, "waves": now.waves, "reason": now.reason}
        size = sum(entry.wave == now.wave for entry in now.entries.values())
        why = f": {now.reason}" if now.reason else f": {size} devices" if now.stage == "rolling" else ""
        text = f"wave {now.wave + 1} of {now.waves}: {now.stage}{why}"
        print(json.dumps(stage) if as_json else text, flush=True)


def _said(entry: Any) -> str:
    from .render import plain

    code = f" [{entry.reason}]" if entry.reason else ""
    return plain(f"{entry.state}{code}" + (f": {entry.message}" if entry.message else ""))


def _entry(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("device", "wave", "command", "state", "phase", "reason", "message")}


def _counted(rollout: Rollout) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(rollout.counts.items()))


def _end(rollout: Rollout, path: Path, as_json: bool) -> int:
    _tell_end(rollout, as_json)
    sys.stdout.flush()
    with suppress(OSError):  # then it is told once more
        _keep(path, msgspec.structs.replace(rollout, told=True))
    return OK if rollout.stage == "done" else FAILED


def _tell_end(rollout: Rollout, as_json: bool) -> None:
    from .fleet_rows import painted, screen, table

    if as_json:
        whole = {name: getattr(rollout, name) for name in ("id", "stage", "reason", "waves", "failures")}
        print(json.dumps(whole | {"counts": rollout.counts, "devices": list(map(_entry, rollout.entries.values()))}))
        return
    rows = [
        (str(entry.wave + 1), entry.device, painted(entry.state), entry.reason, entry.message)
        for entry in rollout.entries.values()
    ]
    screen().print(table(("WAVE", "DEVICE", "RESULT", "CODE", "WHAT"), rows))
    print(f"{rollout.stage}: {_counted(rollout)}" + (f"; {rollout.reason}" if rollout.reason else ""))
