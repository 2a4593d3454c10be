"""The daemon, with points at which it ends itself when it is told to: ``python -m tests.killmatrix.entry run -c FILE``.

A point is passed before and after each named step of the artifacts, each fsync, rename and link made on their behalf,
each commit that has to do with a deployment, each call of the engine and each action. Its name begins with the phase
that was last written down. The folder ``KILL_FOLDER`` says what to do: ``record`` there has every point written to
``points``; ``kill`` holds a point, how many times it is passed before, and the signal.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import msgspec

from edged.act import EXECUTORS
from edged.adapters.artifacts import steps
from edged.adapters.docker_engine import DockerEngine
from edged.adapters.host import LocalHost
from edged.adapters.store import SqliteStore
from edged.ports import Batch
from edged.vocabulary import actions
from edged.vocabulary.deployments import ENDS
from edged.vocabulary.events import DeploymentChanged

CALLS = ("fsync", "rename", "replace", "symlink", "link")
ENGINE = ("inspect", "get_archive", "put_archive", "restart", "start", "signal")
ACTED = (actions.RestartContainer, actions.StartContainer, actions.SignalContainer, actions.CallHook)
REPO = Path(__file__).resolve().parents[2]
NONE = "none"
"""No deployment of this run of edged is under way."""
_rename = os.rename
"""The real one: what is done here is no point."""


class Points:
    """Thread-safe. Ends the process at most once for each ``kill`` that is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phase = NONE
        self._lock = threading.Lock()
        self._passed: Counter[str] = Counter()

    def begin(self) -> None:
        """Another deployment: points are counted anew."""
        with self._lock:
            self._passed.clear()

    def at(self, name: str) -> None:
        if self.phase != NONE:
            self.named(f"{self.phase}/{name}")

    def named(self, point: str) -> None:
        with self._lock:
            self._passed[point] += 1
            if (self.folder / "record").exists():
                with (self.folder / "points").open("a") as points:
                    points.write(f"{point}\n")
            try:
                wanted, times, how = (self.folder / "kill").read_text().split("\n")
            except FileNotFoundError:
                return
            if point == wanted and self._passed[point] == int(times):
                _rename(self.folder / "kill", self.folder / "killed")
                os.kill(os.getpid(), int(how))
                while True:  # a stop takes hold of the other threads, too, in a moment
                    time.sleep(1.0)

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def call(*args: Any, **options: Any) -> Any:
            self.at(f"{name}:before")
            got = real(*args, **options)
            self.at(f"{name}:after")
            return got

        return call

    def system_call(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Only what is done about artifacts; named by the function of edged that does it."""

        @wraps(real)
        def call(*args: Any, **options: Any) -> Any:
            if not threading.current_thread().name.startswith("edged-artifact"):
                return real(*args, **options)
            return self.around(f"{_caller()}.{name}", real)(*args, **options)

        return call

    def engine_call(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Those of actions; the ones that only watch are no part of a deployment."""

        @wraps(real)
        def call(*args: Any, **options: Any) -> Any:
            if not threading.current_thread().name.startswith(("edged-artifact", "edged-act")):
                return real(*args, **options)
            return self.around(f"engine.{name}", real)(*args, **options)

        return call

    def commit(self, real: Callable[..., int]) -> Callable[..., int]:
        intents: dict[str, str] = {}

        @wraps(real)
        def call(store: SqliteStore, batch: Batch, encode: Any) -> int:
            points = []
            for _, event in batch.events:
                if isinstance(event, DeploymentChanged):
                    if event.old == "received":
                        self.begin()
                    self.phase = event.new
                    points.append(f"{event.new}/journal.{event.new}")
            for identity, action in batch.intents:
                kind = str(msgspec.json.decode(action)["type"])
                if self.phase != NONE:
                    points.append(f"{self.phase}/journal.begin.{kind}")
                    # The end may share a commit with the next phase, or not: it is named by the phase it began in.
                    intents[identity] = f"{self.phase}/journal.end.{kind}"
            points.extend(intents[one] for one, _ in batch.outcomes if one in intents)
            for point in points:
                self.named(f"{point}:before")
            got = real(store, batch, encode)
            for point in points:
                self.named(f"{point}:after")
            if self.phase in ENDS and f"{self.phase}/journal.end.TidyArtifacts" in points:
                self.phase = NONE
            return got

        return call

    def install(self) -> None:
        steps.at = self.at
        for name in CALLS:
            put(os, name, partial(self.system_call, name))
        os.sync = self.around("os.sync", os.sync if "KILL_SYNC" not in os.environ else _sync_state)
        for name in ENGINE:
            put(DockerEngine, name, partial(self.engine_call, name))
        for kind in ACTED:
            EXECUTORS[kind] = self.around(f"act.{kind.__name__}", EXECUTORS[kind])
        put(SqliteStore, "commit", self.commit)
        if boot := os.environ.get("KILL_BOOT"):
            put(LocalHost, "boot_id", lambda _real: lambda _host: boot)


def put(owner: object, name: str, around: Callable[[Any], Any]) -> None:
    """Puts what ``around`` makes of a function in that function's place."""
    setattr(owner, name, around(getattr(owner, name)))


def _sync_state() -> None:
    """Of this host's many disks only the one that is looked at."""
    import ctypes

    descriptor = os.open(os.environ["KILL_SYNC"], os.O_RDONLY)
    ctypes.CDLL(None).syncfs(descriptor)
    os.close(descriptor)


def _caller() -> str:
    frame = sys._getframe(2)
    while frame.f_back is not None and not frame.f_code.co_filename.startswith(f"{REPO}/edged/"):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


def main() -> None:
    Points(Path(os.environ["KILL_FOLDER"])).install()
    from edged.__main__ import main as edged

    edged()


if __name__ == "__main__":
    main()
