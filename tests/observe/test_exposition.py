"""An app's own metrics: what edged asks for, whatever else stands on the page."""

from __future__ import annotations

from math import inf
from typing import Any

import msgspec
import pytest

from edged.config import Metrics
from edged.observe.exposition import LINE, LINES, SAMPLES, Page, read
from edged.ports import PortError
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.inference import Buckets, Scrape

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
LATENCY = {"histogram": "model_prediction_duration_seconds"}
ERRORS = {"total": "http_requests_total", "failed": {"status": "5.."}}


def rules(**more: Any) -> Metrics:
    return msgspec.convert({"url": "http://127.0.0.1:1/metrics"} | more, Metrics)


def told(page: str, **more: Any) -> tuple[Traffic, Scrape]:
    return read(page.encode(), rules(**more), 7.0)


def test_label_sets_are_summed_and_failures_picked_by_whole_label() -> None:
    traffic, scrape = told(PAGE, latency=LATENCY, errors=ERRORS)
    assert (traffic.at, traffic.requests, traffic.failed) == (7.0, 100.0, 4.0)
    assert traffic.buckets == ((0.01, 80.0), (inf, 100.0))
    assert sorted(scrape.latency.values()) == [((0.01, 30.0), (inf, 40.0)), ((0.01, 50.0), (inf, 60.0))]
    assert len(scrape.totals) == 4 and list(scrape.failures.values()) == [4.0]


def test_without_a_counter_the_histogram_counts_each_label_set_once() -> None:
    assert told(PAGE, latency=LATENCY)[0].requests == 100.0


def test_only_label_sets_that_fit() -> None:
    traffic, _ = told(PAGE, latency=LATENCY | {"labels": {"model": "y"}}, errors=ERRORS | {"labels": {"path": "/b"}})
    assert traffic.buckets == ((0.01, 30.0), (inf, 40.0)) and (traffic.requests, traffic.failed) == (5.0, 0.0)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_it_does_not_matter_in_what_pieces_it_comes(size: int) -> None:
    page = Page(rules(latency=LATENCY, errors=ERRORS))
    for at in range(0, len(PAGE), size):
        page.feed(PAGE[at : at + size].encode())
    assert page.close(7.0) == told(PAGE, latency=LATENCY, errors=ERRORS)


def test_openmetrics_with_exemplars_times_and_suffixes() -> None:
    page = """\
# TYPE http_requests counter
http_requests_total{status="200",path="/a b,c=\\"d\\"\\\\n}"} 3.0 1520879607.789 # {trace_id="a}b"} 1.0 1520879607.789
http_requests_created{status="200"} 1520430000.123
# TYPE latency_seconds histogram
# UNIT latency_seconds seconds
latency_seconds_bucket{le="0.1"} 2 # {id="x"} 0.07
 latency_seconds_bucket { le = "+Inf" , } 3\r
latency_seconds_count 3
# EOF"""
    traffic, scrape = told(page, latency={"histogram": "latency_seconds"}, errors={"total": "http_requests"})
    assert traffic.requests == 3.0 and traffic.buckets == ((0.1, 2.0), (inf, 3.0))
    (labels,) = scrape.totals
    assert """path='/a b,c="d"\\\\n}'""" in labels


@pytest.mark.parametrize(("asked", "there"), [("a_total", "a"), ("a", "a_total"), ("a_total", "a_total")])
def test_a_counter_with_or_without_its_suffix(asked: str, there: str) -> None:
    assert told(f"{there} 5\n", errors={"total": asked})[0].requests == 5.0


def test_the_exact_name_comes_first() -> None:
    assert told("a 5\na_total 7\n", errors={"total": "a"})[0].requests == 5.0


def test_a_counter_that_is_declared_and_has_not_counted_yet() -> None:
    assert told("# TYPE a_total counter\n", errors={"total": "a_total"})[0].requests == 0.0


def test_microseconds_become_seconds() -> None:
    page = 't_bucket{le="1000"} 5\nt_bucket{le="+Inf"} 6\nt_count 6\n'
    traffic, _ = told(page, latency={"histogram": "t", "unit": "microseconds"})
    assert traffic.buckets == ((0.001, 5.0), (inf, 6.0)) and traffic.requests == 6.0


SUMMARY = 's{m="%s",quantile="0.5"} 1\ns{m="%s",quantile="0.95"} %s\ns_sum{m="%s"} 9\ns_count{m="%s"} 4\n'


def summary(name: str, value: str) -> str:
    return SUMMARY % (name, name, value, name, name)


def test_of_a_summary_the_worst_label_set_counts() -> None:
    page = summary("a", "200") + summary("b", "300") + summary("c", "NaN")
    traffic, scrape = told(page, latency={"summary": "s", "unit": "milliseconds"})
    assert (scrape.quantile, scrape.summaries, traffic.requests) == (0.3, 2, 12.0)


def test_a_summary_without_observations_tells_nothing() -> None:
    assert told(summary("a", "NaN"), latency={"summary": "s"})[1].quantile is None


def test_a_summary_without_the_quantile_is_said() -> None:
    with pytest.raises(PortError, match=r"tells s without the quantile 0\.9; it has 0\.5, 0\.95"):
        told(summary("a", "1"), latency={"summary": "s", "quantile": 0.9})


def test_the_lowest_gauge_counts_and_nan_does_not() -> None:
    page = 'q{m="a"} 0.9\nq{m="b"} 0.7\nq{m="c"} NaN\nq{m="d"} -Inf\n'
    assert told(page, quality={"gauge": "q", "min": 0.8})[1].gauge == 0.7
    assert told("q NaN\n", quality={"gauge": "q", "min": 0.8})[1].gauge is None


TRITON = """\
nv_inference_request_success{model="m",version="1"} 95
nv_inference_request_failure{model="m",reason="OTHER",version="1"} 3
nv_inference_request_failure{model="m",reason="REJECTED",version="1"} 2
nv_inference_request_summary_us_count{model="m",version="1"} 95
nv_inference_request_summary_us_sum{model="m",version="1"} 950000
nv_inference_request_summary_us{model="m",version="1",quantile="0.95"} 12500
"""
TFSERVING = """\
:tensorflow:serving:request_count{model_name="m",status="OK"} 90
:tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 10
:tensorflow:serving:request_latency_bucket{model_name="m",API="predict",entrypoint="REST",le="10"} 0
:tensorflow:serving:request_latency_bucket{model_name="m",API="predict",entrypoint="REST",le="18000"} 80
:tensorflow:serving:request_latency_bucket{model_name="m",API="predict",entrypoint="REST",le="+Inf"} 90
:tensorflow:serving:request_latency_count{model_name="m",API="predict",entrypoint="REST"} 90
"""
KSERVE = """\
request_predict_seconds_bucket{le="0.005",model_name="m"} 7
request_predict_seconds_bucket{le="+Inf",model_name="m"} 9
request_predict_seconds_count{model_name="m"} 9
"""
VLLM = """\
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 40
vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} 5
vllm:request_success_total{engine="0",finished_reason="error",model_name="m"} 1
vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.3",model_name="m"} 30
vllm:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="m"} 46
"""


@pytest.mark.parametrize(
    ("preset", "page", "requests", "failed", "buckets", "quantile"),
    [
        ("triton", TRITON, 100.0, 5.0, (), 0.0125),
        ("tfserving", TFSERVING, 100.0, 10.0, ((1e-5, 0.0), (0.018, 80.0), (inf, 90.0)), None),
        ("kserve", KSERVE, 9.0, 0.0, ((0.005, 7.0), (inf, 9.0)), None),
        ("vllm", VLLM, 46.0, 1.0, ((0.3, 30.0), (inf, 46.0)), None),
    ],
)
def test_known_servers(
    preset: str, page: str, requests: float, failed: float, buckets: Buckets, quantile: float | None
) -> None:
    traffic, scrape = told(page, preset=preset, latency={"warn": 0.2})
    assert (traffic.requests, traffic.failed) == (requests, failed)
    assert [bound for bound, _ in traffic.buckets] == pytest.approx([b for b, _ in buckets])
    assert [n for _, n in traffic.buckets] == [n for _, n in buckets]
    assert scrape.quantile == pytest.approx(quantile)


def test_triton_without_its_summary_is_said_only_when_latency_is_asked_for() -> None:
    page = "nv_inference_request_success 1\nnv_inference_request_failure 0\n"
    assert told(page, preset="triton")[0].requests == 1.0
    with pytest.raises(PortError, match="does not tell nv_inference_request_summary_us"):
        told(page, preset="triton", latency={})


@pytest.mark.parametrize("page", ["", "<html>", PAGE.replace("http_requests_total", "http_total")])
def test_what_is_not_there_is_said(page: str) -> None:
    with pytest.raises(PortError, match="does not tell"):
        told(page, latency=LATENCY, errors=ERRORS)


def test_a_summary_taken_for_a_histogram_is_said() -> None:
    with pytest.raises(PortError, match="does not tell s \\(it is there as a summary\\)"):
        told("# TYPE s summary\n" + summary("a", "1"), latency={"histogram": "s"})


BAD = [
    'http_requests_total{status="200} 1',
    'http_requests_total{status="200",status="5"} 1',
    "http_requests_total",
    "http_requests_total NaN",
    "http_requests_total -1",
    "http_requests_total +Inf",
    "http_requests_total 1e300",
    "http_requests_total 1_000",
    "http_requests_total 0x10",
    "http_requests_total ٣",
    "http_requests_total 1 2 3",
    "http_requests_total 1 now",
    "http_requests_total{} {} 1",
    "http_requests_total{a=b} 1",
    "http_requests_total{,} 1",
    'http_requests_total{="b"} 1',
    'model_prediction_duration_seconds_bucket{model="x"} 1',
    'model_prediction_duration_seconds_bucket{le="NaN"} 1',
    'model_prediction_duration_seconds_bucket{le="-Inf"} 1',
    'model_prediction_duration_seconds_bucket{le="much"} 1',
    "http_requests_total{" + ",".join(f'l{n}="x"' for n in range(101)) + "} 1",
]


@pytest.mark.parametrize("line", BAD)
def test_a_malformed_line_of_ours_is_said(line: str) -> None:
    with pytest.raises(PortError, match="text format"):
        told(PAGE + line + "\n", latency=LATENCY, errors=ERRORS)


def test_bytes_that_are_no_text_are_said() -> None:
    with pytest.raises(PortError, match="text format"):
        read(b'http_requests_total{a="\xff"} 1\n', rules(errors=ERRORS), 0.0)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (b"x" * (LINE + 1), "a line longer than 64 KiB"),
        (b"http_requests_total{a=\"" + b"x" * LINE + b"\"} 1\n", "a line longer than 64 KiB"),
        (b"\n" * (LINES + 1), "more than 200000 lines"),
        (b"".join(b'http_requests_total{a="%d"} 1\n' % n for n in range(SAMPLES + 1)), "more than 5000 samples"),
    ],
)  # fmt: skip
def test_a_page_without_an_end_is_not_read_to_its_end(page: bytes, why: str) -> None:
    with pytest.raises(PortError, match=why):
        read(page, rules(errors=ERRORS), 0.0)


def test_long_label_values_are_not_kept() -> None:
    page = "\n".join(f'http_requests_total{{a="{n}{"x" * 5000}"}} 1' for n in range(10))
    _, scrape = told(page + "\n", errors=ERRORS)
    assert len(scrape.totals) == 10 and max(map(len, scrape.totals)) <= 120
