"""One app's container from its start to its end: what each piece of news makes of the app.

The same news can come as an event, in a list or in an inspection; whatever brings it, it goes through here.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.inference import Inference
from ..vocabulary.state import Alert, AppState, Cpu, Starter, Stopped, Streak, Trend
from ..vocabulary.world import Container
from . import drilled
from .budget import within
from .identity import configured, discovered_app

RUNS = ("running", "paused")
STOP_GRACE = 1.0
"""Seconds between a death that follows a signal and the engine's word that it was a stop."""
LATE = 5.0
"""Seconds by which the engine's news may come later than its answers."""
KILL_MEMORY = 120.0
"""Seconds for which a signal explains a death: a slow stop has its whole time-out in between."""
SIGKILL = 9
BY_HAND = "a person, with docker stop"
HARMLESS = (1, 10, 12, 18, 19, 28)
"""HUP, USR1, USR2, WINCH, with which programs are told to read their files again; CONT and STOP. They end nothing."""
DEATHS_KEPT = 3600.0
ENDING = ("restart", "stop")
"""Remedies that end the present run."""
POLICIES = ("always", "unless-stopped", "on-failure")
RESOURCE_ALERTS = (
    "HighMemory",
    "MemoryLeak",
    "HighCpu",
    "CpuThrottled",
    "HighInferenceLatency",
    "HighErrorRate",
    "NoInference",
    "ModelQuality",
    "SmokeProbeFailed",
)
"""Alerts about what runs. They say nothing of a container that does not."""


def runs(app: AppState) -> bool:
    return app.container is not None and app.container.status in RUNS


def engine_restarts_it(app: AppState) -> bool:
    """Docker's own restart policy covers this container."""
    return app.container is not None and app.container.restart_policy in POLICIES


def was_signalled(app: AppState, at: float) -> bool:
    """Somebody sent it a signal through the engine shortly before."""
    return app.kill_at is not None and at < app.kill_at + KILL_MEMORY


def waits_for_stop(app: AppState, now: float) -> bool:
    return now < app.suspect_until


def begun(app: AppState) -> bool:
    """The run that edged's own action was to bring about has been seen to begin."""
    recovery = app.kept.recovery
    if app.started_at is not None and app.started_at >= recovery.acted_at:
        return True
    return recovery.carried_at > 0.0 and app.known_since > recovery.acted_at


def under_way(app: AppState) -> bool:
    """edged's own restart or stop is under way: until a new run begins, deaths and stops are its doing.

    As long as the engine is at it, a new run may be one that Docker's own policy began just before.
    """
    recovery = app.kept.recovery
    if recovery.remedy not in ENDING:
        return False
    return recovery.phase == "acting" or (recovery.phase == "verifying" and not begun(app))


def mine(app: AppState, at: float) -> bool:
    """The same, and for a moment after it failed: the engine's news of it may be late."""
    return under_way(app) or (_half_done(app) and at < app.kept.recovery.failed_at + LATE)


def _half_done(app: AppState) -> bool:
    """A restart or stop that edged gave up on may have ended the run all the same, or may yet do so."""
    failed_at = app.kept.recovery.failed_at
    return failed_at > 0.0 and (app.started_at is None or app.started_at < failed_at)


def _left_over(app: AppState) -> bool:
    """Such an end, when nobody but edged has asked the engine for it."""
    return _half_done(app) and app.kill_at is None


def bind(app: AppState, container: Container, config: Config, at: float) -> AppState:
    """The app has this container from now on; its budgets stay, since a recreated container is the same app."""
    app_config, problems = app.config, app.problems
    if app.name in config.apps:
        app_config, problems = configured(config, app.name, container)
    elif app.discovered:
        _, app_config, problems = discovered_app(config, container)
    kept = app.kept
    same = kept.container_id == container.id
    paused = kept.paused_by_edged and same and container.status == "paused"
    # A stop that was under way when edged ended is not undone by the container still running.
    stopping = kept.recovery.phase == "verifying" and kept.recovery.remedy == "stop"
    stopped = kept.stopped if container.status not in RUNS or (stopping and same) else None
    kept = replace(kept, container_id=container.id, paused_by_edged=paused, stopped=stopped)
    return unmeasured(
        replace(
            app,
            container=container,
            sought=True,
            known_since=at,
            seen_at=at,
            config=app_config,
            problems=problems,
            kept=kept,
            started_at=None,
            started_by="",
            died_at=None,
            kill_at=None,
            suspect_until=0.0,
        )
    )


def unmeasured(app: AppState) -> AppState:
    """What was measured was another run's: streaks, counters, trends and what they were about to lead to."""
    alerts = app.kept.alerts
    if any(alerts[name].warn_since is not None for name in RESOURCE_ALERTS if name in alerts):
        alerts = {n: _unripe(a) if n in RESOURCE_ALERTS else a for n, a in alerts.items()}
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    fresh = Inference(noted=app.inference.noted)
    return replace(app, probe=Streak(), usage=None, cpu=Cpu(), trend=Trend(), traffic=(), inference=fresh)


def _unripe(alert: Alert) -> Alert:
    return replace(alert, warn_since=None, critical_since=None)


def gone(app: AppState, at: float) -> AppState:
    """It has no container any more."""
    if app.container is None:
        return replace(app, sought=True)
    kept = replace(app.kept, paused_by_edged=False) if app.kept.paused_by_edged else app.kept
    return unmeasured(replace(app, container=None, sought=True, seen_at=at, suspect_until=0.0, kept=kept))


def started(app: AppState, at: float) -> AppState:
    """A run begins. The container is known as running already."""
    by = _starter(app)
    kept = app.kept
    if kept.stopped is not None or kept.paused_by_edged or kept.ended_at:
        # Docker's own restart policy may begin one more run before edged's stop arrives, which ends that one too.
        stopping = kept.recovery.remedy == "stop" and kept.recovery.phase in ("capturing", "acting")
        kept = replace(kept, stopped=kept.stopped if stopping else None, paused_by_edged=False, ended_at=0.0)
    return unmeasured(
        replace(app, started_at=at, started_by=by, died_at=None, kill_at=None, suspect_until=0.0, kept=kept)
    )


def _starter(app: AppState) -> Starter:
    recovery = app.kept.recovery
    pending = recovery.phase == "acting" or (recovery.phase == "verifying" and not begun(app))
    if pending and recovery.remedy in ("start", "restart"):
        return "edged"
    at = app.died_at if app.died_at is not None else app.seen_at
    if app.kept.stopped is not None or was_signalled(app, at) or not engine_restarts_it(app):
        return "person"
    return "engine"


def signalled(app: AppState, at: float, signal: int | None) -> AppState:
    """Somebody sends it a signal through the engine, perhaps to end it."""
    if signal in HARMLESS or mine(app, at):
        return app
    if signal == SIGKILL and app.kill_at is not None and at < app.kill_at + KILL_MEMORY:
        # The second half of a stop, for those that do not heed the first.
        return app
    return replace(app, kill_at=at)


def died(app: AppState, at: float, *, counts: bool = True) -> AppState:
    """A run ended. After a signal through the engine it may be a stop on purpose: that is known soon.

    ``counts``: it is the app's own death, and not edged's, the engine's or the host's doing.
    """
    own = mine(app, at) or drilled.struck(app)
    deaths = app.kept.deaths
    if counts and not own:
        deaths = (*within(deaths, at, DEATHS_KEPT)[-19:], at)
    kept = replace(app.kept, deaths=deaths, paused_by_edged=False)
    suspect = was_signalled(app, at) and not own
    return replace(
        app, died_at=at, suspect_until=at + STOP_GRACE if suspect else 0.0, probe=Streak(), usage=None, kept=kept
    )


def stopped(app: AppState, at: float) -> AppState:
    """The engine says that it was stopped, not that it died. The word may come just before or after the death."""
    if runs(app):
        assert app.container is not None
        ended = replace(app.container, status="exited", exit_code=None, pid=None)
        app = died(replace(app, container=ended, seen_at=at), at)
    if mine(app, at) or _left_over(app):
        return app
    died_at = app.died_at if app.died_at is not None else app.known_since
    if app.kept.stopped is not None or at < died_at:
        return app
    deaths = tuple(t for t in app.kept.deaths if t < died_at)
    kept = replace(app.kept, stopped=Stopped(by=BY_HAND, at=at), deaths=deaths)
    return replace(app, kept=kept, suspect_until=0.0)


def recalled(app: AppState, action: str, at: float) -> AppState:
    """What happened to its container before that was looked at, as the engine tells it to an edged that was away."""
    stop = app.kept.stopped
    if action == "oom":
        return replace(app, oom_at=at)
    if action == "start" and stop is not None and stop.at <= at:
        return replace(app, kept=replace(app.kept, stopped=None))
    if action == "stop" and stop is None and not mine(app, at) and not _left_over(app):
        return replace(app, kept=replace(app.kept, stopped=Stopped(by=BY_HAND, at=at)))
    return app


def doubted(app: AppState, *, unsure: bool = True) -> AppState:
    """Whether it may have been the host's shutdown that stopped it."""
    stop = app.kept.stopped
    if stop is None or stop.unsure == unsure:
        return app
    return replace(app, kept=replace(app.kept, stopped=replace(stop, unsure=unsure)))


def resumed(app: AppState, at: float) -> AppState:
    """It runs on after a pause. Probes that were sent meanwhile say nothing."""
    return replace(app, seen_at=at, known_since=at, probe=Streak(), kept=replace(app.kept, paused_by_edged=False))
