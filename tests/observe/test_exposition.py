"""An app's own metrics: the counters that edged asks for, whatever else stands on the page."""

from __future__ import annotations

import msgspec
import pytest

from edged.config import Metrics
from edged.observe.exposition import traffic
from edged.ports import PortError

RULES = msgspec.convert(
    {
        "url": "http://127.0.0.1:1/metrics",
        "latency": {"histogram": "model_prediction_duration_seconds"},
        "errors": {"total": "http_requests_total", "failed": {"status": "5.."}},
    },
    Metrics,
)
PAGE = """\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{path="/a",status="200"} 90
http_requests_total{path="/b",status="200"} 5
http_requests_total{path="/a",status="503"} 4
http_requests_total{path="/a",status="4503"} 1
# TYPE model_prediction_duration_seconds histogram
model_prediction_duration_seconds_bucket{model="x",le="0.01"} 50
model_prediction_duration_seconds_bucket{model="x",le="+Inf"} 60
model_prediction_duration_seconds_bucket{model="y",le="0.01"} 30
model_prediction_duration_seconds_bucket{model="y",le="+Inf"} 40
model_prediction_duration_seconds_sum{model="x"} 1
model_prediction_duration_seconds_count{model="x"} 60
process_something{broken 1
"""


def test_label_sets_are_summed_and_failures_picked_by_whole_label() -> None:
    seen = traffic(PAGE, RULES, 7.0)
    assert (seen.at, seen.requests, seen.failed) == (7.0, 100.0, 4.0)
    assert seen.buckets == ((0.01, 80.0), (float("inf"), 100.0))


def test_without_a_counter_the_histogram_counts() -> None:
    rules = msgspec.structs.replace(RULES, errors=None)
    assert traffic(PAGE, rules, 0.0).requests == 60.0


@pytest.mark.parametrize("page", ["", "<html>", PAGE.replace("http_requests_total", "http_total")])
def test_what_is_not_there_is_said(page: str) -> None:
    with pytest.raises(PortError, match="does not tell"):
        traffic(page, RULES, 0.0)


def test_a_malformed_line_of_ours_is_said() -> None:
    with pytest.raises(PortError, match="text format"):
        traffic(PAGE + 'http_requests_total{status="200} 1\n', RULES, 0.0)
