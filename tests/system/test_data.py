"""Backups of a real app's data on a real engine: a database in a volume, torn and restored, while edged is killed."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.boxes import content
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine, eventually

pytestmark = pytest.mark.engine
Make = Callable[..., Edged]

APP = """
import sqlite3, sys, time
base = sqlite3.connect("/data/app.db", timeout=60, isolation_level=None)
base.execute("PRAGMA journal_mode=WAL")
if base.execute("PRAGMA quick_check").fetchone()[0] != "ok":
    sys.exit(3)
base.execute("CREATE TABLE IF NOT EXISTS rows (at REAL, pad BLOB)")
while True:
    base.execute("INSERT INTO rows VALUES (?, zeroblob(100))", (time.time(),))
    time.sleep(0.05)
"""
LOOK = "import sqlite3,sys; sys.exit(sqlite3.connect(sys.argv[1]).execute('PRAGMA quick_check').fetchone()[0] != 'ok')"
QUICK = {"backoff": "100ms", "max_backoff": "500ms", "stop_timeout": "1s", "policy_grace": "1s", "budget": 2}


class Historian:
    """An app whose data is a database in a volume, which the test may tear."""

    def __init__(self, engine: Engine, make: Make, **data: Any) -> None:
        self.engine = engine
        volume = f"history-{secrets.token_hex(4)}"
        engine.client.create_volume(volume)
        engine.run_python("app", APP, mounts=[f"{volume}:/data"], start=False)
        self.folder = Path(engine.client.inspect_volume(volume)["Mountpoint"])
        engine.client.start("app")
        settings = {"volume": volume, "every": "0s", "verify": [sys.executable, "-c", LOOK, "{backup}/app.db"]}
        self.daemon = make({"apps": {"app": {"restart": QUICK, "data": settings | data}}}).start()
        self.daemon.wait_state("app", "healthy")
        eventually(lambda: self.rows() > 3, what="it writes")

    def restored(self, before: int) -> list[dict[str, Any]]:
        """What was told of restores, but for the ``before`` first."""
        return self.daemon.events("data.restored")[before:]

    def rows(self) -> int:
        try:
            base = sqlite3.connect(f"file:{self.folder / 'app.db'}?mode=ro", uri=True)
            try:
                return int(base.execute("SELECT count(*) FROM rows").fetchone()[0])
            finally:
                base.close()
        except sqlite3.Error:
            return -1

    def tear(self) -> None:
        """The app ends, and does not come up again with what is there."""
        self.engine.client.stop("app", timeout=1)
        for path in self.folder.iterdir():
            path.write_bytes(b"torn " * 5000)

    def cli(self, *words: str, code: int = 0) -> str:
        for _ in range(100):
            done = subprocess.run(
                [sys.executable, "-m", "edged", "data", "app", *words, "--socket", self.daemon.socket],
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            if "rejected [busy]" not in done.stdout + done.stderr:
                break
            time.sleep(0.2)  # one that was planned is just being made
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def list(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.cli("ls", "--json"))
        return found

    def file(self, name: str) -> Path:
        return self.daemon.state / "backups" / "app" / f"{name}.tar.gz"


def test_a_torn_database_comes_back_with_its_owner_and_the_torn_one_is_kept(engine: Engine, edged: Make) -> None:
    it = Historian(engine, edged)
    assert "no backup of app" in it.cli()
    os.chown(it.folder / "app.db", 1234, 1234)
    (it.folder / "app.db").chmod(0o640)
    out = it.cli("backup")
    assert "accepted" in out and "succeeded" in out and "verified on the copy" in out
    (made,) = it.list()
    rows = it.rows()
    it.tear()
    (it.folder / "junk").mkdir()
    (it.folder / "junk" / "x").write_text("x")
    out = it.cli("restore")
    assert f"succeeded: {made['name']} is in place, app is stopped" not in out and made["name"] in out
    it.engine.client.start("app")
    it.daemon.wait_state("app", "healthy")
    assert it.rows() > 0 and it.rows() <= rows + 200 and not (it.folder / "junk").exists()
    found = (it.folder / "app.db").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 1234, 0o640)
    aside = next(one["name"] for one in it.list() if one["aside"])
    with tarfile.open(it.file(aside)) as tar:
        assert {"app.db", "junk/x"} <= set(tar.getnames())
        assert content(tar, "app.db").startswith(b"torn torn")
    (told,) = it.daemon.events("data.restored")
    assert told["data"]["ok"] and told["data"]["aside"] == aside


def test_an_app_that_crashes_on_its_data_runs_again_after_a_restore(engine: Engine, edged: Make) -> None:
    it = Historian(engine, edged)
    it.cli("backup")
    main = engine.pid("app")
    os.kill(main, signal.SIGSTOP)  # or it may die of them by itself first
    for path in it.folder.iterdir():
        path.write_bytes(b"torn " * 5000)
    os.kill(main, signal.SIGKILL)
    it.daemon.wait_event("recovery.gave_up", subject="app")
    it.cli("restore")
    it.daemon.wait_state("app", "healthy")
    before = it.rows()
    eventually(lambda: it.rows() > before > 0, what="it writes again")
    kinds = [(e["type"], e["data"].get("action")) for e in it.daemon.events() if e["subject"] == "app"]
    ended = [action for kind, action in kinds if kind == "dev.edged.action.ended"]
    assert ended[-2:] == ["RestoreData", "StartContainer"]


def test_bad_data_is_not_backed_up_and_a_bad_backup_is_not_restored(engine: Engine, edged: Make) -> None:
    it = Historian(engine, edged)
    it.cli("backup")
    (good,) = it.list()
    it.tear()
    out = it.cli("backup", code=1)
    assert "failed [verify]" in out and "over a copy ended with 1" in out
    assert [one["name"] for one in it.list()] == [good["name"]]
    assert "BackupFailed" in {alert["name"] for alert in it.daemon.status()["alerts"]}
    it.file(good["name"]).write_bytes(b"rotten")
    out = it.cli("restore", code=1)
    assert "no_backup" in out and "its data is what it was" in out
    assert (it.folder / "app.db").read_bytes().startswith(b"torn")


def test_the_integrity_command_runs_in_the_container(engine: Engine, edged: Make) -> None:
    it = Historian(engine, edged, verify=[sys.executable, "-c", LOOK, "/data/app.db"])
    it.cli("backup")
    assert it.list()[0]["verified"] == "in the container"
    it.daemon.configure(it.daemon.config | {"apps": {"app": {"data": {"path": "/data", "verify": ["/no/such"]}}}})
    it.daemon.reload()
    it.daemon.wait_event("config.reloaded")
    assert "could not be run in the container" in it.cli("backup", code=1)
    slow = {"path": "/data", "verify": [sys.executable, "-c", "import time; time.sleep(100)"], "within": "4s"}
    it.daemon.configure(it.daemon.config | {"apps": {"app": {"data": slow}}})
    it.daemon.reload()
    eventually(lambda: len(it.daemon.events("config.reloaded")) == 2)
    begun = time.monotonic()
    assert "verify_unclear" in it.cli("backup", code=1)
    assert time.monotonic() - begun < 20.0


def test_edged_is_killed_again_and_again_while_it_restores(engine: Engine, edged: Make) -> None:
    """Whenever it ends, the app never runs with half of its data, and the next run ends what was begun."""
    it = Historian(engine, edged)
    chance = random.Random(7)
    for number in range(150):
        (it.folder / f"part-{number:03}").write_bytes(chance.randbytes(100_000))
    it.cli("backup")
    wanted = {path.name: path.read_bytes() for path in it.folder.glob("part-*")}
    for _ in range(2):
        for path in it.folder.glob("part-*"):
            path.write_bytes(b"torn")
        (it.folder / "part-x").write_bytes(b"left over")
        asking = subprocess.Popen(
            [sys.executable, "-m", "edged", "data", "app", "restore", "--socket", it.daemon.socket],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        before = len(it.daemon.events("data.restored"))
        assert asking.stdout is not None and asking.stdout.readline().startswith(b"accepted")
        for _ in range(3):
            time.sleep(chance.uniform(0.1, 1.5))
            it.daemon.kill()
            it.daemon.start()
        asking.communicate(timeout=60)
        told = eventually(partial(it.restored, before), 60.0)
        assert told[0]["data"]["ok"], told
        it.daemon.wait_state("app", "healthy", within=30.0)
        assert {path.name: path.read_bytes() for path in it.folder.glob("part-*")} == wanted
    assert len([one for one in it.list() if one["aside"]]) <= 2
