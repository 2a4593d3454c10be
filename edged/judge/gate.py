"""The health gate: is the app as well with the new artifact as it was with the old one? Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..config import Gate
from ..vocabulary.deployments import GateCheck, Signals, Traffic
from .quantiles import at_least, quantile, share_above

QUANTILE = 0.95
TAIL = 1.0 - QUANTILE

Verdict = Literal["open", "pass", "fail", "inconclusive"]


class Seen(Struct, frozen=True):
    """What is known of the app since it went on with the new artifact."""

    condition: str
    reason: str
    seconds: float
    """Since the gate began."""
    restarts: int
    """Ends of its process since then."""
    watched: bool
    """The app tells of its traffic."""
    traffic: Signals | None
    blind: str = ""
    """Why its traffic cannot be seen now; empty: it can."""
    patience: float = 0.0
    """Seconds beyond the window that may be waited for traffic."""
    smoke: GateCheck | None = None
    """How the app answered the bundle's own inputs."""
    asking: bool = False
    """That is still to be found out."""


class Found(Struct, frozen=True):
    verdict: Verdict
    checks: tuple[GateCheck, ...]

    @property
    def failed(self) -> GateCheck | None:
        return next((check for check in self.checks if not check.ok), None)


def between(first: Traffic | None, last: Traffic | None) -> Signals | None:
    """What was counted between two scrapes; ``None``: not two, or the app started anew in between."""
    if first is None or last is None or last.at <= first.at or last.requests < first.requests:
        return None
    bounds = tuple(bound for bound, _ in last.buckets)
    same = bounds == tuple(bound for bound, _ in first.buckets)
    buckets = tuple((b, n - m) for (b, n), (_, m) in zip(last.buckets, first.buckets, strict=True)) if same else ()
    return Signals(
        seconds=last.at - first.at,
        requests=last.requests - first.requests,
        failed=max(0.0, last.failed - first.failed),
        buckets=buckets,
    )


def look(seen: Seen, baseline: Signals | None, rules: Gate) -> Found:
    """The verdict so far. What is bad ends it at once; good needs the whole window and enough samples.

    Only signals that were good before are held against the new artifact.
    """
    checks = [_health(seen), _restarts(seen)]
    if seen.watched and seen.traffic is not None:
        checks.extend(c for c in (_errors(seen.traffic, baseline, rules), _latency(seen.traffic, baseline, rules)) if c)
    if seen.smoke is not None:
        checks.append(seen.smoke)
    if not all(check.ok for check in checks):
        return Found("fail", tuple(checks))
    if seen.condition != "healthy" or seen.seconds < rules.window or seen.asking:
        return Found("open", tuple(checks))
    if not seen.watched:
        return Found("pass", tuple(checks))
    count = seen.traffic.requests if seen.traffic is not None else 0.0
    if count >= rules.min_samples and not seen.blind:
        return Found("pass", tuple(checks))
    if seen.seconds < rules.window + seen.patience:
        return Found("open", tuple(checks))
    if seen.smoke is not None and not (seen.blind and baseline is not None):
        # It serves the new one well. Metrics that were there before and are gone now are another matter.
        return Found("pass", tuple(checks))
    few = GateCheck(
        name="traffic",
        ok=False,
        why=seen.blind or f"only {count:.0f} requests came, {rules.min_samples} are needed for a verdict",
        observed=count,
        limit=float(rules.min_samples),
        samples=int(count),
    )
    return Found("inconclusive", (*checks, few))


def _health(seen: Seen) -> GateCheck:
    bad = seen.condition in ("unhealthy", "down", "missing", "stopped")
    return GateCheck(name="health", ok=not bad, why=f"the app is {seen.condition}: {seen.reason}")


def _restarts(seen: Seen) -> GateCheck:
    why = f"its process ended {seen.restarts} times" if seen.restarts else "its process went on without a break"
    return GateCheck(name="restarts", ok=not seen.restarts, why=why, observed=float(seen.restarts), limit=0.0)


def _errors(traffic: Signals, baseline: Signals | None, rules: Gate) -> GateCheck | None:
    """More failures than allowed, beyond what chance explains (Wilson's lower bound at 95 %)."""
    before = baseline.failed / baseline.requests if baseline is not None and baseline.requests > 0.0 else None
    if before is not None and before > rules.errors:
        return None
    n = traffic.requests
    share = traffic.failed / n if n > 0.0 else 0.0
    surely = at_least(traffic.failed, n)
    return GateCheck(
        name="errors",
        ok=surely <= rules.errors,
        why=f"{traffic.failed:.0f} of {n:.0f} requests failed, so surely {surely:.1%} or more",
        baseline=before,
        observed=share,
        limit=rules.errors,
        samples=int(n),
    )


def _latency(traffic: Signals, baseline: Signals | None, rules: Gate) -> GateCheck | None:
    """Slower than this device was with the old one: more than 5 % lie above the old p95 times the allowed ratio."""
    before = quantile(QUANTILE, baseline.buckets) if baseline is not None else None
    observed = quantile(QUANTILE, traffic.buckets)
    if baseline is None or before is None or observed is None or baseline.requests < rules.min_samples:
        return None
    limit = before * rules.latency
    above = share_above(limit, traffic.buckets) or 0.0
    n = traffic.buckets[-1][1]
    return GateCheck(
        name="latency",
        ok=observed <= limit or at_least(above * n, n) <= TAIL,
        why=f"p95 {observed * 1000:.1f} ms after {before * 1000:.1f} ms; {above:.0%} took longer than allowed",
        baseline=before,
        observed=observed,
        limit=limit,
        samples=int(n),
    )
