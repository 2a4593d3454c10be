"""What installing edged needs: packages without the network, and sources that a test may change. And a console."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged import __version__
from tests.fixtures.broker import Mosquitto
from tests.fixtures.console import Console
from tests.fixtures.engine import REPO
from tests.fixtures.machine import Machine
from tests.fixtures.wheels import wheel_folder

WHEELS = "/srv/wheels"
SOURCES = (
    "edged", "models", "config", "packaging", "systemd", "docs", "scripts", "requirements", "pyproject.toml",
    "README.md", "CHANGELOG.md",
)  # fmt: skip


@pytest.fixture(scope="session")
def wheels() -> Path:
    return wheel_folder()


class Checkout:
    """A copy of this repository on a machine, at a path with spaces."""

    PATH = "/srv/a check out"

    def __init__(self, machine: Machine, wheels: Path) -> None:
        self.version = __version__
        self._machine = machine
        self._folder = machine.path(self.PATH)
        unwanted = shutil.ignore_patterns("__pycache__")
        for name in SOURCES:
            source, target = REPO / name, self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=unwanted)
            else:
                shutil.copy(source, target)
        shutil.copytree(wheels, machine.path(WHEELS))
        gid = machine.engine.socket.stat().st_gid
        machine.sh(f"groupadd -o -g {gid} docker")

    def run(self, command: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Runs one of its scripts from somewhere else."""
        program, _, arguments = command.partition(" ")
        return self._machine.run(
            f"PIP_NO_INDEX=1 PIP_FIND_LINKS={WHEELS} '{self.PATH}/{program}' {arguments}", user=user, timeout=180
        )

    def become(self, version: str) -> None:
        """The sources become another version."""
        now = self.version
        self.edit("pyproject.toml", lambda text: text.replace(f'\nversion = "{now}"', f'\nversion = "{version}"'))
        self.edit("edged/__init__.py", lambda text: text.replace(f'"{now}"', f'"{version}"'))
        self.version = version

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        file = self._folder / path
        text = file.read_text()
        assert change(text) != text, f"nothing to change in {path}"
        file.write_text(change(text))


@pytest.fixture
def checkout(machine: Machine, wheels: Path) -> Checkout:
    return Checkout(machine, wheels)


@pytest.fixture
def console(broker: Mosquitto) -> Iterator[Console]:
    """Gives orders to the devices of the test's broker."""
    made = Console(broker)
    yield made
    made.close()
