"""The apps of a site: containers that serve a health endpoint, and the ways in which one of them fails."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import requests

from tests.fixtures.broker import free_port
from tests.fixtures.engine import Engine
from tests.fixtures.models import pack

from .plan import ASKED, LOOP, AppFault

LIMIT = 24 * 2**20
AWAY = (docker.errors.DockerException, requests.RequestException, OSError)
_SERVES = (
    "trap 'exit 0' TERM; trap 'exec dd if=/dev/zero of=/dev/null bs=64M' USR1; "
    "test -e /www/crash && exit 7; mkdir -p /conf /data; test -e /conf/app.yaml || echo 'bad: 0' > /conf/app.yaml; "
    "rm -f /www/ok; grep -q 'bad: 1' /conf/app.yaml || touch /www/ok; echo $$ > /data/run; "
    "httpd -f -p 127.0.0.1:{port} -h /www & wait; exit 3"
)
"""A restart makes it healthy again, unless its configuration is bad; on SIGUSR1 its
main process asks for more memory than it may have."""
_LOST = re.compile(
    r"^(a\d+): attempt \d+ did not help: (?:task [0-9a-f]{64}: already exists|id already in use)", re.MULTILINE
)
"""As edged tells it."""


class Crew:
    """``count`` apps, ``a0`` … each in a container of its own."""

    def __init__(self, engine: Engine, folder: Path, count: int) -> None:
        self.engine = engine
        self.names = tuple(f"a{number}" for number in range(count))
        self.ports = {name: free_port() for name in self.names}
        self._www = {name: folder / "www" / name for name in self.names}
        self._client: Any = None
        self._bundles = folder / "bundles"
        for name in self.names:
            self._www[name].mkdir(parents=True)
            self._make(name)

    def _make(self, name: str) -> None:
        serves = ("sh", "-c", _SERVES.format(port=self.ports[name]))
        self.engine.run(name, *serves, mounts=[f"{self._www[name]}:/www"], mem_limit=LIMIT)

    def repair(self, log: str) -> list[str]:
        """Makes containers anew that the engine itself has lost the power over, which happens when it is killed in the
        middle of a start: no start of theirs works any more, by whomever, and edged has called for a person."""
        broken = sorted(set(_LOST.findall(log)))
        for name in broken:
            self.engine.rm(name)
            self._make(name)
        return broken

    def heal(self) -> None:
        """Nothing keeps any of them from being healthy."""
        for folder in self._www.values():
            (folder / "crash").unlink(missing_ok=True)

    def fail(self, name: str, what: AppFault, ask: Callable[[str], None]) -> bool:
        """``False``: it could not be done now, since the app or the engine is away."""
        if what in ASKED:
            ask(name)
            return True
        if what == "unhealthy":
            (self._www[name] / "ok").unlink(missing_ok=True)
            return True
        main = self._pid(name)
        if not main:
            return False
        with suppress(ProcessLookupError, FileNotFoundError):
            if what == "hang":
                for child in self._children(main):
                    os.kill(child, signal.SIGSTOP)
            elif what == "oom":
                os.kill(main, signal.SIGUSR1)
            else:
                if what == "loop":
                    (self._www[name] / "crash").touch()
                os.kill(main, signal.SIGKILL)
            return True
        return False

    def bundle(self, version: int) -> Path:
        """The configuration of that version, packed. Every second one is bad."""
        files = self._bundles / f"v{version}"
        if not files.exists():
            files.mkdir(parents=True)
            (files / "app.yaml").write_text(f"bad: {1 - version % 2}\nversion: {version}\n")
            pack(files, version, kind="config")
        return files.with_suffix(".tar")

    def calm(self, name: str) -> None:
        """A loop is over."""
        (self._www[name] / "crash").unlink(missing_ok=True)

    def _pid(self, name: str) -> int:
        try:
            if self._client is None:
                self._client = docker.APIClient(self.engine.url, version="auto", timeout=2)
            return int(self._client.inspect_container(name)["State"]["Pid"])
        except AWAY:
            self._client = None
            return 0

    def _children(self, pid: int) -> list[int]:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


LOOP_SECONDS = 1.0 * LOOP
"""For so long an app in a loop ends at each start."""
