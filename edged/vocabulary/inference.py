"""What an app tells of its own inference, and what is remembered of it."""

from __future__ import annotations

from msgspec import Struct

Buckets = tuple[tuple[float, float], ...]
"""(upper bound in seconds, cumulative count), rising; the last bound is infinite."""


class Scrape(Struct, frozen=True):
    """One page of metrics: counters by label set, as they stand. They only grow, until what counts starts anew."""

    latency: dict[str, Buckets] = {}
    totals: dict[str, float] = {}
    """Requests; where nothing else counts them, the observations of the latency."""
    failures: dict[str, float] = {}
    quantile: float | None = None
    """Of a summary, seconds: the worst of its label sets. ``None``: nothing was observed of late."""
    summaries: int = 0
    """Label sets of the summary that have it."""
    gauge: float | None = None
    """Of the answers' quality: the lowest of its label sets."""


class Mark(Struct, frozen=True):
    """What was counted up to a moment since edged began to look, whatever started anew in between."""

    at: float
    requests: float = 0.0
    failed: float = 0.0
    buckets: Buckets = ()
    """Not forced to rise: as in PromQL, each bucket is a counter of its own."""


class Probed(Struct, frozen=True):
    """How the app last answered its bundle's own smoke inputs."""

    at: float
    digest: str
    """Of the model in place."""
    seconds: float | None
    """For one request; ``None``: it answered something else."""
    samples: int = 0
    wrong: int = 0
    """Probes in a row that were answered with something else."""
    detail: str = ""


class Inference(Struct, frozen=True):
    """The inference of one app as judged from its scrapes since it last started."""

    asked: str = ""
    """The names that are looked for, in words: what others counted says nothing of these."""
    last: Scrape | None = None
    marks: tuple[Mark, ...] = ()
    """The newest last, as many as the windows need."""
    served_at: float = 0.0
    """When an inference was last seen to have been made, or when edged began to look."""
    latency: float | None = None
    """The configured quantile over the last window, seconds."""
    over: float | None = None
    """Share of requests of that window above ``latency.warn``."""
    error_ratio: float | None = None
    rate: float | None = None
    """Requests a second over the last window."""
    usual_rate: float | None = None
    """The same over about an hour."""
    gauge: float | None = None
    probed: Probed | None = None
    noted: tuple[str, ...] = ()
    """What was said once about the app's metrics."""
