"""``edged fleet ls``."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

from . import OK, USAGE, Failure, fleet_options

if TYPE_CHECKING:
    from ..fleet import Device, Fleet


def arguments(parser: argparse.ArgumentParser) -> None:
    labels_argument(parser)
    parser.add_argument("--json", action="store_true", help="a list of devices")
    parser.epilog = "example: edged fleet ls --labels site=plant-a,line=3"


def labels_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--labels", action="append", default=[], metavar="K=V", help="devices with all of these (several: a=1,b=2)"
    )


def chosen(fleet: Fleet, texts: list[str]) -> list[Device]:
    from ..fleet import BadSelection, matches, parse_labels

    try:
        labels = parse_labels(texts)
    except BadSelection as error:
        raise Failure(USAGE, str(error)) from None
    return [device for device in fleet if matches(labels, device)]


def main(args: argparse.Namespace) -> int:
    from ..report.payloads import rfc3339
    from .fleet_rows import HEAD, device_json, device_row, screen, table

    chosen_early(args)
    with fleet_options.console(args, signing=False) as console:
        console.survey()
        fleet = console.fleet
    devices = chosen(fleet, args.labels)
    if args.json:
        print(json.dumps([device_json(device) for device in devices], indent=2))
        return OK
    now = rfc3339(time.time())
    if devices:
        screen().print(table(HEAD, (device_row(device, now) for device in devices)))
    print(summary(devices, fleet))
    return OK


def chosen_early(args: argparse.Namespace) -> None:
    """Wrong labels are told before anybody connects."""
    from ..fleet import Fleet

    chosen(Fleet(), args.labels)


def summary(devices: list[Device], fleet: Fleet) -> str:
    states = Counter(device.state for device in devices)
    alerts = sum(len(device.alerts) for device in devices)
    parts = [f"{count} {state}" for state, count in sorted(states.items())]
    text = f"{len(devices)} devices" + (f": {', '.join(parts)}; {alerts} alerts" if devices else "")
    if not fleet.devices:
        # mosquitto 2.0 grants a subscription that its rules forbid, and then sends nothing.
        text += "; if there should be some: do the broker's access rules let this console read edged/v1/#?"
    return text + (f"; {fleet.unreadable} messages could not be read" if fleet.unreadable else "")
