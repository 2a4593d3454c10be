"""A device under test: the daemon, its disk, its clock, the broker with a reader, and a dependency of the apps."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine

HOUR = 3600
BUDGET, PER, RETRY_AFTER, RESET_AFTER = 4, 20.0, 3.0, 4.0
RESTART = {
    "budget": BUDGET, "per": f"{PER:g}s", "backoff": "200ms", "max_backoff": "1s", "retry_after": f"{RETRY_AFTER:g}s",
    "reset_after": f"{RESET_AFTER:g}s", "stop_timeout": "1s", "policy_grace": "1s", "verify_within": "8s",
}  # fmt: skip
KEPT = {"app_config": {"path": "/conf/app.yaml", "gate": {"window": "2s"}}, "data": {"path": "/data", "every": "0s"}}
DISK = "192m"


class Device(Edged):
    """Started through ``tests.faults.entry``, with a wall clock that can be set."""

    def __init__(self, folder: Path, engine: str, config: dict[str, Any], clock: dict[str, str]) -> None:
        super().__init__(folder, engine, config)
        self._clock = clock

    def launch(self, **env: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.entry", "run", "-c", str(self.file)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | self._clock | env, cwd=REPO,
            )  # fmt: skip


class Clock:
    """What the daemon takes for the wall clock; see ``entry``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.env = {"FAULT_CLOCK": str(self._file)}
        self.jump(0)

    def jump(self, hours: int) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{hours * HOUR}")
        fresh.rename(self._file)


class Disk:
    """The state folder on a file system of its own, which can be filled to the last block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        with suppress(OSError), (self.folder / "ballast").open("ab", buffering=0) as ballast:
            while True:
                ballast.write(b"x" * 65536)

    def make_room(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def end(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)


class Plant:
    """A TCP port that some of the apps need."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.port = 0
        self.up()

    def up(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = listener.getsockname()[1]
        self._socket = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                listener.accept()[0].close()


class Site:
    """One round's device. ``end`` leaves nothing but the folder."""

    def __init__(self, engine: Engine, broker: Mosquitto, folder: Path, number: int, ports: dict[str, int]) -> None:
        folder.mkdir(parents=True)
        self._over = False
        self.deployed: Counter[str] = Counter()
        """By app, how many configurations it was given."""
        self.engine, self.broker, self.name = engine, broker, f"fault-{number}"
        self.clock, self.plant = Clock(folder), Plant()
        self.disk = Disk(folder / "state")
        self.reader = Reader(broker, f"edged/v1/{self.name}/event")
        self.edged = Device(folder, engine.url, self._config(ports), self.clock.env)

    def _config(self, ports: dict[str, int]) -> dict[str, Any]:
        quick = {"every": "500ms", "timeout": "400ms", "failures": 2, "start_period": "3s"}
        apps: dict[str, Any] = {}
        for number, (name, port) in enumerate(ports.items()):
            health = {"http": f"http://127.0.0.1:{port}/ok", **quick}
            apps[name] = {"health": health, "restart": RESTART, "priority": number % 100, **KEPT}
            if number % 3 == 2:
                apps[name]["needs"] = ["plant"]
        config: dict[str, Any] = {
            "device": {"id": self.name},
            "apps": apps,
            "mqtt": {"url": self.broker.url, "keepalive": "5s"},
            "docker": {"url": self.engine.url, "timeout": "3s", "poll": "2s", "restart": {"after": 0}},
            "dependencies": {"plant": {"tcp": f"127.0.0.1:{self.plant.port}", "every": "500ms", "timeout": "400ms",
                                       "failures": 2}},
            "alerts": {"changes": 1000, "calm": "1s"},
            "incidents": {"hold": "1s", "reopen": "10s"},
            "sampling": {"every": "5s"},
        }  # fmt: skip
        return config

    def start(self) -> None:
        if not self._over:
            self.edged.start(within=40.0)

    def healthy(self) -> bool:
        """All of them, with nothing under way, nothing firing and nothing unsent."""
        return not self.unsettled()

    def unsettled(self) -> list[str]:
        shot = self.edged.try_status()
        if shot is None:
            return ["edged does not answer"]
        wrong = [f"{name} is {app['state']}: {app['reason']}" for name, app in shot["apps"].items()
                 if app["state"] != "healthy" or app["recovery"]["phase"] != "idle"]  # fmt: skip
        wrong += [f"{alert['name']} {alert['subject']} fires" for alert in shot["alerts"]]
        wrong += [f"the incident {one['id']} is open" for one in shot["incidents"]]
        wrong += [f"a deployment to {name} is under way: {app['deployment']}" for name, app in shot["apps"].items()
                  if app["deployment"] or app["deployment_waiting"]]  # fmt: skip
        wrong += [f"data of {name}: {app['data']}" for name, app in shot["apps"].items()
                  if app["data"]["under_way"] or app["data"]["restoring"] or app["data"]["restore_error"]]  # fmt: skip
        if shot["broker"]["spool_messages"]:
            wrong.append(f"{shot['broker']['spool_messages']} events are unsent")
        if shot["storage_error"]:
            wrong.append(f"storage: {shot['storage_error']}")
        return wrong

    def back_up_again(self) -> None:
        """A backup that failed is told until there is one: without a plan for them, a person makes it."""
        shot = self.edged.try_status()
        for alert in shot["alerts"] if shot is not None else ():
            if alert["name"] == "BackupFailed":
                self.edged.command("data.backup", app=alert["subject"])

    def end(self) -> None:
        self._over = True
        self.edged.end()
        self.reader.close()
        self.plant.down()
        self.disk.end()
