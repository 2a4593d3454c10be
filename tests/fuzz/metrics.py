"""Hostile pages of metrics: nothing but a failed check may come of a bad one, and that is said once."""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from math import isfinite
from typing import Any, cast

from edged.config import Metrics
from edged.judge.increments import SETS
from edged.judge.inference import NOTES
from edged.observe import World as Surroundings
from edged.observe.checks import PAGE, metrics
from edged.observe.exposition import SAMPLES
from edged.observe.jobs import MetricsJob
from edged.ports import PortError, Unreachable
from edged.vocabulary.events import CheckBroken
from edged.vocabulary.facts import CheckFailed, Fact
from tests.bench.measure import Figure
from tests.judge.world import World, app

from .pages import LARGEST, Pages
from .telling import news

_DEADLINE = 10.0
"""Seconds that one page may take at the very most; 9 MiB in pieces of 1 KiB on a busy machine."""
_MOST_MB = 32.0
URL = {"url": "http://127.0.0.1:1/metrics", "stalled_after": 60.0}
QUALITY = {"gauge": "q", "min": 0.5}
APPS: dict[str, dict[str, Any]] = {
    "histogram": {
        "latency": {"histogram": "t_seconds", "warn": 0.15, "critical": 1.0, "for": 30.0},
        "errors": {"total": "n_total", "failed": {"status": "5.."}, "for": 30.0},
        "quality": QUALITY,
    },
    "summary": {"latency": {"summary": "s_seconds", "unit": "milliseconds", "warn": 0.1}, "quality": QUALITY},
    "labels": {
        "latency": {"histogram": "t_seconds", "labels": {"m": "x|"}, "warn": 0.15},
        "errors": {"total": "n", "labels": {"status": "[25]0."}, "failed": {"status": "5.*"}},
    },
    "triton": {"preset": "triton", "quality": QUALITY},
    "kserve": {"preset": "kserve", "latency": {"warn": 0.05}},
}


class Feeding:
    """A prober whose answers are the pages of the fuzzer, in pieces as they would come."""

    def __init__(self, random_: random.Random) -> None:
        self._random = random_
        self.page = b""

    def call(
        self, method: str, url: str, timeout: float, *, take: Callable[[bytes], None], **_: Any
    ) -> tuple[int, bytes]:
        size = self._random.choice([64, 1000, 16384]) if len(self.page) < 2**17 else 16384
        for at in range(0, min(len(self.page), PAGE), size):
            take(self.page[at : at + size])
        if len(self.page) > PAGE:
            raise Unreachable(f"{url}: more than {PAGE // 1024} KiB")
        return 200, b""


class Yard:
    """Apps with each kind of configuration, watched by a judge."""

    def __init__(self, random_: random.Random) -> None:
        self.prober = Feeding(random_)
        self.world = World({name: app(metrics=URL | more, restart={"enabled": False}) for name, more in APPS.items()})
        self.world.run(2.0)
        unused = dict.fromkeys(Surroundings.__struct_fields__)
        self._surroundings = Surroundings(**cast(Any, unused | {"clock": self, "prober": self.prober}))

    def now(self) -> float:
        return self.world.now

    def scrape(self, name: str, page: bytes) -> Fact:
        """As the runner does it: a check gives facts or raises ``PortError``."""
        rules: Metrics = self.world.app(name).config.metrics
        self.prober.page = page
        job = MetricsJob(check="metrics", subject=name, every=15.0, deadline=6.0, rules=rules)
        try:
            (fact,) = metrics(job, self._surroundings)
            return fact
        except PortError as error:
            return CheckFailed(at=self.world.now, check="metrics", subject=name, error=str(error))

    def judge(self, name: str, fact: Fact) -> list[str]:
        """What is wrong with what the judge makes of it."""
        world, wrong = self.world, []
        failed = isinstance(fact, CheckFailed)
        for again in (False, True):  # the same page once more is no news
            wanted = news(world.app(name), "metrics", failed, fact.at)
            events = world.feed(fact)
            said = [e.broken for e in events if isinstance(e, CheckBroken)]
            if said != wanted or (again and wanted) or ("metrics" in world.app(name).broken) != failed:
                wrong.append(f"said {said} of a page that {'is bad' if failed else 'is good'}")
            world.run(7.5)
        state = world.app(name)
        seen = state.inference
        figures = (seen.latency, seen.over, seen.error_ratio, seen.rate, seen.usual_rate)
        if any(value is not None and not isfinite(value) for value in figures) or (seen.rate or 0.0) < 0.0:
            wrong.append(f"figures {figures}")
        sets = len(seen.last.totals) + len(seen.last.latency) if seen.last is not None else 0
        if sets > 2 * SETS + SAMPLES or len(seen.noted) > NOTES or (failed and len(str(fact)) > 2000):
            wrong.append(f"{sets} label sets, {len(seen.noted)} remarks kept")
        world.forget()
        return wrong


def run(count: int, seed: int) -> list[Figure]:
    """``count`` pages; each seed has its own."""
    random_ = random.Random(seed)
    pages, yard = Pages(random_), Yard(random_)
    outcomes: Counter[str] = Counter()
    crashes = unsaid = 0
    slowest = 0.0
    for _ in range(30):  # what the largest pages take to be made is no growth
        yard.scrape("histogram", pages.big(LARGEST))
    first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    for number in range(count):
        page, name = pages.next(), random_.choice(list(APPS))
        at = time.monotonic()
        try:
            fact = yard.scrape(name, page)
            took = time.monotonic() - at
            wrong = yard.judge(name, fact)
        except BaseException as error:
            crashes += 1
            outcomes[f"CRASH {type(error).__name__}"] += 1
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"page {number} for {name} crashed: {page[:200]!r}", file=sys.stderr)
            traceback.print_exc(limit=-4, file=sys.stderr)
            continue
        slowest = max(slowest, took)
        outcomes[_outcome(fact)] += 1
        if wrong:
            unsaid += 1
            print(f"page {number} for {name}: {'; '.join(wrong)}: {page[:200]!r}", file=sys.stderr)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) / 1024
    rate = count / (time.monotonic() - begun)
    told = ", ".join(f"{what} {n}" for what, n in outcomes.most_common(12))
    print(f"{count} pages, {rate:.0f} a second: {told}", file=sys.stderr)
    taken = f"{outcomes['taken']} taken, {len(outcomes)} different outcomes"
    return [
        Figure("metrics: pages that crashed", crashes, 0, "", count, None, taken),
        Figure("metrics: bad pages not told once, or figures that cannot be", unsaid, 0, "", count),
        Figure("metrics: growth of peak memory over all pages", grown, _MOST_MB, "MB", count),
        Figure("metrics: slowest page", slowest, _DEADLINE, "s", count),
    ]


def _outcome(fact: Fact) -> str:
    if not isinstance(fact, CheckFailed):
        return "taken"
    words = fact.error.partition("format: ")[2] or fact.error.partition("metrics ")[2]
    return " ".join(words.split()[:2])
