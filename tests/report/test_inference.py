"""What is told of an app's inference: Prometheus, ``edged status``, and the compact sample."""

from __future__ import annotations

import msgspec

from edged.config import App, Config
from edged.report.metrics import Counters, Vitals, render
from edged.report.snapshot import Snapshot
from edged.report.status import metrics_sample, status
from edged.vocabulary.inference import Inference, Mark
from edged.vocabulary.state import AppState, State

APP = msgspec.convert(
    {"metrics": {"url": "http://127.0.0.1:1/", "latency": {"histogram": "t", "quantile": 0.99, "warn": 0.2}}}, App
)
SEEN = Inference(
    marks=(Mark(90.0, 1000.0, 3.0),),
    served_at=88.0,
    latency=0.123456789,
    over=0.25,
    error_ratio=0.003,
    rate=12.3456,
    gauge=0.91,
    noted=("the histogram has no bucket edge at 150ms",),
)


def shot(app: AppState) -> Snapshot:
    return Snapshot(State(apps={"a": app}), Config(apps={"a": app.config}), now=100.0, wall=1.7e9)


def page(seen: Snapshot) -> str:
    return render(seen, Counters(), Vitals(lambda: (0, 0), lambda: 0.0, dict)).decode()


def test_prometheus() -> None:
    text = page(shot(AppState(name="a", config=APP, inference=SEEN)))
    for line in (
        'edged_inference_latency_seconds{app="a",quantile="0.99"} 0.123456789',
        'edged_inference_over_budget_ratio{app="a"} 0.25',
        'edged_inference_requests_total{app="a"} 1000.0',
        'edged_inference_failures_total{app="a"} 3.0',
        'edged_model_quality{app="a"} 0.91',
    ):
        assert line in text.splitlines()


def test_what_is_not_known_is_not_told() -> None:
    seen = shot(AppState(name="a", config=App()))
    assert "edged_inference_latency_seconds{" not in page(seen) and "edged_inference_requests_total{" not in page(seen)
    assert status(seen, {})["apps"]["a"]["inference"] is None
    assert metrics_sample(seen)["apps"]["a"].keys() == {"s", "mem", "cpu"}


def test_a_sample_of_a_healthy_app_does_not_say_so() -> None:
    seen = shot(AppState(name="a", config=App(), condition="healthy"))
    assert metrics_sample(seen)["apps"]["a"].keys() == {"mem", "cpu"}


def test_status_and_sample() -> None:
    seen = shot(AppState(name="a", config=APP, inference=SEEN))
    told = status(seen, {})["apps"]["a"]["inference"]
    assert told == {
        "quantile": 0.99,
        "latency_seconds": 0.123457,
        "over_budget_ratio": 0.25,
        "error_ratio": 0.003,
        "requests_per_second": 12.3456,
        "quality": 0.91,
        "seconds_since_inference": 12.0,
        "smoke_probe": None,
        "notes": ["the histogram has no bucket edge at 150ms"],
    }
    assert metrics_sample(seen)["apps"]["a"] == {
        "s": "unknown", "mem": None, "cpu": None, "lat": 0.123, "err": 0.003, "rps": 12.3, "q": 0.91,
    }  # fmt: skip
