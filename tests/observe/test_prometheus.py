"""The same scrapes, judged here and by a real Prometheus server: equal to 1e-9."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf, isnan

import msgspec
import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from edged.config import Errors, Metrics
from edged.judge.increments import add, keep, merged, window
from edged.judge.quantiles import quantile
from edged.observe.exposition import read
from edged.vocabulary.inference import Mark, Scrape
from tests.fixtures.broker import until
from tests.fixtures.prometheus import Prometheus

BEGIN = 1_700_000_000.0
EVERY, SCRAPES, WINDOW = 15.0, 9, 120.0
RULES = msgspec.convert({"url": "http://127.0.0.1:1/", "latency": {"histogram": "t_seconds"}}, Metrics)
QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
Counts = list[list[int]]
"""Cumulative counts by scrape and bucket."""


def edges(random_: random.Random) -> list[float]:
    """Any set of edges: one, many, at and below 0, tiny, huge; the last is infinite."""
    kind = random_.randrange(6)
    if kind == 0:
        return [inf]
    if kind == 1:
        return [random_.choice([-1.0, 0.0, 0.5, 3.0]), inf]
    scale = 10.0 ** random_.randrange(-6, 5)
    found = {round(scale * random_.random(), random_.randrange(3, 12)) for _ in range(random_.randrange(1, 30))}
    if kind == 2:
        found |= {-scale, -scale / 3.0, 0.0}
    return [*sorted(found), inf]


def history(random_: random.Random, buckets: int) -> Counts:
    """Nine scrapes: busy or idle, with or without a new beginning, and counts that were not taken at one instant."""
    base = [0] * buckets if random_.random() < 0.1 else sorted(random_.randrange(10_000) for _ in range(buckets))
    idle, torn = random_.random() < 0.1, random_.random() < 0.2
    restart = random_.randrange(1, SCRAPES) if random_.random() < 0.3 else None
    now, rows = list(base), []
    for number in range(SCRAPES):
        if number == restart:
            now = [0] * buckets
        if number and not idle:
            grown = sorted(random_.randrange(random_.choice([1, 5, 500])) for _ in range(buckets))
            now = [old + more for old, more in zip(now, grown, strict=True)]
        rows.append([max(0, n - random_.randrange(3)) if torn and not idle and n > 3 else n for n in now])
    return rows


class Case:
    """One app: a histogram with one or several label sets, scraped nine times; some scrapes did not come."""

    def __init__(self, number: int, random_: random.Random) -> None:
        self.name = str(number)
        self.edges = edges(random_)
        self.sets = [history(random_, len(self.edges)) for _ in range(random_.choice([1, 1, 2, 5]))]
        # First and last are there, so that PromQL's rate has nothing to extrapolate.
        self.there = [n for n in range(SCRAPES) if n in (0, SCRAPES - 1) or random_.random() > 0.15]

    def page(self, number: int, stamp: str = "") -> list[str]:
        return [
            f't_seconds_bucket{{case="{self.name}",set="{index}",le="{_le(edge)}"}} {count}{stamp}'
            for index, rows in enumerate(self.sets)
            for edge, count in zip(self.edges, rows[number], strict=True)
        ]

    def judged(self) -> dict[str, float | None]:
        """What edged makes of the pages."""
        last: Scrape | None = None
        marks: tuple[Mark, ...] = ()
        for number in self.there:
            at = number * EVERY
            _, page = read("\n".join([*self.page(number), ""]).encode(), RULES, at)
            marks = keep(marks, add(marks[-1] if marks else None, last, page, at), WINDOW)
            last = merged(last, page)
        lately = window(marks, WINDOW)
        assert lately is not None and lately.seconds == WINDOW
        assert last is not None
        whole = [pair for buckets in last.latency.values() for pair in buckets]
        return {f"window {q}": quantile(q, lately.buckets) for q in QUANTILES} | {
            f"whole {q}": quantile(q, whole) for q in QUANTILES
        }


def _le(edge: float) -> str:
    return "+Inf" if edge == inf else repr(edge)


def _equal(mine: float | None, theirs: float) -> bool:
    if mine is None or isnan(theirs):
        return mine is None and isnan(theirs)
    return mine == theirs or abs(mine - theirs) <= 1e-9 * max(1.0, abs(theirs))


@pytest.mark.parametrize("seed", [1, 2])
def test_windows_and_quantiles_are_those_of_prometheus(prometheus: Callable[..., Prometheus], seed: int) -> None:
    random_ = random.Random(seed)
    cases = [Case(number, random_) for number in range(300)]
    lines = ["# TYPE t_seconds histogram"]
    for case in cases:
        for number in case.there:
            lines += case.page(number, f" {BEGIN + number * EVERY:.3f}")
    server = prometheus("\n".join([*lines, "# EOF", ""]))
    at = BEGIN + (SCRAPES - 1) * EVERY
    judged = {case.name: case.judged() for case in cases}
    wrong, compared, numbers = [], 0, 0
    for q in QUANTILES:
        for kind, series in (("window", f"rate(t_seconds_bucket[{WINDOW:.0f}s])"), ("whole", "t_seconds_bucket")):
            theirs = server.values(f"histogram_quantile({q}, sum by (case, le) ({series}))", at, "case")
            assert theirs.keys() == judged.keys()
            for name, value in theirs.items():
                mine = judged[name][f"{kind} {q}"]
                compared, numbers = compared + 1, numbers + (mine is not None)
                if not _equal(mine, value):
                    wrong.append((name, kind, q, mine, value))
    assert compared == 2 * len(QUANTILES) * len(cases) and numbers > compared / 2
    assert wrong == []


@pytest.mark.parametrize("kind", ["text", "openmetrics"])
def test_a_page_is_read_as_prometheus_reads_it(prometheus: Callable[..., Prometheus], kind: str) -> None:
    """Scraped by both: label values with every kind of escape, exemplars, suffixes, and whatever else it tells."""
    registry, random_ = CollectorRegistry(), random.Random(3)
    latency = Histogram("t_seconds", 'Says "\\n"', ["m"], registry=registry, buckets=(0.01, 0.1, 0.5, 2.0))
    requests = Counter("n", "Requests", ["path"], registry=registry)
    for label in ("plain", 'a"b', "c\\d", "e\nf", "g,h}", 'le="0.1" #', "ü", ""):
        for _ in range(50):
            latency.labels(label).observe(random_.expovariate(5.0), {"trace_id": "x} # y"} if kind != "text" else None)
        requests.labels(label).inc(random_.randrange(1000))
    made = generate_latest if kind == "text" else generate_openmetrics
    page = made(registry)
    rules = structs.replace(RULES, errors=Errors(total="n_total"))
    traffic, _ = read(page, rules, 0.0)
    with Pages(page, CONTENT_TYPES[kind]) as port:
        target = f"static_configs: [{{targets: ['127.0.0.1:{port}']}}]"
        server = prometheus(jobs=f"scrape_configs: [{{job_name: app, scrape_interval: 1s, {target}}}]")
        until(lambda: server.values("up", time.time(), "job") == {"app": 1.0}, 60.0, "a scrape")
    for q in QUANTILES[1:]:
        (theirs,) = server.values(
            f"histogram_quantile({q}, sum by (le) (t_seconds_bucket))", time.time(), "le"
        ).values()
        assert _equal(quantile(q, traffic.buckets), theirs)
    (total,) = server.values("sum(n_total)", time.time(), "none").values()
    assert traffic.requests == total > 0.0


CONTENT_TYPES = {"text": CONTENT_TYPE_LATEST, "openmetrics": OPENMETRICS}


class Pages:
    """One page, for whoever asks."""

    def __init__(self, page: bytes, content_type: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                """Not into the test's output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> int:
        self._thread.start()
        return self._server.server_port

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10.0)
