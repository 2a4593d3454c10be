"""The examination of drift sources: real files, a real HTTP server and a real broker, wrong in one way each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edged.doctor import inputs
from edged.doctor.finding import Finding
from edged.doctor.identity import Identity, current
from edged.doctor.patient import Patient
from tests.fixtures.broker import Mosquitto, free_port

from .conftest import Admit

STRANGER = Identity(name="nobody", uid=65534, gid=65534, mine=False)
ROWS = b'{"temp": 1.5, "mode": "a"}\n{"temp": 2.5, "mode": "b"}\n'


def look(patient: Patient) -> Finding:
    (found,) = inputs.look(patient)
    assert found.verdict == "ok" or found.fix
    return found


@pytest.fixture
def watching(examined: Admit) -> Callable[..., Finding]:
    """What is found of an app whose inputs come from there."""

    def make(source: dict[str, Any], drift: dict[str, Any] | None = None, **config: Any) -> Finding:
        return look(examined({"apps": {"box": {"drift": {"source": source, **(drift or {})}}}, **config}))

    return make


def test_nothing_is_watched(examined: Admit) -> None:
    assert look(examined({"apps": {"box": {}}})).text == "none are watched for drift"


@pytest.mark.parametrize(
    ("name", "content", "verdict", "said"),
    [
        ("rows.ndjson", ROWS, "ok", "its last rows have temp, mode"),
        ("rows.ndjson", ROWS[:27], "ok", "its last rows have temp, mode"),
        ("rows.ndjson", b"x" * 70_000 + b"\n" + ROWS + b'{"te', "ok", "its last rows have temp, mode"),
        ("rows.ndjson", b"", "ok", "no rows in it yet"),
        ("rows.ndjson", b"temp,mode\n1,a\n2,b\n", "fail", "its last 2 lines are no rows: not JSON"),
        ("rows.csv", b"temp,mode\n1,a\n2,b\n", "ok", "its last rows have temp, mode"),
        ("rows.csv", b"temp,mode\n", "ok", "no rows in it yet"),
        ("rows.csv", b"temp,mode\n1,a,7\n", "fail", "not as many cells as the header"),
        ("rows.ndjson", b'{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}\n', "ok", "have a, b, c, d, e and 2 more"),
    ],
)
def test_a_file_with_rows_or_without(
    watching: Callable[..., Finding], tmp_path: Path, name: str, content: bytes, verdict: str, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = watching({"file": str(path)})
    assert (found.name, found.verdict) == ("inputs box", verdict) and said in found.text, found.text


def test_a_file_that_is_not_there_or_is_none(watching: Callable[..., Finding], tmp_path: Path) -> None:
    found = watching({"file": str(tmp_path / "rows")})
    assert found.verdict == "warn" and "is not there yet" in found.text and f"ls -l {tmp_path}" in found.fix
    os.mkfifo(tmp_path / "pipe")
    found = watching({"file": str(tmp_path / "pipe")})
    assert found.verdict == "fail" and "is no plain file" in found.text


def test_a_file_that_the_daemons_user_may_not_read(tmp_path: Path) -> None:
    # Only root can try another user's rights, and nobody can take root's away.
    who = STRANGER if current().is_root else current()
    path = tmp_path / "rows.ndjson"
    path.write_bytes(ROWS)
    path.chmod(0o600 if current().is_root else 0)
    found = inputs.judge_file("inputs box", path, who, False)
    assert found.verdict == "fail" and f"user {who.name} may not read" in found.text
    assert found.fix.startswith(f"sudo setfacl -m u:{who.name}:rX {tmp_path} {path}")


def test_what_others_may_read_is_not_known_to_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(ROWS)
    monkeypatch.setattr(inputs, "may", lambda *_: None)
    found = inputs.judge_file("inputs box", path, STRANGER, False)
    assert found.verdict == "skip" and found.fix == "run with sudo: sudo edged doctor"


def test_a_service_has_a_tmp_of_its_own(watching: Callable[..., Finding], examined: Admit, tmp_path: Path) -> None:
    from msgspec.structs import replace

    patient = examined({"apps": {"box": {"drift": {"source": {"file": "/tmp/rows.ndjson"}}}}})
    found = look(replace(patient, unit={"LoadState": "loaded"}))
    assert found.verdict == "fail" and "PrivateTmp" in found.text


def test_a_file_server_is_not_touched(examined: Admit, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "mountinfo").write_text("36 35 0:50 / /mnt/nas rw - nfs4 nas:/rows rw\n")
    patient = examined({"apps": {"box": {"drift": {"source": {"file": "/mnt/nas/rows"}}}}}, proc=proc)
    found = look(patient)
    assert found.verdict == "skip" and "is on nfs4, which may hang" in found.text and "timeout 5" in found.fix


class Answers(BaseHTTPRequestHandler):
    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/rows"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "verdict", "said"),
    [
        (200, b'{"rows":[{"temp":1}],"cursor":"7"}', "ok", "its last rows have temp"),
        (200, b'{"rows":[],"cursor":"7"}', "ok", "no rows in it yet"),
        (204, b"", "ok", "no rows yet"),
        (200, b'{"rows":[{"temp":1}]}', "fail", "without a cursor, so they would be counted twice"),
        (200, b'[1]\n{"cursor":"7"}', "fail", "no rows: not an object"),
        (404, b"", "fail", "HTTP 404"),
    ],
)
def test_an_endpoint(
    watching: Callable[..., Finding], page: str, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes,
    verdict: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(Answers, "status", status)
    monkeypatch.setattr(Answers, "body", body)
    found = watching({"http": page})
    assert found.verdict == verdict and said in found.text, found.text


def test_an_endpoint_that_nobody_serves(watching: Callable[..., Finding]) -> None:
    found = watching({"http": f"http://127.0.0.1:{free_port()}/rows"})
    assert found.verdict == "fail" and "refused" in found.text and "curl -si http://" in found.fix


@pytest.mark.broker
def test_a_topic(watching: Callable[..., Finding], broker: Mosquitto) -> None:
    found = watching({"mqtt": f"{broker.url}/plant/rows"})
    assert found.verdict == "ok" and "the subscription to plant/rows is accepted" in found.text
    assert watching({"mqtt": "plant/rows"}, mqtt={"url": broker.url}).verdict == "ok"


def test_a_topic_without_a_broker(watching: Callable[..., Finding]) -> None:
    found = watching({"mqtt": f"mqtt://127.0.0.1:{free_port()}/plant/rows"})
    assert found.verdict == "fail" and "the broker of plant/rows is not reached: nobody listens" in found.text
    found = watching({"mqtt": "plant/rows"})
    assert found.verdict == "skip" and found.fix == "edged doctor --only config"
