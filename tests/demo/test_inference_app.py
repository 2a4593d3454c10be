"""The demo inference service as a real process: its endpoints, reloads, signals and faults."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "models" / "vibration-autoencoder"
DIGEST = sha256((BUNDLE / "model.onnx").read_bytes()).hexdigest()
MIB = 1 << 20


def until(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Poll `condition` until it is true; fail after `seconds`, and more on a busy machine."""
    deadline = time.monotonic() + PATIENCE * seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.01)
    return result


class App:
    """A running inference_app.py; its stderr goes to a file, which `log` reads."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: Path) -> None:
        self.process, self.stderr = process, stderr
        said = until(lambda: re.search(r"listening on \S+:(\d+)\n", self.log()))
        self.port = int(said[1])

    def log(self) -> str:
        return self.stderr.read_text()

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 5.0) -> tuple[int, Any]:
        """Status and answer; JSON answers are decoded, a str or bytes body is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            raw = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
            connection.request(method, path, raw)
            response = connection.getresponse()
            text = response.read().decode()
            is_json = response.headers["Content-Type"] == "application/json"
            return response.status, json.loads(text) if is_json else text
        finally:
            connection.close()

    def predict(self, *windows: list[float]) -> tuple[int, Any]:
        return self.ask("POST", "/predict", {"windows": list(windows)})

    def metric(self, name: str, **labels: str) -> float | None:
        """The sample's value, None when it is absent."""
        for family in text_string_to_metric_families(self.ask("GET", "/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None

    def ready(self) -> App:
        until(lambda: self.ask("GET", "/health")[0] == 200)
        return self


@contextmanager
def running(folder: Path, model: Path, *options: str) -> Iterator[App]:
    script = ROOT / "edged" / "demo" / "inference_app.py"
    stderr = folder / "stderr.txt"
    command = [sys.executable, str(script), "--port", "0", "--model", str(model), *options]
    with stderr.open("wb") as sink, subprocess.Popen(command, stderr=sink, cwd=folder) as process:
        try:
            yield App(process, stderr)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running(tmp_path_factory.mktemp("app"), BUNDLE, "--faults") as app:
        yield app.ready()


@pytest.fixture
def app(shared: App) -> Iterator[App]:
    """The shared service, healthy again after each test."""
    yield shared
    assert shared.ask("POST", "/fault/clear") == (200, {"fault": "clear"})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def golden() -> tuple[list[list[float]], list[float]]:
    with np.load(BUNDLE / "golden.npz") as stored:
        return stored["window"].tolist(), stored["score"].tolist()


def other_model(path: Path) -> str:
    """Halve the scores of the model at `path`; returns its new digest."""
    model = onnx.load(path)
    (limit,) = [tensor for tensor in model.graph.initializer if tensor.name == "limit"]
    limit.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(limit) * np.float32(2), "limit"))
    path.write_bytes(model.SerializeToString())
    return sha256(path.read_bytes()).hexdigest()


def test_health_names_the_model(app: App) -> None:
    expected = {"status": "ok", "model": "vibration-autoencoder", "model_digest": DIGEST}
    assert app.ask("GET", "/health") == (200, expected)


def test_predict_scores_one_window_and_many(app: App, golden: tuple[list[list[float]], list[float]]) -> None:
    windows, expected = golden
    status, answer = app.ask("POST", "/predict", {"window": windows[0]})
    assert (status, answer["model_digest"]) == (200, DIGEST)
    assert answer["scores"] == pytest.approx(expected[:1], rel=1e-4)
    status, answer = app.predict(*windows)
    assert (status, answer["scores"]) == (200, pytest.approx(expected, rel=1e-4))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ([1, 2], "either `window` or `windows`"),
        ({}, "either `window` or `windows`"),
        ({"window": [0.0] * 64, "windows": []}, "either `window` or `windows`"),
        ({"window": [0.0] * 63}, "expected 1 to 512 windows of 64 numbers"),
        ({"window": [[0.0] * 64]}, "expected 1 to 512 windows of 64 numbers"),
        ({"window": ["0"] * 64}, "expected 1 to 512 windows of 64 numbers"),
        ({"window": [None] * 64}, "expected 1 to 512 windows of 64 numbers"),
        ({"window": [10**400] * 63 + [0.5]}, "expected 1 to 512 windows of 64 numbers"),
        ({"window": 1}, "expected 1 to 512 windows of 64 numbers"),
        ({"windows": []}, "expected 1 to 512 windows of 64 numbers"),
        ({"windows": None}, "expected 1 to 512 windows of 64 numbers"),
        ({"windows": [[0.0] * 64, [0.0]]}, "expected 1 to 512 windows of 64 numbers"),
        ({"windows": [[0] * 64] * 513}, "expected 1 to 512 windows of 64 numbers"),
        ({"window": [float("nan")] * 64}, "samples must be finite"),
        ({"window": [1e39] * 64}, "samples must be finite"),
        ({"window": [-(2**63)] * 64}, "samples must be finite"),
    ],
)
def test_bad_input_is_refused_with_the_reason(app: App, body: Any, error: str) -> None:
    status, answer = app.ask("POST", "/predict", body)
    assert status == 400
    assert error in answer["error"]


@pytest.mark.parametrize("header", [("Content-Length", str(2 * MIB)), ("Transfer-Encoding", "chunked")])
def test_unmeasured_or_huge_bodies_close_the_connection(app: App, header: tuple[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=5)
    try:
        connection.putrequest("POST", "/predict")
        connection.putheader(*header)
        connection.endheaders()
        response = connection.getresponse()
        assert (response.status, response.headers["Connection"]) == (400, "close")
        assert b"Content-Length" in response.read()
    finally:
        connection.close()


def test_a_connection_survives_a_refused_request(app: App) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=5)
    try:
        connection.connect()
        kept = connection.sock
        for method, path, status in [("POST", "/predict", 400), ("GET", "/nowhere", 404), ("GET", "/health", 200)]:
            connection.request(method, path, "x" if method == "POST" else None)
            response = connection.getresponse()
            response.read()
            assert response.status == status
        assert connection.sock is kept
    finally:
        connection.close()


def test_unknown_paths_and_methods(app: App) -> None:
    assert app.ask("GET", "/nowhere") == (404, {"error": "not found"})
    assert app.ask("POST", "/health") == (405, {"error": "use GET"})
    assert app.ask("GET", "/predict") == (405, {"error": "use POST"})
    assert app.ask("GET", "/fault/hang") == (405, {"error": "use POST"})


def test_metrics_count_requests_and_predictions(app: App) -> None:
    def read() -> list[float]:
        ok = {"method": "POST", "path": "/predict", "status": "200"}
        names = ("model_prediction_duration_seconds_count", "model_predictions_total")
        values = [app.metric(name) for name in names] + [app.metric("http_requests_total", **ok)]
        return [value or 0.0 for value in values]

    before = read()
    assert app.predict([0.0] * 64, [0.1] * 64, [0.2] * 64)[0] == 200
    assert [after - b for after, b in zip(read(), before, strict=True)] == [1, 3, 1]
    assert app.metric("model_accuracy_ratio") == 1.0
    assert 20 * MIB < (app.metric("process_resident_memory_bytes") or 0) < 200 * MIB
    app.ask("GET", "/random-12345")
    assert "/random" not in app.ask("GET", "/metrics")[1]


def test_metrics_histogram_is_well_formed(app: App) -> None:
    app.predict([0.0] * 64)
    families = {f.name: f for f in text_string_to_metric_families(app.ask("GET", "/metrics")[1])}
    histogram = families["model_prediction_duration_seconds"]
    assert histogram.type == "histogram"
    buckets = [s.value for s in histogram.samples if s.name.endswith("_bucket")]
    (count,) = [s.value for s in histogram.samples if s.name.endswith("_count")]
    assert buckets == sorted(buckets) and buckets[-1] == count > 0
    assert [s.labels["le"] for s in histogram.samples if s.name.endswith("_bucket")][-1] == "+Inf"


def test_sighup_swaps_the_model_without_dropping_requests(tmp_path: Path, bundle: Path) -> None:
    with running(tmp_path, bundle) as app:
        app.ready()
        answers: list[tuple[int, Any]] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                answers.append(app.predict([0.5] * 64))

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(answers) >= 3)  # some of the first model, whose score is compared below
            digest = other_model(bundle / "model.onnx")
            app.process.send_signal(signal.SIGHUP)
            until(lambda: app.ask("GET", "/health")[1]["model_digest"] == digest)
            until(lambda: answers and answers[-1][1]["model_digest"] == digest)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert {status for status, _ in answers} == {200}
        scores = {answer["model_digest"]: answer["scores"][0] for _, answer in answers}
        assert scores[DIGEST] == pytest.approx(2 * scores[digest])
        assert app.metric("model_accuracy_ratio") == 0.0  # the golden vectors belong to the first model


@pytest.mark.parametrize("content", [b"not a model", b"", None])
def test_sighup_with_a_bad_model_keeps_the_old_one(tmp_path: Path, bundle: Path, content: bytes | None) -> None:
    with running(tmp_path, bundle) as app:
        app.ready()
        if content is None:
            (bundle / "model.onnx").unlink()
        else:
            (bundle / "model.onnx").write_bytes(content)
        app.process.send_signal(signal.SIGHUP)
        until(lambda: "model not loaded" in app.log())
        assert app.ask("GET", "/health")[1]["model_digest"] == DIGEST
        assert app.predict([0.0] * 64)[0] == 200


def test_unready_until_a_model_can_be_loaded(tmp_path: Path, bundle: Path) -> None:
    missing = tmp_path / "later.onnx"
    with running(tmp_path, missing) as app:
        until(lambda: "model not loaded" in app.log())
        status, answer = app.ask("GET", "/health")
        assert (status, answer["status"]) == (503, "loading")
        assert app.predict([0.0] * 64)[0] == 503
        assert app.metric("model_accuracy_ratio") is None
        shutil.copy(bundle / "model.onnx", missing)
        app.process.send_signal(signal.SIGHUP)
        app.ready()
        assert app.ask("GET", "/health")[1]["model"] == "later.onnx"  # a lone file: no manifest, no golden vectors
        assert app.metric("model_accuracy_ratio") is None


def test_sigterm_ends_at_once_even_when_hanging(tmp_path: Path) -> None:
    with running(tmp_path, BUNDLE, "--faults") as app:
        app.ready().ask("POST", "/fault/hang")
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(timeout=2) == 0


def test_faults_need_the_option(tmp_path: Path) -> None:
    with running(tmp_path, BUNDLE) as app:
        for fault in ("hang", "unhealthy", "leak", "slow", "errors", "crash", "clear"):
            assert app.ask("POST", f"/fault/{fault}") == (404, {"error": "not found"})
        assert app.process.poll() is None


def test_fault_hang_blocks_all_requests_until_cleared(app: App) -> None:
    assert app.ask("POST", "/fault/hang") == (200, {"fault": "hang"})
    for path in ("/health", "/metrics"):
        with pytest.raises(TimeoutError):
            app.ask("GET", path, timeout=0.1)
    answers: list[tuple[int, Any]] = []
    waiting = threading.Thread(target=lambda: answers.append(app.ask("GET", "/health")))
    waiting.start()
    assert app.process.poll() is None and not answers
    app.ask("POST", "/fault/clear")
    waiting.join(timeout=5)
    assert [status for status, _ in answers] == [200]


def test_fault_leak_takes_memory_and_clear_gives_it_back(app: App) -> None:
    def resident() -> float:
        return app.metric("process_resident_memory_bytes") or 0.0

    before = resident()
    assert app.ask("POST", "/fault/leak?mb_per_s=200") == (200, {"fault": "leak", "mb_per_s": 200.0})
    until(lambda: resident() > before + 40 * MIB)
    app.ask("POST", "/fault/clear")
    until(lambda: resident() < before + 10 * MIB)


def test_fault_unhealthy(app: App) -> None:
    app.ask("POST", "/fault/unhealthy")
    assert app.ask("GET", "/health") == (500, {"status": "unhealthy"})
    assert app.predict([0.0] * 64)[0] == 200


def test_fault_slow_shows_in_the_histogram(app: App) -> None:
    before = app.metric("model_prediction_duration_seconds_sum") or 0.0
    app.ask("POST", "/fault/slow?ms=80")
    assert app.predict([0.0] * 64)[0] == 200
    assert (app.metric("model_prediction_duration_seconds_sum") or 0.0) - before >= 0.08


@pytest.mark.parametrize(("ratio", "failures"), [("0.5", 5), ("1", 10), ("0", 0)])
def test_fault_errors_fails_exactly_its_share(app: App, ratio: str, failures: int) -> None:
    app.ask("POST", f"/fault/errors?ratio={ratio}")
    statuses = [app.predict([0.0] * 64)[0] for _ in range(10)]
    assert (statuses.count(500), statuses.count(200)) == (failures, 10 - failures)


@pytest.mark.parametrize("query", ["leak?mb_per_s=x", "slow?ms=-1", "errors?ratio=2", "errors?ratio=nan"])
def test_fault_parameters_are_checked(app: App, query: str) -> None:
    status, answer = app.ask("POST", f"/fault/{query}")
    assert status == 400
    assert "must be a number from 0 to" in answer["error"]


def test_fault_crash_exits_with_3(tmp_path: Path) -> None:
    with running(tmp_path, BUNDLE, "--faults") as app:
        assert app.ask("POST", "/fault/crash") == (200, {"fault": "crash"})
        assert app.process.wait(timeout=2) == 3


def test_the_app_imports_nothing_of_the_daemon() -> None:
    source = (ROOT / "edged" / "demo" / "inference_app.py").read_text()
    lines = [line.strip() for line in source.splitlines()]
    assert not [line for line in lines if line.startswith(("from edged", "import edged", "from ."))]
