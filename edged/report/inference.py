"""The inference of apps for readers: Prometheus families, ``status``, and the compact sample. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..config import Metrics
from ..vocabulary.state import AppState
from .snapshot import Snapshot


def families(shot: Snapshot) -> Iterator[Any]:
    """What ``/metrics`` tells. Counters count since edged began to look at the app's present run."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

    # Only a summary may have a label `quantile`; how many there were is in what the app itself tells.
    latency = SummaryMetricFamily("edged_inference_latency_seconds", "Latency over the last window")
    over = GaugeMetricFamily(
        "edged_inference_over_budget_ratio", "Share of inferences above latency.warn", labels=["app"]
    )
    requests = CounterMetricFamily("edged_inference_requests", "Requests counted by the app", labels=["app"])
    failed = CounterMetricFamily("edged_inference_failures", "Failed requests counted by the app", labels=["app"])
    quality = GaugeMetricFamily("edged_model_quality", "The app's own gauge of its answers' quality", labels=["app"])
    smoke = GaugeMetricFamily("edged_smoke_probe_seconds", "Time for one smoke input that was answered", labels=["app"])
    right = GaugeMetricFamily("edged_smoke_probe_ok", "1 when smoke inputs are answered rightly", labels=["app"])
    for name, app in shot.state.apps.items():
        seen = app.inference
        if seen.probed is not None:
            right.add_metric([name], float(not seen.probed.wrong))
            if seen.probed.seconds is not None:
                smoke.add_metric([name], seen.probed.seconds)
        if seen.latency is not None:
            latency.add_sample(latency.name, {"app": name, "quantile": f"{_quantile(app):g}"}, seen.latency)
        if seen.over is not None:
            over.add_metric([name], seen.over)
        if seen.marks:
            requests.add_metric([name], seen.marks[-1].requests)
            failed.add_metric([name], seen.marks[-1].failed)
        if seen.gauge is not None:
            quality.add_metric([name], seen.gauge)
    yield from (latency, over, requests, failed, quality, smoke, right)


def picture(shot: Snapshot, app: AppState) -> dict[str, Any] | None:
    """For ``status``; ``None``: nobody asks the app."""
    seen, probed = app.inference, app.inference.probed
    if app.config.metrics is None and probed is None:
        return None
    return {
        "quantile": _quantile(app),
        "latency_seconds": _digits(seen.latency),
        "over_budget_ratio": _digits(seen.over),
        "error_ratio": _digits(seen.error_ratio),
        "requests_per_second": _digits(seen.rate),
        "quality": _digits(seen.gauge),
        "seconds_since_inference": round(shot.now - seen.served_at, 1) if seen.marks else None,
        "smoke_probe": None
        if probed is None
        else {"ok": not probed.wrong, "seconds": _digits(probed.seconds), "detail": probed.detail},
        "notes": list(seen.noted),
    }


def sample(app: AppState) -> dict[str, Any]:
    """A part of the compact sample: nothing where nothing is known."""
    seen = app.inference
    found = {"lat": seen.latency, "err": seen.error_ratio, "rps": seen.rate, "q": seen.gauge}
    return {key: _digits(value, 3) for key, value in found.items() if value is not None}


def _quantile(app: AppState) -> float:
    rules: Metrics | None = app.config.metrics
    return rules.latency.quantile if rules is not None and rules.latency is not None else 0.95


def _digits(value: float | None, digits: int = 6) -> float | None:
    """Rounded to significant digits: it is sent every minute for years."""
    return None if value is None else float(f"{value:.{digits}g}")
