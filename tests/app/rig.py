"""The real daemon in this process, with a stand-in for the world and one call of it that can be made to block."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from edged.app import daemon as composition
from edged.app import reporting, web, wiring
from edged.app.blackbox import Blackbox
from edged.app.daemon import Daemon
from edged.app.supervision import INTAKE, OUTBOX, RECORDER, RELOAD
from edged.config.load import load
from edged.loop import Inbox
from edged.observe.engine import EVENTS, RECONCILE
from edged.ports import Answer, Chunk, LogRead, Message, PortError, StorageError, Unreachable
from edged.vocabulary.facts import ContainerChanged
from edged.vocabulary.isolation import Endpoint
from edged.vocabulary.world import Container, Usage

from ..fixtures.broker import free_port
from ..fixtures.patience import PATIENCE

LIMIT = 0.4
"""The service manager's, seconds."""
NAME = "detector"
CONTAINER = Container(id="c" * 64, name=NAME, status="running", health="none", restart_policy="no", pid=1)


LEFT_OVER = Container(id="d" * 64, name="left-over", status="exited")
"""Nobody's, and it ended long ago."""


class Gate:
    """Closed, it lets nobody pass through one method of one port."""

    def __init__(self, port: str, method: str) -> None:
        self.port, self.method = port, method
        self.closed = False
        self.reached, self._open = threading.Event(), threading.Event()

    def close(self) -> None:
        self.closed = True

    def open(self) -> None:
        self.closed = False
        self._open.set()

    def before(self, port: str, real: Any) -> Any:
        return Gated(real, self) if port == self.port else real

    def wait(self) -> None:
        if self.closed:
            self.reached.set()
            self._open.wait(30.0)


class Gated:
    def __init__(self, real: Any, gate: Gate) -> None:
        self._real, self._gate = real, gate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name != self._gate.method:
            return found

        def call(*args: Any, **named: Any) -> Any:
            self._gate.wait()
            return found(*args, **named)

        return call


class Quiet:
    """A log in which nothing is written."""

    def read(self, most: int) -> LogRead:
        return LogRead([], 0, False)

    def close(self) -> None:
        """There is nothing behind it."""


class Engine:
    """One container, which runs and is healthy."""

    def __init__(self) -> None:
        self.away = False
        self._closed = threading.Event()

    def ping(self, timeout: float = 5.0) -> str:
        if self.away:
            raise Unreachable("nobody listens")
        return "1"

    def list_all(self) -> tuple[Container, ...]:
        return (replace(CONTAINER, restart_policy=None, pid=None), LEFT_OVER)

    def inspect(self, container_id: str) -> tuple[Container, dict[str, Any]]:
        return CONTAINER, {}

    def usage(self, container_id: str) -> Usage:
        return Usage(container_id=container_id, memory=1)

    def logs(self, container_id: str, lines: int, max_bytes: int, timeout: float, since: float = 0.0) -> bytes:
        return b""

    def follow_logs(self, container_id: str, since: str, tail: int, timeout: float) -> Quiet:
        return Quiet()

    def events(self, since: float, at: Callable[[], float]) -> Generator[ContainerChanged | None, None, None]:
        self._closed.clear()
        yield None
        while not self._closed.wait(0.05):
            yield None
        raise Unreachable("closed")

    def close_events(self) -> None:
        self._closed.set()

    def close(self) -> None:
        self._closed.set()

    def start(self, *args: Any) -> None:
        """As restart, stop, pause and unpause."""

    def prune_images(self, timeout: float) -> int:
        return 0

    restart = stop = pause = unpause = signal = connect = disconnect = remove = limit_memory = start

    def networks(self, container_id: str, timeout: float) -> tuple[str, tuple[Endpoint, ...]]:
        return "plant", (Endpoint(network="plant"),)


class Artifacts:
    """Everything works at once."""

    def fetch(self, *args: Any) -> dict[str, Any]:
        return {}

    verify = validate = back_up = place = smoke = tidy = spoil = forget = fetch


class Backups:
    """Nothing is kept."""

    def back_up(self, *args: Any) -> dict[str, Any]:
        return {}

    restore = find = back_up

    def listing(self, app: str) -> list[dict[str, Any]]:
        return []

    def prune(self) -> int:
        return 0


class Prober:
    def http(self, url: str, timeout: float, ca_file: str = "") -> Answer:
        return Answer(ok=True, seconds=0.0)

    tcp = dns = http

    def call(self, method: str, url: str, timeout: float, **more: Any) -> tuple[int, bytes]:
        return 200, b"# TYPE latency_seconds histogram\n"


class Inputs:
    """A model without a reference, and an app that is given enough at once for edged to learn one."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def open(self, app: str, source: Any, *, csv: bool, position: str) -> Any:
        return self._gate.before("RowSource", Rows())

    def shipped(self, app: str, model: str) -> bytes:
        return b""

    def learned(self, app: str, key: str) -> bytes:
        return b""

    def keep(self, app: str, key: str, reference: bytes) -> None:
        return None

    def unfinished(self, app: str) -> bytes:
        return b""

    def keep_unfinished(self, app: str, data: bytes) -> None:
        return None


class Rows:
    def read(self, most: int) -> Chunk:
        return Chunk(lines=[b'{"x": %d}' % number for number in range(500)])

    def close(self) -> None:
        return None


class Services:
    def stopped_on_purpose(self, unit: str, timeout: float) -> bool:
        return False

    def restart(self, unit: str, timeout: float) -> None:
        return None


class Broker:
    """Takes and acknowledges everything, or what ``code`` says; ``None``: it stays silent."""

    code: int | None = 0

    def __init__(self, config: Any, device: str, will: Message, connected: Any, lost: Any, ack: Any) -> None:
        self._connected, self._ack, self._sent = connected, ack, 0

    def start(self) -> None:
        self._connected(1, False, 20)

    def publish(self, message: Message, connection: int) -> int:
        self._sent += 1
        if self.code is not None:
            self._ack(self._sent, self.code if message.topic.endswith("/event") else 0, "no")
        return self._sent

    def drop(self, connection: int, reason: str) -> None:
        return None

    def acknowledge(self, receipt: int) -> None:
        return None

    def stop(self, last: Message | None, timeout: float) -> None:
        return None


class Seen(Inbox):
    """Keeps what was posted."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Any] = []

    def post(self, item: Any) -> None:
        self.facts.append(item)
        super().post(item)


class Rig:
    def __init__(self, gate: Gate, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.gate, self.folder = gate, folder
        self.engine = Engine()
        self.blind = self.full = False
        self.small: str = ""
        """The check that may not take longer than 0.2 s."""
        self.without = self.model = ""
        """A check that is not made; the model whose inputs are read."""
        self.daemon: Daemon | None = None
        self._said: list[str] = []
        self._over = False
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(folder / "notify"))
        self._manager.settimeout(0.2)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        self._thread = threading.Thread(target=self._run, name="the-daemon", daemon=True)
        self._build(patch)

    def _build(self, patch: pytest.MonkeyPatch) -> None:
        before, rig = self.gate.before, self
        patch.setattr(composition, "signal", SimpleNamespace(
            signal=lambda *_: None, SIGTERM=15, SIGINT=2, SIGHUP=1, Signals=signal.Signals
        ))  # fmt: skip
        patch.setattr(Blackbox, "arm", lambda self: None)
        patch.setattr(Blackbox, "disarm", lambda self: None)
        patch.setattr(composition, "Inbox", Seen)
        for port, name in (
            ("Notifier", "SystemdNotifier"), ("EvidenceStore", "EvidenceFolder"), ("OwnConfig", "OwnConfigTrial"),
        ):  # fmt: skip
            real = getattr(composition, name)
            patch.setattr(composition, name, lambda *args, real=real, port=port: before(port, real(*args)))
        readings = wiring.OwnReadings
        patch.setattr(wiring, "OwnReadings", lambda *args: before("Readings", readings(*args)))
        patch.setattr(composition, "lazy_engine", lambda *_: before("Containers", self.engine))
        patch.setattr(composition, "lazy_backups", lambda *_: before("DataBackups", Backups()))
        patch.setattr(wiring, "lazy_artifacts", lambda *_: before("Artifacts", Artifacts()))
        patch.setattr(composition, "SocketProber", lambda: before("Prober", Prober()))
        patch.setattr(composition, "LocalInputs", lambda *_: before("Inputs", Inputs(self.gate)))
        patch.setattr("edged.observe.apart.PATIENCE", 0.1)
        patch.setattr(composition, "SystemdServices", lambda: before("Services", Services()))
        patch.setattr(reporting, "PahoBroker", lambda *args, **_: before("Broker", Broker(*args[:6])))

        class Host(composition.LocalHost):
            def usage(self, container_id: str, pid: int | None) -> Usage:
                if rig.blind:
                    raise PortError("cgroups are not readable")
                return Usage(container_id=container_id, memory=1)

        class Store(composition.SqliteStore):
            def commit(self, *args: Any) -> int:
                if rig.full:
                    raise StorageError("full")
                return super().commit(*args)

        patch.setattr(composition, "LocalHost", lambda: before("Host", Host()))
        patch.setattr(composition, "SqliteStore", lambda path, **more: before("Store", Store(path, **more)))
        numbers = wiring.RollupStore
        patch.setattr(wiring, "RollupStore", lambda *args: before("History", numbers(*args)))
        clock = composition.DeviceClock

        class Clock:
            @staticmethod
            def resume(*args: Any) -> tuple[Any, bool]:
                made, rebooted = clock.resume(*args)
                return before("Clock", made), rebooted

        patch.setattr(composition, "DeviceClock", Clock)
        plan = composition.Loop.__init__.__globals__["plan"]
        patch.setitem(composition.Loop.__init__.__globals__, "plan", lambda *args: self._hasten(plan(*args)))
        if self.gate.method not in (
            "spool",
            "history",
            "log",
            "rollups",
        ):  # stopping a server takes up to half a second
            idle = SimpleNamespace(start=lambda: None, stop=lambda: None, report_late=lambda: None, calls=lambda: ())
            servers = SimpleNamespace(unix=lambda *_: idle, tcp=lambda *_: idle)
            patch.setattr(composition, "HttpServer", servers)
            patch.setattr(web, "HttpServer", servers)
        names = (RECORDER, OUTBOX, INTAKE, RELOAD, EVENTS, RECONCILE)
        patch.setattr(composition, "rhythms", lambda _: dict.fromkeys(names, 60.0))
        patch.setattr("edged.act.runner.SLACK", 0.1)
        patch.setattr("edged.report.recorder.TIDY_EVERY", 0.1)
        patch.setattr("edged.report.recorder.RETRY", 0.1)
        patch.setitem(composition.EngineWatcher.__init__.__kwdefaults__, "ping_every", 0.1)
        patch.setitem(reporting.Outbox.__init__.__kwdefaults__, "ack_timeout", 0.1)

    def _hasten(self, jobs: dict[Any, Any]) -> dict[Any, Any]:
        return {
            key: replace(
                job, every=0.1, deadline=0.2 if job.check == self.small else 60.0,
                **({"model": self.model} if job.check == "inputs" else {}),
            )
            for key, job in jobs.items() if job.check != self.without
        }  # fmt: skip

    def start(self, *, ready: bool = True) -> Rig:
        self._thread.start()
        if ready:
            self.wait(lambda: self.told("READY=1"), "ready")
        return self

    def _run(self) -> None:
        config = {
            "device": {"id": "test"}, "state_dir": str(self.folder / "state"), "discover": "off",
            "http": {"listen": f"127.0.0.1:{free_port()}"}, "mqtt": {"url": "mqtt://127.0.0.1"},
            "docker": {"restart": {"after": 0}}, "host": {"disk": {"paths": ["/"]}},
            "dependencies": {"plc": {"tcp": "127.0.0.1:1"}, "dns": {"dns": "plc.example"}},
            "apps": {NAME: {
                "health": {"http": "http://127.0.0.1:1/"},
                "metrics": {"url": "http://127.0.0.1:1/", "latency": {"histogram": "latency_seconds"}},
                "drift": {"source": {"file": "/rows.ndjson"}, "window": 400},
            }},
        }  # fmt: skip
        file = self.folder / "edged.yaml"
        file.write_text(yaml.safe_dump(config))
        env = {
            "NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": str(int(LIMIT * 1e6)),
            "RUNTIME_DIRECTORY": str(self.folder),
        }  # fmt: skip
        self.daemon = Daemon(load(file, env), env, path=file)
        self.daemon.run()

    def hasty(self, thread: str) -> None:
        """From now on this thread may be silent for ``LIMIT`` only."""
        assert self.daemon is not None
        self.daemon._supervisor._rhythms = {**self.daemon._supervisor._rhythms, thread: 0.0}

    def told(self, line: str) -> int:
        """How often the service manager was told that."""
        return self._said.count(line)

    def _listen(self) -> None:
        while not self._over:
            with contextlib.suppress(TimeoutError):
                self._said += self._manager.recv(4096).decode().split("\n")

    @property
    def facts(self) -> list[Any]:
        assert self.daemon is not None
        return list(self.daemon._inbox.facts)  # type: ignore[attr-defined]

    def turns(self, more: int = 3) -> None:
        """Waits until the loop has turned so often."""
        assert self.daemon is not None
        for _ in range(more):
            before = self.daemon._turned
            self.wait(lambda before=before: self.daemon._turned > before, "a turn of the loop")  # type: ignore[misc]

    def wait(self, condition: Callable[[], Any], what: str, within: float = 10.0) -> Any:
        deadline = time.monotonic() + PATIENCE * within
        while not (got := condition()):
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(0.005)
        return got

    def alive(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        self.gate.open()
        deadline = time.monotonic() + 15.0
        while self._thread.is_alive() and time.monotonic() < deadline:
            if self.daemon is not None:  # it may just be being made
                self.daemon._on_stop(signal.SIGTERM, None)
            self._thread.join(0.1)
        self._over = True
        self._listening.join(5.0)
        self._manager.close()
        assert not self._thread.is_alive()
