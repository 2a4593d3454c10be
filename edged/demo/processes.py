"""The demo's own broker and the daemon itself, as child processes with everything in one folder."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .container import StageError

SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])


def free_ports(count: int) -> list[int]:
    """Different ones: each is held until all are known."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def wait(condition: Callable[[], bool], within: float) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Child:
    """A process of ours, with its output in a file. It gets no ^C of its own: we end it in order."""

    def __init__(self, command: list[str], output: Path, environment: Mapping[str, str] | None = None) -> None:
        self.output = output
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-2000:]

    @property
    def code(self) -> int | None:
        """How it ended; ``None`` while it runs."""
        return self._process.poll()

    def hang_up(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def end(self, within: float = 8.0) -> int | None:
        """SIGTERM, then SIGKILL. The exit code, ``None`` when it had to be killed."""
        self._process.terminate()
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None


def mosquitto() -> str:
    """The program. Raises ``StageError`` when it is not installed."""
    program = shutil.which("mosquitto", path=SBIN)
    if program is None:
        raise StageError("mosquitto is not installed: apt-get install -y mosquitto, or let scripts/demo do it")
    return program


def for_anybody(port: int) -> str:
    """A broker's configuration without any rights: it listens to this machine only."""
    return f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"


class Broker(Child):
    """mosquitto on a loopback port of its own."""

    def __init__(self, program: str, folder: Path, port: int, text: str) -> None:
        """``text``: its configuration."""
        folder.mkdir()
        config = folder / "mosquitto.conf"
        # As root it would become the user mosquitto, who may not read the demo's folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        config.write_text(user + text)
        super().__init__([program, "-c", str(config)], folder / "mosquitto.log")
        if not wait(lambda: not self.runs or _listens(port), 10.0) or not self.runs:
            raise StageError(f"mosquitto did not start:\n{self.said()}")


class Daemon(Child):
    """``edged run`` with a configuration of the demo's own."""

    def __init__(self, config: Path, state: Path, port: int) -> None:
        self.socket = state / "edged.sock"
        self._port = port
        self._config = config
        # A daemon of this name may run under systemd: it must not hear from this one.
        environment = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "STATE_DIRECTORY")}
        super().__init__([*EDGED, "run", "-c", str(config)], state.parent / "edged.log", environment)

    def status(self) -> dict[str, Any]:
        """What ``/status.json`` shows; empty while it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2.0)
        try:
            connection.request("GET", "/status.json")
            shown: dict[str, Any] = json.load(connection.getresponse())
            return shown
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def reload(self, text: str) -> None:
        """Writes the configuration and says so."""
        self._config.write_text(text)
        self.hang_up()

    def command(self, *arguments: str) -> tuple[int, str]:
        """Runs a verb as a person would: exit code and what it printed."""
        return run([*EDGED, *arguments, "--socket", str(self.socket)])


EDGED = [sys.executable, "-m", "edged"]


def run(command: list[str], environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and what it printed. Raises ``StageError`` when it does not end within a minute."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60.0,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as late:
        raise StageError(f"{' '.join(command)} did not end within {late.timeout:.0f} s") from None
    return done.returncode, done.stdout.strip()


def lines(child: Child, within: float) -> Generator[str, None, None]:
    """What it prints, as it prints it, until it ends. It is ended when it takes too long, and by ``close``."""
    deadline = time.monotonic() + within
    try:
        with child.output.open() as printed:
            while True:
                over = not child.runs  # asked first: what it printed before is there now
                yield from (line.rstrip("\n") for line in iter(printed.readline, ""))
                if over:
                    return
                if time.monotonic() > deadline:
                    raise StageError(f"it did not end within {within:.0f} s; it said:\n{child.said()}")
                time.sleep(0.05)
    finally:
        child.end()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False
