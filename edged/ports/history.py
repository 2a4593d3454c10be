"""The past in numbers: what is kept of memory, latency, availability and so on, by minute and by hour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from msgspec import Struct

MINUTE, HOUR = 60, 3600
"""Steps that rollups are kept in, seconds. Minutes for about a week, hours for ``history.keep``."""

Kind = Literal["gauge", "amount"]
GAUGE: Kind = "gauge"
AMOUNT: Kind = "amount"


class Metric(Struct, frozen=True):
    """What a series is about."""

    kind: Kind
    """``gauge``: look at min, mean, max, last. ``amount``: look at total, which may be added up over any time."""
    unit: str
    text: str


METRICS: dict[str, Metric] = {
    "memory": Metric(GAUGE, "bytes", "working set of an app; of the host: memory in use"),
    "memory.share": Metric(GAUGE, "ratio", "of the app's own limit, else of the host's memory, as its alerts see it"),
    "swap": Metric(GAUGE, "bytes", "swap in use (host)"),
    "cpu.cores": Metric(GAUGE, "cores", "CPU in use by an app"),
    "cpu.share": Metric(GAUGE, "ratio", "of an app's CPU limit, else of all cores; of the host: of all cores"),
    "cpu.throttled": Metric(GAUGE, "ratio", "of the periods in which an app was throttled by its limit"),
    "load": Metric(GAUGE, "tasks", "load average over one minute (host)"),
    "temperature": Metric(GAUGE, "celsius", "hottest sensor (host)"),
    "disk.share": Metric(GAUGE, "ratio", "of a file system in use; the series is called disk.share:PATH (host)"),
    "disk.free": Metric(GAUGE, "bytes", "left on a file system: disk.free:PATH (host)"),
    "disk.inodes": Metric(GAUGE, "ratio", "of a file system's inodes in use: disk.inodes:PATH (host)"),
    "state": Metric(AMOUNT, "seconds", "in each condition of an app: state.healthy, state.down …"),
    "restarts": Metric(AMOUNT, "restarts", "starts and restarts by edged that were carried out"),
    "deaths": Metric(AMOUNT, "deaths", "of an app's container, not on purpose"),
    "requests": Metric(AMOUNT, "requests", "that an app's own metrics counted"),
    "failed": Metric(AMOUNT, "requests", "those of them that failed"),
    "latency": Metric(GAUGE, "seconds", "the configured quantile over the app's own window"),
    "latency.p50": Metric(GAUGE, "seconds", "median of the same window, where there is a histogram"),
    "latency.p99": Metric(GAUGE, "seconds", "99 % of the same window, where there is a histogram"),
    "quality": Metric(GAUGE, "as told", "the app's own quality gauge"),
    "drift.score": Metric(GAUGE, "psi", "largest excess of any feature"),
    "drift.features": Metric(GAUGE, "features", "that have drifted"),
    "probe": Metric(GAUGE, "seconds", "duration of a health or dependency probe that was answered well"),
    "probe.failed": Metric(AMOUNT, "probes", "that were not"),
    "logs.errors": Metric(AMOUNT, "lines", "of an app's log that match its error pattern"),
    "logs.slow": Metric(AMOUNT, "lines", "that match its pattern of slowness"),
    "logs.auth": Metric(AMOUNT, "lines", "that match its pattern of refused logins"),
}
"""By name; a name of a series may go on after it with ``.`` (a condition) or ``:`` (a path)."""


class Point(Struct, frozen=True, array_like=True, gc=False):
    """One minute or one hour of one series."""

    begin: int
    """Unix time, a multiple of the step."""
    count: int
    min: float
    mean: float
    max: float
    last: float

    @property
    def total(self) -> float:
        """Of an ``amount``: how much in this time."""
        return self.mean * self.count


class Series(Struct, frozen=True):
    subject: str
    """App, dependency or ``host``, as in events."""
    metric: str
    step: int
    """``MINUTE`` or ``HOUR``."""
    points: tuple[Point, ...]
    """Rising, no two of one time. What was not measured is not there."""


class History(Protocol):
    """Reading does not hold up the daemon, and may be done by another process while it runs."""

    def rollups(
        self, since: float, until: float, *, subject: str = "", metric: str = "", step: int = HOUR
    ) -> Iterable[Series]:
        """Points that begin in [since, until), Unix time, sorted by subject and metric.

        ``subject``, ``metric``: only this one (``disk.share`` also means ``disk.share:/``); empty: all. What edged
        has not yet written is included when the daemon itself asks. To be gone through once: a month of everything
        has 200,000 points, which need not all be in memory. Raises ``StorageError``.
        """
