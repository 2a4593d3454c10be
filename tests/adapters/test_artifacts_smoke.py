"""Smoke inputs sent to a real HTTP server, from the slot of a bundle."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from edged.adapters.artifacts import ArtifactStore, smoking
from edged.adapters.artifacts.layout import home
from edged.adapters.probes import SocketProber
from edged.bundles.smoke import MOST_ANSWER, parse
from edged.ports import ArtifactError, Unreachable
from edged.vocabulary.actions import Where
from tests.adapters.artifacts import FolderContainers, deploy, no_web, runtime
from tests.bundles.maker import MODEL, manifest, write
from tests.fixtures.broker import free_port

MODELS = Where("model", "/models", "mount")
Answer = tuple[int, bytes, dict[str, str]]


class App:
    """Answers ``scores`` to POST /api/predict, and whatever ``say`` gives for other paths."""

    def __init__(self) -> None:
        self.score = 0.12
        self.asked: list[tuple[str, str, str | None, bytes]] = []
        self.over = threading.Event()
        self.say: dict[str, Answer] = {}
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"] or 0)
                app.asked.append((self.command, self.path, self.headers["Content-Type"], self.rfile.read(length)))
                if self.path == "/api/never":
                    app.over.wait(20)
                scores = json.dumps({"scores": [app.score], "took": 3}).encode()
                status, body, headers = app.say.get(self.path, (200, scores, {}))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def app() -> Iterator[App]:
    running = App()
    yield running
    running.close()


@pytest.fixture
def prober() -> Iterator[SocketProber]:
    made = SocketProber()
    yield made
    made.close()


Send = Callable[..., int]


@pytest.fixture
def send(app: App, prober: SocketProber) -> Send:
    def sent(*requests: dict[str, Any], url: str = "", **more: Any) -> int:
        test = parse(json.dumps({"requests": list(requests), **more}).encode())
        return smoking.send(prober, test, url or app.url, 20.0)

    return sent


GOOD = {"path": "/predict", "body": {"x": [1]}, "expect": {"body": {"scores": [0.12]}}}


def test_what_is_sent_and_answered(app: App, send: Send) -> None:
    app.say["/api/raw?a=1"] = (404, b"none such", {})
    raw = {
        "path": "/raw?a=1", "body": "a,b\n", "headers": {"content-type": "text/csv"},
        "expect": {"status": 404, "body": "none such"},
    }  # fmt: skip
    assert send(GOOD, raw, {"method": "GET", "path": "/predict"}, url=app.url + "/") == 3
    assert app.asked == [
        ("POST", "/api/predict", "application/json", b'{"x":[1]}'),
        ("POST", "/api/raw?a=1", "text/csv", b"a,b\n"),
        ("GET", "/api/predict", None, b""),
    ]


def test_the_first_other_answer_ends_it(app: App, send: Send) -> None:
    app.score = 0.93
    with pytest.raises(ArtifactError) as caught:
        send({"path": "/predict"}, GOOD, GOOD)
    assert caught.value.code == "smoke" and len(app.asked) == 2
    assert str(caught.value) == "/predict answered 0.93 where 0.12 was expected (scores[0])"


def test_a_redirect_is_not_followed(app: App, send: Send) -> None:
    app.say["/api/predict"] = (302, b"", {"Location": f"{app.url}/elsewhere"})
    with pytest.raises(ArtifactError) as caught:
        send(GOOD)
    assert "answered with status 302 where 200 was expected" in str(caught.value)
    assert [path for _, path, _, _ in app.asked] == ["/api/predict"]


def test_an_app_that_is_still_loading_says_so(app: App, send: Send) -> None:
    app.say["/api/predict"] = (503, b'{"error": "loading"}', {})
    with pytest.raises(ArtifactError) as caught:
        send(GOOD)
    assert caught.value.code == "not_ready" and "status 503 where 200" in str(caught.value)
    assert send({"path": "/predict", "expect": {"status": 503}}) == 1


def test_no_answer_is_no_wrong_answer(app: App, send: Send) -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        send(GOOD, url=f"http://127.0.0.1:{free_port()}")
    app.say["/api/predict"] = (200, b" " * (MOST_ANSWER + 1), {})
    with pytest.raises(Unreachable, match="more than 1024 KiB"):
        send(GOOD)


def test_the_time_is_for_all_of_them(app: App, send: Send) -> None:
    began = monotonic()
    with pytest.raises(Unreachable, match="no answer within"):
        send(GOOD, {"path": "/never"}, GOOD, timeout="500ms")
    assert monotonic() - began < 5.0 and len(app.asked) == 2


def test_the_time_of_the_action_counts_as_well(app: App, prober: SocketProber) -> None:
    test = parse(json.dumps({"requests": [GOOD] * 100, "timeout": "60s"}).encode())
    with pytest.raises(ArtifactError, match="answered 0 of 100 smoke requests") as caught:
        smoking.send(prober, test, app.url, 0.0)
    assert caught.value.code == "timeout" and app.asked == []


def make(tmp_path: Path, prober: SocketProber) -> ArtifactStore:
    state = tmp_path / "state"
    state.mkdir()
    containers = FolderContainers(tmp_path / "boxes").port()
    return ArtifactStore(state, containers, runtime(), no_web, try_app=partial(smoking.send, prober))


def bundled(folder: Path, sequence: int, smoke: bool = True) -> Path:
    files = {"model.onnx": MODEL}
    if smoke:
        files |= {"in/smoke.json": json.dumps({"requests": [GOOD, GOOD]}).encode()}
    model = manifest(files)["model"] | ({"smoke": "in/smoke.json"} if smoke else {})
    return write(folder, files, model=model, sequence=sequence)


def test_the_store_sends_what_the_bundle_brings(tmp_path: Path, app: App, prober: SocketProber) -> None:
    store = make(tmp_path, prober)
    digest = deploy(store, "app", MODELS, bundled(tmp_path / "b", 3))
    assert store.verify("app", MODELS, "d1", "", 3, ())["smoke"] is True
    assert store.verify("app", MODELS, "d2", digest, 0, ())["smoke"] is True, "going back to it as well"
    sent = store.smoke("app", MODELS, digest, app.url, 9.0)
    assert sent["samples"] == 2 and 0.0 < sent["seconds"] < 9.0
    app.score = 0.5
    with pytest.raises(ArtifactError) as caught:
        store.smoke("app", MODELS, digest, app.url, 9.0)
    assert caught.value.code == "smoke"
    slot = home(tmp_path / "state", "app", MODELS).slot(digest.removeprefix("sha256:"))
    (slot / "in/smoke.json").write_text(json.dumps({"requests": [{"path": "/other"}]}))
    with pytest.raises(ArtifactError) as caught:
        store.smoke("app", MODELS, digest, app.url, 9.0)
    assert caught.value.code == "digest_mismatch"


def test_a_bundle_without_has_nothing_to_send(tmp_path: Path, app: App, prober: SocketProber) -> None:
    store = make(tmp_path, prober)
    digest = deploy(store, "app", MODELS, bundled(tmp_path / "b", 3, smoke=False))
    assert store.verify("app", MODELS, "d1", "", 3, ())["smoke"] is False
    with pytest.raises(ArtifactError) as caught:
        store.smoke("app", MODELS, digest, app.url, 9.0)
    assert caught.value.code == "no_smoke" and app.asked == []
