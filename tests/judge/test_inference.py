"""HighInferenceLatency, HighErrorRate, NoInference, ModelQuality, from scrapes of an app in a simulated world."""

from __future__ import annotations

from math import inf
from typing import Any

from msgspec.structs import replace

from edged.config import Config
from edged.vocabulary import facts
from edged.vocabulary.deployments import Traffic
from edged.vocabulary.events import AlertChanged, AlertCleared, AlertRaised
from edged.vocabulary.inference import Buckets, Scrape

from .world import World, app

EVERY = 15.0
EDGES = (0.05, 0.1, 0.2, 0.5, 1.0, inf)
LATENCY = {"histogram": "t_seconds", "warn": 0.2, "critical": 1.0, "for": 120.0}
ERRORS = {"total": "n_total", "failed": {"status": "5.."}, "for": 120.0}


class Served(World):
    """A world whose app ``a`` counts what it serves, scraped every 15 s."""

    def __init__(self, box: dict[str, Any] | None = None, **metrics: Any) -> None:
        rules = {"url": "http://127.0.0.1:1/metrics", **metrics}
        super().__init__({"a": app(metrics=rules, restart={"enabled": False})}, boxes={"a": box or {}})
        self.counts = dict.fromkeys(EDGES, 0.0)
        self.requests = self.failed = 0.0
        self.gauge: float | None = None
        self.quantile: float | None = None
        self.summaries = 0
        self.run(2.0).forget()

    def count(self, seconds: float, number: float, failed: float = 0.0) -> None:
        """So many answers that took so long."""
        for edge in self.counts:
            self.counts[edge] += number if seconds <= edge else 0.0
        self.requests += number
        self.failed += failed

    def scrape(self) -> None:
        buckets: Buckets = tuple(sorted(self.counts.items()))
        page = Scrape(
            latency={"m": buckets} if self.quantile is None else {},
            totals={"all": self.requests},
            failures={"bad": self.failed} if self.failed else {},
            quantile=self.quantile,
            summaries=self.summaries,
            gauge=self.gauge,
        )
        traffic = Traffic(at=self.now, requests=self.requests, failed=self.failed, buckets=buckets)
        self.feed(facts.TrafficSampled(at=self.now, app="a", traffic=traffic, scrape=page))

    def serve(self, minutes: float, seconds: float = 0.08, number: float = 30.0, failed: float = 0.0) -> Served:
        """For so long, with so many answers between two scrapes."""
        for _ in range(round(minutes * 60.0 / EVERY)):
            self.count(seconds, number, failed)
            self.scrape()
            self.run(EVERY)
        return self

    def raised(self) -> AlertRaised:
        (alert,) = self.events(AlertRaised)
        return alert


# Latency


def test_slow_inferences_are_told_after_a_while_and_over_when_they_are() -> None:
    w = Served(latency=LATENCY).serve(10)
    assert not w.firing("a") and w.app("a").inference.latency == 0.0975
    w.serve(2, seconds=0.4)
    assert not w.firing("a")
    w.serve(1, seconds=0.4)
    raised = w.raised()
    assert (raised.name, raised.severity, raised.threshold) == ("HighInferenceLatency", "warning", 0.2)
    assert (
        "p95 latency" in raised.summary and "the limit is 200ms" in raised.summary and "took longer" in raised.summary
    )
    w.serve(5)
    (cleared,) = w.events(AlertCleared)
    assert cleared.name == "HighInferenceLatency" and not w.firing("a")


def test_very_slow_ones_are_critical() -> None:
    w = Served(latency=LATENCY).serve(5).serve(5, seconds=3.0)
    assert w.raised().severity == "critical" or w.events(AlertChanged, severity="critical")


def test_a_short_peak_is_no_alert() -> None:
    w = Served(latency=LATENCY).serve(10).serve(0.5, seconds=3.0, number=1.0).serve(10)
    assert not w.told


def test_few_inferences_are_no_verdict() -> None:
    w = Served(latency=LATENCY | {"min_count": 100}).serve(20, seconds=3.0, number=5.0)
    assert not w.events(AlertRaised)


def test_without_limits_it_is_measured_and_never_an_alert() -> None:
    w = Served(latency={"histogram": "t_seconds"}).serve(10, seconds=3.0)
    assert not w.events(AlertRaised) and w.app("a").inference.latency == 1.0


def test_a_window_shorter_than_the_scrapes_are_apart_still_sees_two() -> None:
    w = Served(latency=LATENCY | {"for": 1.0}).serve(2, seconds=0.4)
    assert w.firing("a") == {"HighInferenceLatency"}


def test_a_restart_of_the_apps_counters_changes_nothing() -> None:
    w = Served(latency=LATENCY).serve(10)
    w.counts = dict.fromkeys(EDGES, 0.0)
    w.requests = 0.0
    w.serve(10)
    assert not w.told and w.app("a").inference.latency == 0.0975


def test_after_a_gap_only_what_came_since_counts() -> None:
    w = Served(latency=LATENCY).serve(10)
    w.count(3.0, 1000.0)
    w.run(3600.0)
    w.serve(10)
    assert not w.events(AlertRaised)


def test_other_buckets_begin_anew() -> None:
    w = Served(latency=LATENCY).serve(5)
    w.counts = {0.2: 5.0, 1.0: 1e6, inf: 1e6}
    w.serve(10)
    assert not w.events(AlertRaised) and w.app("a").inference.latency == 0.19
    assert w.app("a").inference.marks[-1].requests == (5 + 10) * 4 * 30.0 - 30.0


def test_an_app_that_fires_goes_on_over_a_restart_of_edged() -> None:
    w = Served(latency=LATENCY).serve(5, seconds=0.4)
    assert w.firing("a") == {"HighInferenceLatency"}
    w.forget().restart_edged()
    w.serve(5, seconds=0.4)
    assert w.firing("a") == {"HighInferenceLatency"} and not w.events(AlertCleared)


def test_it_ends_with_the_container_and_with_its_configuration() -> None:
    w = Served(latency=LATENCY).serve(5, seconds=0.4)
    w.docker_stop("a")
    w.run(60.0)
    assert not w.firing("a")
    w = Served(latency=LATENCY).serve(5, seconds=0.4)
    assert w.firing("a") == {"HighInferenceLatency"}
    config = w.config.apps["a"]
    w.reload(replace(w.config, apps={"a": replace(config, metrics=None)}), ("apps.a.metrics",)).run(1.0)
    assert not w.firing("a")


def test_another_counter_in_the_configuration_begins_anew() -> None:
    w = Served(errors=ERRORS).serve(5)
    config = w.config.apps["a"]
    metrics = replace(config.metrics, errors=replace(config.metrics.errors, total="m_total"))
    w.reload(replace(w.config, apps={"a": replace(config, metrics=metrics)}), ("apps.a.metrics.errors.total",))
    w.requests, w.failed = 1e6, 5e5
    w.serve(5)
    assert not w.events(AlertRaised) and w.app("a").inference.marks[-1].requests == 19 * 30.0


def test_a_scrape_of_the_run_before_says_nothing() -> None:
    w = Served(latency=LATENCY).serve(5)
    late = facts.TrafficSampled(
        at=w.now - 1.0, app="a", traffic=Traffic(at=w.now - 1.0, requests=9e9), scrape=Scrape(totals={"all": 9e9})
    )
    w.docker_restart("a")
    w.run(5.0)
    w.feed(late)
    assert w.app("a").inference.marks == ()


# Failures


def test_failures_are_told_by_their_share() -> None:
    w = Served(errors=ERRORS).serve(10).serve(5, failed=1.0)
    raised = w.raised()
    assert (raised.name, raised.severity) == ("HighErrorRate", "warning") and "3.3% of its requests" in raised.summary
    w.serve(10, failed=15.0)
    assert w.events(AlertChanged, severity="critical")
    w.serve(10)
    assert w.events(AlertCleared, name="HighErrorRate") and not w.firing("a")


def test_one_failure_among_few_requests_is_no_verdict() -> None:
    assert not Served(errors=ERRORS).serve(10, number=1.0, failed=1.0).events(AlertRaised)


def test_failures_below_the_limit_are_none() -> None:
    assert not Served(errors=ERRORS).serve(20, number=1000.0, failed=9.0).events(AlertRaised)


# Silence


def test_a_healthy_app_that_serves_nothing_any_more_is_told() -> None:
    w = Served(errors=ERRORS, stalled_after=300.0).serve(10)
    w.serve(4.5, number=0.0)
    assert not w.firing("a")
    w.serve(1, number=0.0)
    raised = w.raised()
    assert (raised.name, raised.severity) == ("NoInference", "critical") and "no inference for 5" in raised.summary
    w.serve(1)
    assert not w.firing("a")


def test_nobody_asks_in_maintenance_nor_of_what_is_stopped_or_just_started() -> None:
    w = Served(errors=ERRORS, stalled_after=300.0).serve(2)
    w.command("maintenance.set", app="a", on=True, seconds=3600.0, why="camera")
    w.serve(20, number=0.0)
    assert not w.events(AlertRaised)
    w = Served(errors=ERRORS, stalled_after=300.0).serve(2)
    w.docker_stop("a")
    w.serve(20, number=0.0)
    assert not w.events(AlertRaised)
    w.start("a")
    w.serve(4, number=0.0)
    assert not w.firing("a")


def test_silence_goes_on_over_a_restart_of_edged() -> None:
    w = Served(errors=ERRORS, stalled_after=300.0).serve(2).serve(7, number=0.0)
    assert w.firing("a") == {"NoInference"}
    w.forget().restart_edged()
    w.serve(3, number=0.0)
    assert w.firing("a") == {"NoInference"} and not w.events(AlertCleared)
    w.serve(1)
    assert not w.firing("a")


def test_silence_goes_on_through_an_engine_outage() -> None:
    w = Served(errors=ERRORS, stalled_after=300.0).serve(2).serve(7, number=0.0)
    w.hang_engine()
    w.run(60.0)
    w.list_now()
    w.engine_seen()
    assert w.condition("a") == "unknown"
    w.serve(2, number=0.0)
    assert "NoInference" in w.firing("a") and not w.events(AlertCleared)


# Quality


def test_a_low_gauge_is_told_and_one_that_is_not_there_changes_nothing() -> None:
    w = Served(quality={"gauge": "q", "min": 0.9})
    w.gauge = 0.95
    w.serve(5)
    assert not w.firing("a")
    w.gauge = 0.8
    w.serve(2)
    raised = w.raised()
    assert (raised.name, raised.value, raised.threshold) == ("ModelQuality", 0.8, 0.9)
    w.gauge = None
    w.serve(5)
    assert w.firing("a") == {"ModelQuality"}
    w.gauge = 0.91
    w.serve(2)
    assert not w.firing("a")


def test_all_is_judged_alike_a_second_time() -> None:
    w = Served(latency=LATENCY, errors=ERRORS, quality={"gauge": "q", "min": 0.9}, stalled_after=300.0)
    w.twice, w.gauge = True, 0.5
    w.serve(5, seconds=0.4, failed=10.0).serve(7, number=0.0)
    assert {e.name for e in w.events(AlertRaised)} == {
        "HighInferenceLatency",
        "HighErrorRate",
        "ModelQuality",
        "NoInference",
    }
    assert isinstance(w.config, Config)
