"""What else is unusual at the moment at which something goes wrong: hints for a person, no verdicts. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..vocabulary.deployments import TOUCHING
from ..vocabulary.state import AppState, State
from .logs import lately

RECENT = 3600.0
"""Seconds for which a deployment is one that may be to blame, and a restart one that may have left cold caches."""
PRESSURE = {"cpu.some": (0.25, "CPU"), "memory.some": (0.1, "memory"), "io.some": (0.25, "disk")}
"""PSI: share of time in which something had to wait, above which it is worth a word."""
BUSIER = 1.5
"""Times the usual rate of requests."""
COLD = 300.0


def hints(app: AppState, state: State, now: float) -> list[str]:
    """Sentences without a full stop, what is closest to the app first."""
    return [*_deployed(app, now), *_own(app, now), *_busier(app), *_written(app, now), *_host(state)]


def _deployed(app: AppState, now: float) -> Iterator[str]:
    running = app.kept.deployment
    if running is not None and running.phase in TOUCHING:
        yield f"a deployment is under way ({running.phase})"
    elif app.kept.deployed_at > 0.0 and now - app.kept.deployed_at <= RECENT:
        version = next((placed.current.version for placed in app.kept.placed.values()), "")
        what = f"{version} " if version else ""
        yield f"a deployment {what}came to its end {_ago(now - app.kept.deployed_at)} ago"
    if app.started_at is not None and now - app.started_at <= COLD:
        yield f"it was started {_ago(now - app.started_at)} ago"


def _own(app: AppState, now: float) -> Iterator[str]:
    cpu, usage, rules = app.cpu, app.usage, app.config
    if cpu.throttled is not None and cpu.throttled >= rules.cpu.throttled / 2.0:
        yield f"its CPU quota holds it back in {cpu.throttled:.0%} of all scheduler periods"
    if cpu.share is not None and cpu.share >= rules.cpu.warn:
        yield f"it uses {cpu.share:.0%} of the CPU it may use"
    if usage is not None and usage.memory_limit and usage.memory / usage.memory_limit >= rules.memory.warn:
        yield f"its memory is at {usage.memory / usage.memory_limit:.0%} of its limit"


def _busier(app: AppState) -> Iterator[str]:
    rate, usual = app.inference.rate, app.inference.usual_rate
    if rate is not None and usual and rate >= BUSIER * usual:
        yield f"requests come {rate / usual:.1f} times as often as usual"


def _written(app: AppState, now: float) -> Iterator[str]:
    """What it says of itself."""
    errors, slow = lately(app, "errors", now), lately(app, "slow", now)
    if errors or slow:
        yield f"its log has {errors} lines of errors and {slow} of slowness within the last minute"


def _host(state: State) -> Iterator[str]:
    sample = state.host.sample
    if sample is None:
        return
    if sample.throttled:
        yield "the host's CPU is slowed down for heat or power"
    if sample.cpu_busy is not None and sample.cpu_busy >= 0.9:
        yield f"the host's CPU is {sample.cpu_busy:.0%} busy"
    for key, (limit, what) in PRESSURE.items():
        if sample.pressure.get(key, 0.0) >= limit:
            yield f"the host waits for {what} in {sample.pressure[key]:.0%} of the time"


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} min"
