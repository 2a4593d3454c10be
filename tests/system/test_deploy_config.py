"""Configurations of apps: copied in, read again on SIGHUP, checked by a schema, taken back when the app minds."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.broker import free_port
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine, eventually
from tests.fixtures.models import pack

from .test_deploy import Make

pytestmark = pytest.mark.engine

PATH = "/config/config.yaml"
SCRIPT = """
import http.server, json, signal, sys, yaml
def read(*_):
    global held
    held = yaml.safe_load(open("/config/config.yaml"))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(held).encode()
        self.send_response(500 if held.get("threshold", 0) > 10 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
read()
signal.signal(signal.SIGHUP, read)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SCHEMA = {
    "type": "object", "required": ["threshold"], "additionalProperties": False,
    "properties": {"threshold": {"type": "number"}, "name": {"type": "string"}},
}  # fmt: skip


class Configured:
    """An app that reads a YAML file, and again on SIGHUP; above a threshold of 10 it is not well."""

    def __init__(self, engine: Engine, make: Make, folder: Path) -> None:
        self.engine, self.port, self.folder = engine, free_port(), folder
        schema = folder / "detector.schema.json"
        schema.write_text(json.dumps(SCHEMA))
        config = {
            "path": PATH, "delivery": "copy", "reload": {"signal": "HUP"}, "schema": str(schema),
            "gate": {"window": "4s"},
        }  # fmt: skip
        health = {"http": f"http://127.0.0.1:{self.port}/health", "every": "500ms", "timeout": "500ms"}
        self.edged: Edged = make({"apps": {"detector": {"health": health, "app_config": config}}})

    def run(self, text: str) -> None:
        self.engine.run_python("detector", SCRIPT, str(self.port), start=False)
        archive = io.BytesIO()
        with tarfile.open(mode="w", fileobj=archive) as tar:
            file = tarfile.TarInfo(PATH[1:])
            file.size, file.mode = len(text), 0o640
            tar.addfile(file, io.BytesIO(text.encode()))
        assert self.engine.client.put_archive("detector", "/", archive.getvalue())
        self.engine.client.start("detector")

    def bundle(self, version: int, text: str) -> Path:
        files = self.folder / f"c{version}"
        files.mkdir()
        (files / "config.yaml").write_text(text)
        return pack(files, version, kind="config")

    def verb(self, *words: str, before: str = "") -> tuple[int, list[dict[str, Any]], str]:
        """``before``: shell commands in a mount namespace of its own."""
        command = [sys.executable, "-m", "edged", *words, "--json", "--socket", self.edged.socket]
        if before:
            command = ["unshare", "-m", "sh", "-ec", f'{before}; exec "$@"', "sh", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=os.environ)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, [line["data"] for line in lines if "data" in line], done.stdout + done.stderr

    def reads(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
            held: dict[str, Any] = json.loads(answer.read())
            return held


@pytest.fixture
def app(engine: Engine, edged: Make, tmp_path: Path) -> Configured:
    made = Configured(engine, edged, tmp_path)
    made.run("threshold: 1\n")
    made.edged.start()
    made.edged.wait_state("detector", "healthy", 30.0)
    return made


def test_good_ones_are_read_and_bad_ones_never_stay(app: Configured) -> None:
    begun = app.engine.inspect("detector")["State"]["StartedAt"]
    code, phases, text = app.verb("deploy", "detector", str(app.bundle(1, "threshold: 2\nname: better\n")))
    assert (code, phases[-1]["new"]) == (0, "committed"), text + app.edged.text()
    assert app.reads() == {"threshold": 2, "name": "better"}
    for version, wrong, reason in (
        (2, "threshold: [1\n", "config"),
        (3, "threshold: high\n", "schema"),
        (4, "treshold: 3\n", "schema"),
    ):
        code, phases, text = app.verb("deploy", "detector", str(app.bundle(version, wrong)))
        assert (code, phases[-1]["new"]) == (3, "refused"), text
        assert reason in phases[-1]["code"] + phases[-1]["reason"], text
    code, phases, text = app.verb("deploy", "detector", str(app.bundle(5, "threshold: 50\n")))
    assert (code, phases[-1]["new"]) == (1, "rolled_back"), text + app.edged.text()
    assert phases[-1]["code"] in ("unhealthy", "gate_health"), "seen before or within the gate's window"
    eventually(lambda: app.reads() == {"threshold": 2, "name": "better"}, 10.0)
    # What was there before edged's first deployment was kept, too.
    code, phases, text = app.verb("rollback", "detector", "--config")
    assert (code, phases[-1]["new"]) == (0, "committed"), text + app.edged.text()
    assert app.reads() == {"threshold": 1}
    assert app.engine.inspect("detector")["State"]["StartedAt"] == begun, "a signal was enough each time"
    app.edged.wait_state("detector", "healthy")


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_bundle_that_only_its_caller_sees_is_handed_over(app: Configured, tmp_path: Path, as_folder: bool) -> None:
    """As under systemd: the daemon's /tmp is another one than the caller's."""
    tar, private = app.bundle(1, "threshold: 3\n"), tmp_path / "private"
    private.mkdir()
    place = f"tar -xf {tar} -C {private}" if as_folder else f"cp {tar} {private}/b.tar"
    source = private if as_folder else private / "b.tar"
    code, phases, text = app.verb("deploy", "detector", str(source), before=f"mount -t tmpfs none {private}; {place}")
    assert (code, phases[-1]["new"]) == (0, "committed"), text + app.edged.text()
    assert "sending it" in text and app.reads() == {"threshold": 3}
    assert list((app.edged.state / "incoming").iterdir()) == []
    code, phases, text = app.verb("deploy", "nobody", str(source), before=f"mount -t tmpfs none {private}; {place}")
    assert code == 3 and "unknown_app" in text and list((app.edged.state / "incoming").iterdir()) == []
