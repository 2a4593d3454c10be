"""What is said once about an app's metrics."""

from __future__ import annotations

from edged.vocabulary import facts
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.events import MetricsNoted
from edged.vocabulary.inference import Scrape

from .test_inference import LATENCY, Served
from .world import World


def notes(w: World) -> list[str]:
    return [e.text for e in w.events(MetricsNoted)]


def test_a_limit_between_two_edges_is_said_once() -> None:
    w = Served(latency=LATENCY | {"warn": 0.15}).serve(10)
    assert notes(w) == [
        "the histogram has no bucket edge at 150ms (latency.warn): between 100ms and 200ms the share is a guess"
    ]
    w.docker_restart("a")
    w.run(2.0)
    assert len(notes(w.serve(5))) == 1


def test_a_limit_beyond_the_last_edge_is_said_once() -> None:
    w = Served(latency=LATENCY | {"critical": 2.0}).serve(5)
    (text,) = notes(w)
    assert "no bucket edge at 2s (latency.critical)" in text and "critical is never reached" in text


def test_limits_on_edges_need_no_word() -> None:
    assert notes(Served(latency=LATENCY).serve(5)) == []


def test_a_histogram_without_buckets_is_said_once() -> None:
    w = Served(latency=LATENCY)
    for number in range(5):
        page = Scrape(totals={"t_seconds": 10.0 * number})
        w.feed(facts.TrafficSampled(at=w.now, app="a", traffic=Traffic(at=w.now, requests=1.0), scrape=page))
        w.run(15.0)
    (text,) = notes(w)
    assert "t_seconds counts and has no buckets" in text


def test_a_summary_is_taken_as_it_is_and_that_is_said() -> None:
    w = Served(latency={"summary": "t", "warn": 0.2, "for": 60.0})
    w.quantile, w.summaries = 0.3, 3
    w.serve(5)
    assert w.raised().name == "HighInferenceLatency" and w.app("a").inference.latency == 0.3
    assert notes(w) == ["quantiles of a summary cannot be added up: of its 3 label sets the worst counts"]
