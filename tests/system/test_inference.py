"""A page of metrics as the real client library makes it, watched by the real daemon."""

from __future__ import annotations

import json
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from tests.bench.measure import pss_mb
from tests.fixtures.broker import Mosquitto, Reader
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine
from tests.fixtures.models import scaled

from .test_deploy import Detector

pytestmark = [pytest.mark.engine, pytest.mark.broker]

Make = Callable[..., Edged]
Read = Callable[..., Reader]
BASE = "edged/v1/test-device"


class Served:
    """An inference server's page. Each scrape finds a few more answers."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.latency = Histogram("t_seconds", "Latency", ["model"], registry=registry, buckets=(0.05, 0.1, 0.25, 1.0))
        self.requests = Counter("n", "Requests", ["status"], registry=registry)
        self.quality = Gauge("q_ratio", "Quality", registry=registry)
        self.quality.set(0.97)
        self.seconds, self.failing, self.number = 0.02, 0, 10
        self.mode = "good"
        self.over = threading.Event()
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.answer(self)

            def log_message(self, *_: Any) -> None:
                """Not into the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        for _ in range(self.number):
            self.latency.labels("a").observe(self.seconds, {"trace_id": "x"})
            self.requests.labels("200").inc()
        self.requests.labels("500").inc(self.failing)
        handler.send_response(200)
        handler.end_headers()
        try:
            match self.mode:
                case "endless":
                    while not self.over.is_set():
                        handler.wfile.write(b"other 1\n" * 8000)
                case "hanging":
                    self.over.wait(30.0)
                case "openmetrics":
                    handler.wfile.write(generate_openmetrics(self.registry))
                case _:
                    handler.wfile.write(generate_latest(self.registry))
        except OSError:
            return  # edged has seen enough

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(10.0)


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


def rules(served: Served, **more: Any) -> dict[str, Any]:
    metrics = {
        "url": served.url,
        "every": "200ms",
        "timeout": "2s",
        "latency": {"histogram": "t_seconds", "warn": "200ms", "critical": "1s", "for": "1s", "min_count": 5},
        "errors": {"total": "n_total", "failed": {"status": "5.."}, "for": "1s", "min_count": 5},
        "quality": {"gauge": "q_ratio", "min": 0.9, "for": "500ms"},
        "stalled_after": "2s",
    }
    return {"apps": {"worker": {"restart": {"enabled": False}, "metrics": metrics | more}}}


def firing(daemon: Edged) -> set[str]:
    return {alert["name"] for alert in daemon.status()["alerts"]}


@pytest.mark.parametrize("mode", ["good", "openmetrics"])
def test_a_slow_failing_and_silent_app_is_told(
    engine: Engine, edged: Make, broker: Mosquitto, read: Read, served: Served, mode: str
) -> None:
    console = read()
    engine.run("worker")
    served.mode = mode
    daemon = edged(rules(served) | {"mqtt": {"url": broker.url, "metrics_every": "1s"}}).start()
    daemon.wait(lambda: (daemon.app("worker")["inference"] or {}).get("latency_seconds"), 20.0, "a quantile")
    seen = daemon.app("worker")["inference"]
    assert 0.0 < seen["latency_seconds"] < 0.05 and seen["quality"] == 0.97 and not firing(daemon)
    assert [e["data"]["text"] for e in daemon.events("metrics.noted")] == seen["notes"]
    (note,) = seen["notes"]
    assert "no bucket edge at 200ms (latency.warn): between 100ms and 250ms" in note
    served.seconds, served.failing = 0.5, 10
    served.quality.set(0.5)
    daemon.wait(
        lambda: {"HighInferenceLatency", "HighErrorRate", "ModelQuality"} <= firing(daemon), 30.0, "all three alerts"
    )
    raised = daemon.wait_event("alert.raised", name="HighInferenceLatency")
    assert "p95 latency" in raised["data"]["summary"]
    topic = f"{BASE}/alert/HighInferenceLatency/worker"
    daemon.wait(lambda: console.payloads(topic), 10.0, "the alert is published")
    daemon.wait(lambda: _sample(console).get("lat", 0.0) > 0.25, 20.0, "the sample")
    served.seconds, served.failing, served.number = 0.02, 0, 0
    served.quality.set(0.99)
    daemon.wait(lambda: firing(daemon) == {"NoInference"}, 30.0, "only silence is left")
    served.number = 10
    daemon.wait(lambda: not firing(daemon), 30.0, "all is well")


def _sample(console: Reader) -> dict[str, Any]:
    found = console.payloads(f"{BASE}/metrics")
    return dict(json.loads(found[-1])["apps"]["worker"]) if found else {}


@pytest.mark.parametrize(("mode", "why"), [("endless", "more than"), ("hanging", "no answer within 2s")])
def test_a_page_that_never_ends_is_told_once_and_hurts_nothing(
    engine: Engine, edged: Make, served: Served, mode: str, why: str
) -> None:
    engine.run("worker")
    daemon = edged(rules(served)).start()
    daemon.wait(lambda: (daemon.app("worker")["inference"] or {}).get("latency_seconds"), 20.0, "a quantile")
    assert daemon.process is not None
    before = pss_mb(daemon.process.pid)
    served.mode = mode
    broken = daemon.wait_event("check.broken", within=30.0, broken=True)
    assert why in broken["data"]["error"]
    assert daemon.app("worker")["state"] == "healthy"
    assert pss_mb(daemon.process.pid) < before + 8.0
    served.mode = "good"
    served.over.set()
    daemon.wait_event("check.broken", within=30.0, broken=False)
    assert [e["data"]["broken"] for e in daemon.events("check.broken")] == [True, False]


def test_an_app_that_serves_another_model_is_told(engine: Engine, edged: Make, tmp_path: Path) -> None:
    """It tells nothing of it, is healthy, and answers quickly."""
    detector = Detector(engine, edged, answers_at=True, probe={"every": "1s", "timeout": "1s"})
    detector.run_mounted()
    daemon = detector.edged.start()
    code, _, text = detector.deploy(scaled(tmp_path, 1, 1.0))
    assert code == 0, text + daemon.text()
    probed = daemon.wait(lambda: (daemon.app("detector")["inference"] or {}).get("smoke_probe"), 20.0, "a probe")
    assert probed["ok"] and 0.0 < probed["seconds"] < 1.0 and not firing(daemon)
    with tarfile.open(scaled(tmp_path, 2, 2.0)) as tar:
        part = tar.extractfile("model.onnx")
        assert part is not None
        other = part.read()
    model = detector.folder / "current" / "model.onnx"
    model.chmod(0o644)
    model.write_bytes(other)
    engine.client.kill("detector", "HUP")
    daemon.wait(lambda: "SmokeProbeFailed" in firing(daemon), 30.0, "the alert")
    raised = daemon.wait_event("alert.raised", name="SmokeProbeFailed")
    assert "/predict answered 0.5 where 0.25 was expected" in raised["data"]["summary"]
    assert daemon.app("detector")["state"] == "healthy"
    (incident,) = daemon.wait(lambda: daemon.status()["incidents"], 10.0, "an incident")
    assert incident["likely"].startswith("deployment of model vibration 1.0 to detector: committed"), incident


def test_prometheus_sees_it(engine: Engine, edged: Make, served: Served) -> None:
    engine.run("worker")
    daemon = edged(rules(served)).start()
    daemon.wait(lambda: (daemon.app("worker")["inference"] or {}).get("latency_seconds"), 20.0, "a quantile")
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=10.0) as answer:
        page = answer.read().decode()
    assert 'edged_inference_latency_seconds{app="worker",quantile="0.95"} 0.0' in page
    assert 'edged_inference_requests_total{app="worker"}' in page
