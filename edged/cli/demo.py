"""``edged demo``: see it work before trusting it with anything."""

from __future__ import annotations

import argparse

from . import FAILED, Failure


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.add_argument("--keep", action="store_true", help="leave the folder with configuration, state and evidence")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON; the story goes to standard error")
    parser.epilog = (
        "example: edged demo\n\n"
        "Starts a small inference app in a container, a broker and edged, kills the app, hangs it, makes it leak,\n"
        "stops it by hand, reloads a bad configuration and deploys four new models, three of them bad; prints what\n"
        "edged saw and did, with seconds, the MQTT messages a console got, and what edged incidents and edged report\n"
        "say of it. Then a fleet: three devices, a broker with certificates, signed commands and rollouts, and an\n"
        "intruder. Takes about two minutes, needs a container engine on this machine (DOCKER_HOST or the default\n"
        "socket), mosquitto and (for the certificates) openssl, touches nothing else, and cleans up.\n\n"
        "exit code 0: every recovery was verified, no event was lost, and both accounts are true, 1: not so"
    )


def main(args: argparse.Namespace, verb: str) -> int:
    from ..demo.container import StageError
    from ..demo.story import tell

    try:
        return tell(keep=args.keep, as_json=args.json)
    except StageError as error:
        raise Failure(FAILED, str(error)) from None
