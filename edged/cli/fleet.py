"""``edged fleet ls|watch|send|rollout``: the console side, over nothing but the broker."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from . import fleet_options

VERBS = {
    "ls": "all devices: state, apps, alerts, versions",
    "watch": "what happens, as it happens; ^C ends it",
    "send": "a signed command to one device or many, and their answers",
    "rollout": "a bundle to the fleet, in waves; stops itself, goes on after ^C",
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    fleet_options.add(parser)
    verbs = parser.add_subparsers(dest="what", metavar="|".join(VERBS), required=True)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        _module(name).arguments(sub)
        fleet_options.add(sub)
    parser.epilog = "example: edged fleet --broker mqtts://broker.example --ca ca.pem ls --labels site=plant-a"


def main(args: argparse.Namespace, verb: str) -> int:
    return int(_module(args.what).main(args))


def _module(name: str) -> Any:
    return importlib.import_module(f"{__package__}.fleet_{name}")
