"""A broker with simulated devices, and the console's verbs as an operator uses them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.adapters import ed25519
from edged.adapters.fleet_link import FleetLink
from edged.config.model import Mqtt
from edged.fleet import Console, Signer
from edged.fleet.commands import next_counter
from tests.fixtures.broker import Mosquitto
from tests.fixtures.fleet_device import KEY_ID, SEED, SimulatedFleet, key_file


@pytest.fixture
def fleet(broker: Mosquitto) -> Iterator[SimulatedFleet]:
    made = SimulatedFleet(broker.port)
    yield made
    made.close()


def signer(seed: bytes = SEED, key_id: str = KEY_ID) -> Signer:
    last = 0

    def count() -> int:
        nonlocal last
        last = next_counter(last, 0.0)
        return last

    return Signer(key_id, lambda message: ed25519.sign(seed, message), count)


@pytest.fixture
def new_console(broker: Mosquitto) -> Iterator[Callable[..., Console]]:
    made: list[Console] = []

    def make(**options: Any) -> Console:
        link = FleetLink(Mqtt(url=broker.url), backoff=(0.02, 0.1))
        made.append(Console(link, options.pop("signer", None) or signer(), **options))
        made[-1].connect(20.0)
        return made[-1]

    yield make
    for one in made:
        one.close()


class Verbs:
    """``edged fleet …`` in a process of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.key = key_file(folder)
        self.folder = folder
        self._options = ["--broker", url, "--key", self.key]
        self._env = {key: value for key, value in os.environ.items() if not key.startswith("EDGED_")}
        self._env |= {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "edged", "fleet", *self._options, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._env,
        )

    def on_a_terminal(self, *args: str) -> tuple[subprocess.Popen[bytes], int]:
        """The process, and the other side of its terminal of 120 columns and 30 lines."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "edged", "fleet", *self._options, *args],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=self._env | {"TERM": "xterm-256color"},
        )
        os.close(theirs)
        return process, ours

    def call(self, *args: str, options: list[str] | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edged", "fleet", *(self._options if options is None else options), *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, env=self._env | env)

    def json(self, *args: str) -> Any:
        done = self.call(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def verbs(tmp_path: Path, broker: Mosquitto) -> Verbs:
    return Verbs(tmp_path, broker.url)
