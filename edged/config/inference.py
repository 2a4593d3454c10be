"""The section ``metrics``: what an app tells of its own inference, and when that is a matter for an alert."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from .types import Count, Duration, HttpUrl, Interval, Section, Share, Timeout

MetricName = Annotated[str, Meta(title="metric name", pattern=r"^([a-zA-Z_:][a-zA-Z0-9_:]*)?$")]
Labels = dict[str, str]
"""Label name to pattern, which must fit the whole value, as in PromQL's ``=~``."""
Unit = Literal["seconds", "milliseconds", "microseconds"]
Preset = Literal["", "triton", "kserve", "tfserving", "vllm"]

SECONDS: dict[str, float] = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6}


class Latency(Section, frozen=True, kw_only=True):
    """At most one of ``histogram`` and ``summary``. ``warn`` and ``critical``: 0s never alerts."""

    histogram: MetricName = ""
    summary: MetricName = ""
    unit: Unit = "seconds"
    labels: Labels = field(default_factory=dict)
    quantile: Annotated[float, Meta(ge=0.01, le=0.9999)] = 0.95
    warn: Duration = 0.0
    critical: Duration = 0.0
    for_: Duration = field(name="for", default=120.0)
    min_count: Count = 20


class Errors(Section, frozen=True, kw_only=True):
    """Which counter counts all requests, and which of its labels mark the failed ones (``5..`` matches as a regex).

    ``warn`` and ``critical``: 0% never alerts.
    """

    total: MetricName = ""
    failed: Labels = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)
    warn: Share = 0.01
    critical: Share = 0.05
    for_: Duration = field(name="for", default=120.0)
    min_count: Count = 20


class Quality(Section, frozen=True, kw_only=True):
    """A gauge of how good the model's answers are."""

    gauge: MetricName
    min: Annotated[float, Meta(ge=-1e9, le=1e9)]
    labels: Labels = field(default_factory=dict)
    for_: Duration = field(name="for", default=60.0)


class Metrics(Section, frozen=True, kw_only=True):
    """The app's own Prometheus endpoint. ``stalled_after``: 0s never alerts."""

    url: HttpUrl
    every: Interval = 15.0
    timeout: Timeout = 5.0
    preset: Preset = ""
    latency: Latency | None = None
    errors: Errors | None = None
    quality: Quality | None = None
    stalled_after: Duration = 0.0


class Names(Struct, frozen=True, kw_only=True):
    """What to look for on the page."""

    histogram: str = ""
    summary: str = ""
    quantile: float = 0.0
    scale: float = 1.0
    """Seconds in the page's unit of latency."""
    latency_labels: Labels = {}
    totals: tuple[str, ...] = ()
    """Counters of requests, to be added up."""
    failures: tuple[str, ...] = ()
    """Counters of failed requests; none: ``failed`` tells them among ``totals``."""
    failed: Labels = {}
    error_labels: Labels = {}
    gauge: str = ""
    gauge_labels: Labels = {}


PRESETS: dict[str, Names] = {
    # A summary only with --metrics-config summary_latencies=true; the counters of durations give a mean, no quantile.
    "triton": Names(
        summary="nv_inference_request_summary_us",
        scale=1e-6,
        totals=("nv_inference_request_success", "nv_inference_request_failure"),
        failures=("nv_inference_request_failure",),
    ),
    # Python model servers since 0.10; they do not count failures.
    "kserve": Names(histogram="request_predict_seconds"),
    "tfserving": Names(
        histogram=":tensorflow:serving:request_latency",
        scale=1e-6,
        totals=(":tensorflow:serving:request_count",),
        failed={"status": "(?!OK$).*"},
    ),
    # An aborted request is one that its client gave up.
    "vllm": Names(
        histogram="vllm:e2e_request_latency_seconds",
        totals=("vllm:request_success_total",),
        failed={"finished_reason": "error"},
    ),
}
"""Names and units that servers are known by."""


def names(rules: Metrics) -> Names:
    """The preset's names, with what the configuration says itself in their place."""
    known = PRESETS.get(rules.preset, Names())
    latency, errors, quality = rules.latency, rules.errors, rules.quality
    if latency is None:
        # A quantile that the server only tells on request is not asked for by itself.
        known = replace(known, summary="")
    elif latency.histogram or latency.summary:
        known = replace(
            known, histogram=latency.histogram, summary=latency.summary, scale=SECONDS[latency.unit], quantile=0.0
        )
    if latency is not None:
        known = replace(known, quantile=latency.quantile, latency_labels=latency.labels)
    if errors is not None and errors.total:
        known = replace(known, totals=(errors.total,), failures=(), failed=errors.failed)
    elif errors is not None and errors.failed:
        known = replace(known, failures=(), failed=errors.failed)
    if errors is not None:
        known = replace(known, error_labels=errors.labels)
    if quality is not None:
        known = replace(known, gauge=quality.gauge, gauge_labels=quality.labels)
    return known
