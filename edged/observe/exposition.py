"""What an app tells of its inference, in the Prometheus text format or OpenMetrics. Pure: a page in, counters out.

A page is read as it comes and only the lines of the wanted metrics are kept, so that a huge one costs little. Whatever
stands on the other lines cannot be in the way.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from math import inf, isfinite, isnan

from ..config import Metrics, Names, names
from ..ports import PortError
from ..vocabulary.deployments import Traffic
from ..vocabulary.inference import Buckets, Scrape
from .samples import Malformed, Sample, sample

LINE = 64 * 1024
"""Bytes of one line."""
LINES = 200_000
SAMPLES = 5000
"""Of the wanted metrics: a page with more is not an app's."""
LARGEST = 1e18
"""What a counter or a bucket's edge may be: beyond it, sums lose all meaning."""
_LONG_KEY = 120


class Page:
    """One page on its way."""

    def __init__(self, rules: Metrics) -> None:
        self._rules, self._names = rules, names(rules)
        self._lines = _pattern(self._names)
        self._tail = b""
        self._count = 0
        self.samples: list[Sample] = []
        self.declared: dict[str, str] = {}
        """Metric → type, for the wanted ones: one with labels has no samples before the first request."""

    def feed(self, piece: bytes) -> None:
        """Takes the next piece. Raises ``PortError`` as soon as the page cannot be one."""
        text = self._tail + piece if self._tail else piece
        cut = text.rfind(b"\n") + 1
        self._tail = text[cut:]
        if len(self._tail) > LINE:
            raise self._wrong(f"a line longer than {LINE // 1024} KiB")
        self._take(text[:cut])

    def close(self, at: float) -> tuple[Traffic, Scrape]:
        """The page is complete. Raises ``PortError`` when what is asked for is not there."""
        self._take(self._tail + b"\n" if self._tail else b"")
        self._tail = b""
        return self._summed(at)

    def _take(self, block: bytes) -> None:
        self._count += block.count(b"\n")
        if self._count > LINES:
            raise self._wrong(f"more than {LINES} lines")
        for found in self._lines.finditer(block):
            line = found[0]
            if len(line) > LINE:
                raise self._wrong(f"a line longer than {LINE // 1024} KiB")
            try:
                text = line.decode().strip()
                if text.startswith("#"):
                    _, _, name, *kind = text.split()[:4]
                    self.declared[name] = "".join(kind)
                    continue
                self.samples.append(sample(text))
            except (Malformed, UnicodeDecodeError) as error:
                raise self._wrong(f"{error} in {_shown(line)}") from None
            if len(self.samples) > SAMPLES:
                raise self._wrong(f"more than {SAMPLES} samples of what is asked for")

    def _wrong(self, what: str) -> PortError:
        return PortError(f"{self._rules.url} does not answer in the Prometheus text format: {what}")

    def _summed(self, at: float) -> tuple[Traffic, Scrape]:
        known = self._names
        try:
            latency, observed = self._latency()
            totals, failures = self._requests()
            quantile, summaries, counted = self._summary()
            gauge = self._gauge()
        except Malformed as error:
            raise self._wrong(str(error)) from None
        self._complain()
        if not known.totals:
            totals = observed or counted
        sums: dict[float, float] = {}
        for buckets in latency.values():
            for bound, count in buckets:
                sums[bound] = sums.get(bound, 0.0) + count
        traffic = Traffic(
            at=at,
            requests=sum(totals.values()),
            failed=sum(failures.values()),
            buckets=tuple(sorted(sums.items())) if inf in sums else (),
        )
        return traffic, Scrape(latency, totals, failures, quantile, summaries, gauge)

    def _latency(self) -> tuple[dict[str, Buckets], dict[str, float]]:
        """Buckets and number of observations, by label set."""
        name, wanted = self._names.histogram, self._names.latency_labels
        buckets: dict[str, dict[float, float]] = {}
        observed: dict[str, float] = {}
        for one in self.samples:
            if not name or not one.name.startswith(name) or not _fits(wanted, one.labels):
                continue
            if one.name == f"{name}_count":
                observed[_key(one._replace(name=name))] = _counter(one)
            elif one.name == f"{name}_bucket":
                bound = _bound(one, self._names.scale)
                labels = {k: v for k, v in one.labels.items() if k != "le"}
                buckets.setdefault(_key(Sample(name, labels, 0.0)), {})[bound] = _counter(one)
        for key, found in buckets.items():
            observed.setdefault(key, found.get(inf, 0.0))
        return {key: tuple(sorted(found.items())) for key, found in buckets.items()}, observed

    def _requests(self) -> tuple[dict[str, float], dict[str, float]]:
        known = self._names
        totals: dict[str, float] = {}
        failures: dict[str, float] = {}
        exact = {one.name for one in self.samples}
        wanted = {_present(name, exact) for name in known.totals}
        failing = {_present(name, exact) for name in known.failures}
        for one in self.samples:
            if one.name not in wanted | failing or not _fits(known.error_labels, one.labels):
                continue
            value, key = _counter(one), _key(one)
            if one.name in wanted:
                totals[key] = value
            if one.name in failing or (known.failed and _fits(known.failed, one.labels)):
                failures[key] = value
        return totals, failures

    def _summary(self) -> tuple[float | None, int, dict[str, float]]:
        """The worst of the label sets, how many there are, and their number of observations."""
        known, worst, sets = self._names, None, 0
        counted: dict[str, float] = {}
        others: set[str] = set()
        told = False
        for one in self.samples:
            if not known.summary or not _fits(known.latency_labels, one.labels):
                continue
            if one.name == f"{known.summary}_count":
                counted[_key(one)] = _counter(one)
            elif one.name == known.summary and "quantile" in one.labels:
                if abs(_number(one, "quantile") - known.quantile) > 1e-9:
                    others.add(one.labels["quantile"])
                    continue
                told = True
                if not isnan(one.value):
                    seconds = _counter(one) * known.scale
                    worst, sets = seconds if worst is None else max(worst, seconds), sets + 1
        if others and not told:
            have = ", ".join(sorted(others)[:10])
            raise PortError(
                f"{self._rules.url} tells {known.summary} without the quantile {known.quantile:g}; it has {have}"
            )
        return worst, sets, counted

    def _gauge(self) -> float | None:
        known = self._names
        values = [s.value for s in self.samples if s.name == known.gauge and _fits(known.gauge_labels, s.labels)]
        return min((value for value in values if isfinite(value)), default=None)

    def _complain(self) -> None:
        """Says what is not there at all."""
        known, seen = self._names, {one.name for one in self.samples}
        missing = []
        if (name := known.histogram) and f"{name}_bucket" not in seen and self.declared.get(name) != "histogram":
            missing.append(name + _other_kind(self.declared.get(name)))
        if (name := known.summary) and not seen & {name, f"{name}_count"} and self.declared.get(name) != "summary":
            missing.append(name + _other_kind(self.declared.get(name)))
        counters = [name for name in known.totals if not _aliases(name) & (seen | self.declared.keys())]
        if counters and len(counters) == len(known.totals):
            missing.extend(counters)
        if known.gauge and known.gauge not in seen and known.gauge not in self.declared:
            missing.append(known.gauge)
        if missing:
            raise PortError(f"{self._rules.url} does not tell {', '.join(sorted(missing))}")


def read(page: bytes, rules: Metrics, at: float) -> tuple[Traffic, Scrape]:
    """A page that is there as a whole. Raises ``PortError``."""
    reader = Page(rules)
    reader.feed(page)
    return reader.close(at)


def _pattern(known: Names) -> re.Pattern[bytes]:
    """The lines that matter, whole. Everything else is passed over at the speed of C."""
    wanted = {alias for name in (*known.totals, *known.failures) for alias in _aliases(name)}
    if known.histogram:
        wanted |= {known.histogram + end for end in ("", "_bucket", "_count")}
    if known.summary:
        wanted |= {known.summary, known.summary + "_count"}
    if known.gauge:
        wanted.add(known.gauge)
    if not wanted:
        return re.compile(rb"(?!)")
    either = "|".join(re.escape(name) for name in sorted(wanted, key=len, reverse=True)).encode()
    return re.compile(
        rb"^[ \t]*(?:#[ \t]+TYPE[ \t]+(?:" + either + rb")[ \t]|(?:" + either + rb")(?:[ \t{]|\r?$)).*$", re.M
    )


def _aliases(name: str) -> set[str]:
    """A counter is called with ``_total`` in OpenMetrics, and its TYPE line without."""
    return {name, name.removesuffix("_total"), name.removesuffix("_total") + "_total"}


def _present(name: str, seen: set[str]) -> str:
    return name if name in seen else next((alias for alias in sorted(_aliases(name)) if alias in seen), name)


def _other_kind(kind: str | None) -> str:
    return f" (it is there as a {kind})" if kind in ("histogram", "summary", "gauge", "counter") else ""


def _fits(wanted: dict[str, str], labels: dict[str, str]) -> bool:
    """Each pattern fits its label whole, as in PromQL's ``=~``."""
    return all(re.fullmatch(pattern, labels.get(name, "")) for name, pattern in wanted.items())


def _key(one: Sample) -> str:
    """A label set in whatever order its labels come."""
    key = ",".join([one.name, *(f"{name}={value!r}" for name, value in sorted(one.labels.items()))])
    return key if len(key) <= _LONG_KEY else blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _counter(one: Sample) -> float:
    if not 0.0 <= one.value <= LARGEST:
        raise Malformed(f"{one.name} is {one.value:g}, which nothing can count up to")
    return one.value


def _number(one: Sample, label: str) -> float:
    try:
        return float(one.labels[label])
    except (KeyError, ValueError):
        raise Malformed(f"{one.name} has no number as its label {label}") from None


def _bound(one: Sample, scale: float) -> float:
    bound = _number(one, "le")
    if not abs(bound) <= LARGEST and bound != inf:
        raise Malformed(f"{one.name} has the edge {bound:g}")
    return bound * scale


def _shown(line: bytes) -> str:
    text = line[:80].decode("utf-8", "replace")
    return repr("".join(c for c in text if c.isprintable()) + ("…" if len(line) > 80 else ""))
