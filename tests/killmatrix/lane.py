"""One app with its daemon, deployed to again and again."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from edged.cli import Failure
from edged.cli.client import command
from edged.vocabulary.deployments import ENDS
from tests.bench.measure import until
from tests.fixtures.broker import free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import REPO, Engine

from .power import Disk
from .wares import SPOILT, Ware, content, make_ware

HEAD = "set -u\ntrap 'exit 0' TERM\ntrap load HUP\n"
# Well is who has read a whole file that is not spoilt; the page tells which one that was.
APP = (
    HEAD
    + """
load() {
    rm -f /www/health; cp "$FILE" /tmp/mine 2>/dev/null || : > /tmp/mine
    set -- $(sha256sum /tmp/mine); echo $1 > /www/digest.new; mv /www/digest.new /www/digest
    if [ -s /tmp/mine ] && ! grep -q @SPOILT@ /tmp/mine; then : > /www/health; fi
}
mkdir -p /www; load; httpd -f -p 127.0.0.1:$PORT -h /www &
while :; do wait; sleep 0.1; done
"""
).replace("@SPOILT@", SPOILT)


class Setting(Struct, frozen=True):
    """How an artifact gets to the app."""

    name: str
    kind: str
    delivery: str
    reload: Any
    path: str
    """As in edged's configuration."""
    file: str
    """What the app reads."""
    brought: bool
    """The image brings a file of its own."""


SETTINGS = {
    one.name: one
    for one in (
        Setting("model/mount", "model", "mount", "restart", "/models", "/models/current/model.onnx", False),
        Setting("model/copy", "model", "copy", "restart", "/data", "/data/model.onnx", True),
        Setting("config/copy", "config", "copy", {"signal": "HUP"}, "/data/app.yaml", "/data/app.yaml", True),
        Setting(
            "config/mount", "config", "mount", {"signal": "HUP"}, "/configs/current/app.yaml",
            "/configs/current/app.yaml", False,
        ),
    )
}  # fmt: skip


class Lane:
    """``state``, when given, is a folder that is there already."""

    def __init__(self, engine: Engine, folder: Path, name: str, setting: Setting, state: Path | None = None) -> None:
        folder.mkdir(parents=True)
        self.engine, self.folder, self.name, self.setting = engine, folder, name, setting
        self.port, self.sequence = free_port(), 0
        self.kill = folder / "kill"
        self.kill.mkdir()
        self.disk: Disk | None = None
        self.boot = 0
        """Of the host, as edged is to believe; 0: this host's own."""
        self.asked: Ware | None = None
        """What was asked for last."""
        self.placed: Ware | None = None
        """What is in place; ``None``: what the image brought, or nothing."""
        page = f"http://127.0.0.1:{self.port}"
        app = {
            "container": name,
            "health": {
                "http": f"{page}/health", "every": "400ms", "timeout": "400ms", "failures": 3, "start_period": "1s",
            },
            "restart": {"stop_timeout": "1s", "backoff": "500ms", "max_backoff": "1s", "budget": 100000},
            "model" if setting.kind == "model" else "app_config": {
                "path": setting.path, "delivery": setting.delivery, "reload": setting.reload, "gate": {"window": "1s"},
            },
        }  # fmt: skip
        self.edged = Edged(folder, engine.url, {"apps": {"app": app}})
        if state is not None:
            self.edged.state = state
            self.edged.configure({"apps": {"app": app}})
        self.home = self.edged.state / f"{setting.kind}s" / "app"
        self.before = content(setting.kind, "brought by the image") if setting.brought else b""

    def begin(self) -> None:
        """Container and daemon."""
        self.edged.state.mkdir(exist_ok=True)
        self.edged.state.chmod(0o755)
        mounts = []
        if self.setting.delivery == "mount":
            self.home.mkdir(parents=True)
            mounts.append(f"{self.home}:/{self.setting.kind}s:ro")
        self.engine.run(
            self.name, "sh", "-c", APP, mounts=mounts, start=False,
            environment={"PORT": str(self.port), "FILE": self.setting.file},
        )  # fmt: skip
        if self.setting.brought:
            self._bring()
        self.engine.client.start(self.name)
        self.launch()
        if self.setting.brought:
            self.wait_well()

    def _bring(self) -> None:
        import io
        import tarfile

        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(self.setting.file.lstrip("/"))
            info.size = len(self.before)
            tar.addfile(info, io.BytesIO(self.before))
        assert self.engine.client.put_archive(self.name, "/", buffer.getvalue())

    def launch(self) -> None:
        """Starts edged and does not wait."""
        setpriv = shutil.which("setpriv")
        dies_with_us = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        boot = {"KILL_BOOT": f"boot {self.boot}"} if self.boot else {}
        with self.edged.log.open("ab") as log:
            self.edged.process = subprocess.Popen(
                [*dies_with_us, sys.executable, "-m", "tests.killmatrix.entry", "run", "-c", str(self.edged.file)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=REPO,
                env=os.environ | {"KILL_FOLDER": str(self.kill), "KILL_SYNC": str(self.edged.state)} | boot,
            )  # fmt: skip

    # Deploying

    def next_ware(self, spoilt: bool) -> Ware:
        self.sequence += 1
        shutil.rmtree(self.folder / f"ware-{self.sequence - 2}", ignore_errors=True)
        return make_ware(self.folder / f"ware-{self.sequence}", self.setting.kind, self.sequence, spoilt)

    def ask(self, ware: Ware) -> Asked:
        until(self.status, 30.0, "edged answers")
        self.asked = ware
        return Asked(self.edged.socket, f"{self.setting.kind}.deploy", ware)

    def wait_struck(self, asked: Asked, within: float) -> bool:
        """Whether edged was ended at the point; ``False``: the deployment came to its end without."""
        deadline, since = time.monotonic() + within, 0.0
        assert self.edged.process is not None
        while time.monotonic() < deadline:
            if (self.kill / "killed").exists() and (_stopped(self.edged.process.pid) or self.edged.process.poll()):
                return True
            # The last points are passed just after that is to be seen.
            since = (since or time.monotonic()) if asked.over.is_set() and self.idle() else 0.0
            if since and time.monotonic() - since > 1.0:
                return False
            time.sleep(0.02)
        raise Wrong(f"neither killed nor over within {within:g} s")

    def idle(self) -> bool:
        """No deployment is under way, and nothing is left to be tidied."""
        status = self.status()
        return status is not None and status["apps"]["app"]["deployment"] is None and not self.open_actions()

    def status(self) -> dict[str, Any] | None:
        """``None``: edged is not up, or ended while it answered."""
        try:
            return self.edged.try_status()
        except (ValueError, OSError):
            return None

    def open_actions(self) -> int:
        """That have an entry in the journal, and no end."""
        with closing(sqlite3.connect(f"file:{self.edged.state}/edged.db?mode=ro", uri=True, timeout=5.0)) as db:
            found = db.execute("SELECT count(*) FROM journal WHERE outcome IS NULL").fetchone()[0]
        return int(found)

    def wait_over(self, within: float) -> None:
        """As the service manager would: what ended is started again."""
        deadline, since = time.monotonic() + within, 0.0
        while True:
            assert self.edged.process is not None
            if self.edged.process.poll() is not None:
                self.launch()
            now = time.monotonic()
            since = (since or now) if self.idle() else 0.0
            if since and now - since > 0.3:
                return
            if now > deadline:
                status = self.status()
                app = status["apps"]["app"] if status else None
                raise Wrong(f"not over within {within:g} s: {app and (app['deployment'], app['state'], app['reason'])}")
            time.sleep(0.05)

    # Looking

    def ends(self) -> dict[str, list[str]]:
        """Every deployment's last phases, as told by the events."""
        found: dict[str, list[str]] = {}
        for event in self.edged.events("deployment.changed"):
            ended = found.setdefault(event["data"]["id"], [])
            if event["data"]["new"] in ENDS:
                ended.append(event["data"]["new"])
        return found

    def said(self, phase: str) -> str:
        """The reason that the last deployment with this end gave."""
        told = [event["data"] for event in self.edged.events("deployment.changed") if event["data"]["new"] == phase]
        return f"{told[-1]['code']}: {told[-1]['reason']}" if told else ""

    def page(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=2.0) as answer:
                return str(answer.read().decode().strip())
        except (OSError, urllib.error.HTTPError):
            return None

    def wait_well(self, within: float = 60.0) -> None:
        def well() -> bool:
            status = self.status()
            return self.page("health") is not None and status is not None and _state(status) == "healthy"

        try:
            until(well, within, f"{self.name} is healthy")
        except TimeoutError as error:
            raise Wrong(str(error)) from error

    def inside(self) -> Path:
        """The container's root as the host sees it, while it runs."""
        return Path(f"/proc/{self.engine.pid(self.name)}/root")

    def end(self) -> None:
        self.edged.end()
        self.engine.rm(self.name)


class Wrong(Exception):
    """Something is not as it has to be after a kill."""


class Asked:
    """A command on its way: its answers are read by a thread of its own."""

    def __init__(self, socket: str, kind: str, ware: Ware) -> None:
        self.ware = ware
        self.answers: list[dict[str, Any]] = []
        self.over = threading.Event()
        self.failure = ""
        given = {"app": "app", "bundle": str(ware.folder)}
        self._thread = threading.Thread(target=self._read, args=(socket, kind, given), daemon=True)
        self._thread.start()

    def _read(self, socket: str, kind: str, given: dict[str, Any]) -> None:
        try:
            self.answers.extend(command(socket, kind, given))
        except (Failure, ValueError) as failure:
            self.failure = str(failure)  # edged ended in the middle of it
        self.over.set()

    def wait(self, within: float) -> None:
        """Until the answers end: the deployment is over, or edged is."""
        if not self.over.wait(within):
            raise Wrong(f"no last answer within {within:g} s")


def _state(status: dict[str, Any]) -> str:
    app = status["apps"].get("app")
    return app["state"] if app is not None else ""


def _stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
    except FileNotFoundError:
        return True


def end_process(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10.0)
