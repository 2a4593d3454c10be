"""Rules between the keys of ``metrics``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .inference import PRESETS, Labels, Metrics, names
from .units import format_duration, format_share

KeyPath = tuple[str, ...]
Found = tuple[tuple[KeyPath, ...], str, str]
"""Keys, reason, hint."""


def metrics_faults(path: KeyPath, rules: Metrics | None) -> Iterator[Found]:
    """What contradicts itself, and what cannot be found on any page."""
    if rules is None:
        return
    known = names(rules)
    latency, errors, quality = rules.latency, rules.errors, rules.quality
    if latency is not None:
        here = (*path, "latency")
        if latency.histogram and latency.summary:
            yield ((*here, "summary"), (*here, "histogram")), "histogram and summary are both given", "keep one of them"
        if not known.histogram and not known.summary:
            yield _nothing(here, "histogram", "says not which metric holds the latency")
        if 0.0 < latency.critical <= latency.warn:
            yield _order(here, format_duration(latency.warn), format_duration(latency.critical))
        yield from _patterns((*here, "labels"), latency.labels)
    if errors is not None:
        here = (*path, "errors")
        if not known.totals:
            yield _nothing(here, "total", "says not which counter counts the requests")
        if 0.0 < errors.critical <= errors.warn:
            yield _order(here, format_share(errors.warn), format_share(errors.critical))
        yield from _patterns((*here, "failed"), errors.failed)
        yield from _patterns((*here, "labels"), errors.labels)
    if quality is not None:
        yield from _patterns((*path, "quality", "labels"), quality.labels)
    if rules.stalled_after and not known.totals and not known.histogram and not known.summary:
        reason = "needs something that counts inferences"
        yield ((*path, "stalled_after"), (*path, "latency")), reason, "give latency or errors as well"


def metrics_warnings(path: KeyPath, rules: Metrics | None) -> Iterator[Found]:
    """What works and may not be meant."""
    if rules is None or rules.errors is None or not (rules.errors.warn or rules.errors.critical):
        return
    known = names(rules)
    if known.totals and not (known.failed or known.failures):
        here = (*path, "errors")
        reason = "says not which requests failed, so all count as answered: it never alerts"
        yield ((*here, "failed"), here), reason, 'give failed, such as {status: "5.."}; or warn: 0% and critical: 0%'


def _nothing(here: KeyPath, key: str, reason: str) -> Found:
    presets = ", ".join(sorted(PRESETS))
    return ((*here, key), here), reason, f"give {key}, or for known servers the preset beside it: {presets}"


def _order(here: KeyPath, warn: str, critical: str) -> Found:
    return ((*here, "warn"), (*here, "critical")), f"warn ({warn}) must be less than critical ({critical})", ""


def _patterns(here: KeyPath, labels: Labels) -> Iterator[Found]:
    for name, pattern in labels.items():
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield ((*here, name),), f"is not a regular expression: {error}", "write it like 5.. or a|b"
