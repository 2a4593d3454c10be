"""An app as a list or an inspection of containers shows it, reconciled with what events told."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.state import AppState
from ..vocabulary.world import Container
from . import run


def reconcile(app: AppState, found: Container | None, config: Config, at: float, *, outage: bool = False) -> AppState:
    """The app as a list or an inspection of time ``at`` shows it. Events seen since then are newer and win.

    ``outage``: it is the first look since the engine came back, which explains whatever ended meanwhile.
    """
    if app.seen_at > at:
        return app if app.sought else replace(app, sought=True)
    known = app.container
    if found is None:
        return run.gone(app, at)
    if known is None or known.id != found.id:
        return run.bind(app, found, config, at)
    merged = merge(known, found)
    killed_for_memory = merged.oom_killed and not known.oom_killed
    app = replace(app, container=merged, seen_at=at, oom_at=at if killed_for_memory else app.oom_at)
    if known.status in run.RUNS and merged.status not in run.RUNS:
        return run.died(app, at, counts=not outage)
    if merged.status not in run.RUNS:
        return app
    if known.status not in run.RUNS:
        return run.started(app, at)
    if _another_run(known, found):
        return run.started(run.died(app, at, counts=not outage), at)
    if known.status == "paused" and merged.status == "running":
        return run.resumed(app, at)
    recovery = app.kept.recovery
    pausing = recovery.phase == "acting" and recovery.remedy == "pause"
    if app.kept.paused_by_edged and merged.status == "running" and not pausing:
        return replace(app, kept=replace(app.kept, paused_by_edged=False))
    return app


def _another_run(known: Container, found: Container) -> bool:
    """It was started anew and the events that told so were missed."""
    return known.started_at is not None and found.started_at is not None and known.started_at != found.started_at


def merge(known: Container, seen: Container) -> Container:
    """What was seen now, completed with what only an inspect tells."""
    ran, runs_now = known.status in run.RUNS, seen.status in run.RUNS
    same_run = ran and runs_now and not _another_run(known, seen)
    return replace(
        seen,
        restart_policy=seen.restart_policy if seen.restart_policy is not None else known.restart_policy,
        pid=seen.pid if seen.pid is not None or not same_run else known.pid,
        started_at=seen.started_at if seen.started_at is not None or not same_run else known.started_at,
        created_at=seen.created_at if seen.created_at is not None else known.created_at,
        oom_killed=seen.oom_killed or (known.oom_killed and not runs_now),
        exit_code=seen.exit_code if seen.exit_code is not None or ran or runs_now else known.exit_code,
        image=seen.image or known.image,
        image_id=seen.image_id or known.image_id,
    )
