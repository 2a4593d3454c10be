"""Which broker, which key: from the command line, the environment, or ``~/.config/edged/fleet.yaml``, in this order."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.types import FilePath, Section
from . import REFUSED, UNREACHABLE, USAGE, Failure
from .key import read

if TYPE_CHECKING:
    from ..fleet import Console, Signer

CONNECT = 15.0
"""Seconds until there has to be a connection."""


class FleetOptions(Section, frozen=True, kw_only=True):
    """Keys of the file; file names in it are relative to its folder."""

    broker: str = ""
    key: FilePath = ""
    ca: FilePath = ""
    cert: FilePath = ""
    tls_key: FilePath = ""
    username: str = ""
    password_file: FilePath = ""


_HELP = {
    "broker": ("URL", "mqtts://HOST[:8883] or mqtt://HOST[:1883]"),
    "key": ("FILE", "the Ed25519 key that signs commands, made by `edged key new`"),
    "ca": ("FILE", "who signed the broker's certificate (PEM); default: the system's authorities"),
    "cert": ("FILE", "this console's certificate for the broker (PEM)"),
    "tls_key": ("FILE", "its private key (PEM), when it is not in the same file"),
    "username": ("NAME", "for the broker"),
    "password_file": ("FILE", "the password for the broker"),
}


def add(parser: argparse.ArgumentParser) -> None:
    """Before the sub-verb and after it: what is not given leaves what was given there."""
    group = parser.add_argument_group(
        "broker and key",
        "also from the environment (EDGED_FLEET_BROKER, EDGED_FLEET_TLS_KEY …), or from ~/.config/edged/fleet.yaml\n"
        "with the keys " + ", ".join(_HELP),
    )
    for name, (metavar, text) in _HELP.items():
        flags = [f"--{name.replace('_', '-')}", *(["--key-file"] if name == "tls_key" else [])]
        group.add_argument(*flags, dest=name, metavar=metavar, help=text, default=argparse.SUPPRESS)


def resolve(args: argparse.Namespace) -> FleetOptions:
    """Raises ``Failure``."""
    base = _file()
    found = {}
    for name in _HELP:
        given = getattr(args, name, "") or os.environ.get(f"EDGED_FLEET_{name.upper()}", "")
        found[name] = given or getattr(base, name)
    if not found["broker"]:
        raise Failure(USAGE, "say which broker: --broker mqtts://HOST, or `broker:` in ~/.config/edged/fleet.yaml")
    return FleetOptions(**found)


def _file() -> FleetOptions:
    from ..config import document
    from ..config.problem import ConfigError
    from ..config.reader import Reader

    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "edged"
    path = folder / "fleet.yaml"
    if not path.exists():
        return FleetOptions()
    try:
        reader = Reader(str(path), os.environ, folder)
        read_: FleetOptions = reader.struct(FleetOptions, document.parse(document.read_bytes(path), str(path)))
        if reader.problems:
            raise ConfigError(tuple(reader.problems))
    except ConfigError as error:
        raise Failure(USAGE, f"the file with the defaults cannot be used\n{error}") from None
    return read_


@contextmanager
def console(args: argparse.Namespace, *, signing: bool) -> Iterator[Console]:
    """Connected. What goes wrong with the broker, here or later, ends the verb in words for the operator."""
    from ..adapters.fleet_link import FleetLink
    from ..config.model import Mqtt
    from ..fleet import Console
    from ..fleet.console import Refused
    from ..ports import Unreachable

    options = resolve(args)
    if not options.broker.startswith(("mqtt://", "mqtts://")):
        raise Failure(USAGE, f"--broker {options.broker}: write mqtts://HOST or mqtt://HOST")
    signer = _signer(options) if signing else None
    for name in ("ca", "cert", "tls_key", "password_file"):
        path = getattr(options, name)
        if path and not os.access(path, os.R_OK):
            raise Failure(USAGE, f"--{name.replace('_', '-')} {path} cannot be read")
    mqtt = Mqtt(
        url=options.broker,
        username=options.username,
        password_file=options.password_file,
        ca_file=options.ca,
        cert_file=options.cert,
        key_file=options.tls_key,
    )
    made = Console(FleetLink(mqtt), signer)
    try:
        made.connect(CONNECT)
        yield made
    except Refused as error:
        raise Failure(REFUSED, str(error)) from None
    except Unreachable as error:
        raise Failure(UNREACHABLE, f"no connection to {options.broker}: {error}") from None
    finally:
        made.close()


def _signer(options: FleetOptions) -> Signer:
    from ..adapters import ed25519
    from ..adapters.fleet_files import CounterFile
    from ..fleet import Signer

    if not options.key:
        raise Failure(USAGE, "commands are signed: say with which key (--key FILE; `edged key new` makes one)")
    path = Path(options.key)
    key_id, seed = read(path)
    try:
        counter = CounterFile(path)
    except OSError as error:
        raise Failure(USAGE, f"the counter of {path} cannot be kept: {error.strerror} ({error.filename})") from None
    return Signer(key_id, lambda message: ed25519.sign(seed, message), counter.next)
