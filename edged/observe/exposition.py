"""What an app tells of its traffic in the Prometheus text format. Pure: a page in, counters out."""

from __future__ import annotations

import re
from math import inf

from ..config import Metrics
from ..ports import PortError
from ..vocabulary.deployments import Traffic

LABEL_SETS = 5000
"""Samples of one family that are looked at; a page with more is not an app's."""


def traffic(page: str, rules: Metrics, at: float) -> Traffic:
    """Counters of all label sets summed up, latency in seconds. Raises ``PortError`` when they are not there."""
    from prometheus_client.parser import text_string_to_metric_families

    wanted = {name for name in (_histogram(rules), _total(rules)) if name}
    # A counter with labels has no samples before the first request; that it is declared is enough.
    declared = {
        name for name in wanted if f"# TYPE {name} " in page or f"# TYPE {name.removesuffix('_total')} " in page
    }
    buckets: dict[float, float] = {}
    requests = failed = observed = 0.0
    found: set[str] = set(declared)
    try:
        for family in text_string_to_metric_families(_only(page, wanted)):
            for sample in family.samples[:LABEL_SETS]:
                if sample.name == f"{_histogram(rules)}_bucket":
                    bound = float(sample.labels["le"])
                    buckets[bound] = buckets.get(bound, 0.0) + sample.value
                    found.add(_histogram(rules))
                elif sample.name == f"{_histogram(rules)}_count":
                    observed += sample.value
                elif rules.errors is not None and sample.name == rules.errors.total:
                    found.add(_total(rules))
                    requests += sample.value
                    if rules.errors.failed and _matches(rules.errors.failed, sample.labels):
                        failed += sample.value
    except (ValueError, KeyError) as error:
        raise PortError(f"{rules.url} does not answer in the Prometheus text format: {error}") from None
    if missing := sorted(wanted - found):
        raise PortError(f"{rules.url} does not tell {', '.join(missing)}")
    return Traffic(
        at=at,
        requests=requests if rules.errors is not None else observed,
        failed=failed,
        buckets=tuple(sorted(buckets.items())) if inf in buckets else (),
    )


def _histogram(rules: Metrics) -> str:
    return rules.latency.histogram if rules.latency is not None else ""


def _total(rules: Metrics) -> str:
    return rules.errors.total if rules.errors is not None else ""


def _only(page: str, names: set[str]) -> str:
    """The lines of these metrics: what else an app tells costs no time, and cannot be in the way."""
    starts = tuple(names) + tuple(f"# TYPE {name} " for name in names)
    lines = [line for line in page.splitlines() if line.startswith(starts)]
    return "\n".join([*lines, ""])


def _matches(labels: dict[str, str], of: dict[str, str]) -> bool:
    """Each pattern fits its label whole, as in PromQL's ``=~``."""
    return all(re.fullmatch(pattern, of.get(name, "")) for name, pattern in labels.items())
