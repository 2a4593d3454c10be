"""The fleet's broker as this repository configures it, with certificates by its own scripts/pki."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .container import StageError
from .processes import SBIN, run

BROKER = "localhost"


class Papers(NamedTuple):
    """What one end shows the other: PEM files."""

    ca: Path
    certificate: Path
    key: Path


def have_openssl() -> bool:
    """Without it there are no certificates."""
    return shutil.which("openssl", path=SBIN) is not None


def shipped(name: str) -> Path:
    """A file of this repository: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_fleet", package.parent):
        if (folder / name).is_file():
            return folder / name
    raise StageError(f"{name} is missing from this installation; install edged again")


class Authority:
    """A lab's own, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pki("init")

    def server(self) -> Papers:
        self._pki("server", BROKER, "--address", "127.0.0.1")
        return self._papers("servers", BROKER)

    def device(self, name: str) -> Papers:
        self._pki("device", name)
        return self._papers("devices", name)

    def console(self, name: str) -> tuple[Papers, str]:
        """And what the broker's access rules have to say about it."""
        said = self._pki("console", name)
        return self._papers("consoles", name), said[said.index("\nuser ") :] + "\n"

    def _papers(self, kind: str, name: str) -> Papers:
        held = self._folder / kind
        return Papers(self._folder / "ca.pem", held / f"{name}.pem", held / f"{name}.key")

    def _pki(self, what: str, *words: str) -> str:
        code, said = run(["bash", str(shipped("scripts/pki")), what, str(self._folder), *words])
        if code:
            raise StageError(f"scripts/pki {what} failed:\n{said}")
        return said


def fleet_broker(folder: Path, port: int, server: Papers, consoles: str) -> str:
    """Writes the access rules into ``folder`` and returns the broker's configuration.

    Nothing but paths and the port differ from what config/mosquitto installs.
    """
    rules = folder / "edged.acl"
    rules.write_text(shipped("config/mosquitto/edged.acl").read_text() + consoles)
    rules.chmod(0o600)
    return f"persistence_location {folder}/\n" + rendered(
        shipped("config/mosquitto/edged.conf").read_text(),
        {
            "listener 8883": f"listener {port} 127.0.0.1",
            "cafile /etc/mosquitto/ca_certificates/edged-ca.pem": f"cafile {server.ca}",
            "certfile /etc/mosquitto/certs/edged.pem": f"certfile {server.certificate}",
            "keyfile /etc/mosquitto/certs/edged.key": f"keyfile {server.key}",
            "acl_file /etc/mosquitto/edged.acl": f"acl_file {rules}",
        },
    )


def rendered(text: str, lines: Mapping[str, str]) -> str:
    """``text`` with whole lines replaced. Raises ``StageError`` when one of them is not there exactly once."""
    held = text.splitlines()
    for line in lines:
        if (times := held.count(line)) != 1:
            raise StageError(f"config/mosquitto/edged.conf has the line {line!r} {times} times instead of once")
    return "\n".join(lines.get(line, line) for line in held) + "\n"
