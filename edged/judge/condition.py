"""What condition an app is in: one word for people, and why. Pure."""

from __future__ import annotations

from ..config import App
from ..vocabulary.state import AppState, Condition, EngineState, Verdict
from ..vocabulary.world import DockerHealth

SETTLE = 1.0
"""Seconds that an app without any health check must run before it is called healthy."""

OOM_NEAR = 5.0
"""Seconds between a kill for want of memory and the death that it explains."""


_OF_DOCKER: dict[DockerHealth, Verdict] = {
    "none": "unknown",
    "starting": "unknown",
    "healthy": "good",
    "unhealthy": "bad",
}


def probed(app: App) -> bool:
    return bool(app.health.http or app.health.tcp)


def condition(app: AppState, engine: EngineState, now: float) -> tuple[Condition, str]:
    """The condition and its reason."""
    container, config = app.container, app.config
    if not engine.up:
        return "unknown", f"the container engine {'has not answered yet' if engine.up is None else 'does not answer'}"
    if not engine.listed:
        return "unknown", "the container engine has not listed its containers yet"
    if container is None:
        if not app.sought:
            return "unknown", "its container has not been looked for yet"
        return "missing", "there is no such container"
    match container.status:
        case "removing":
            return "missing", "its container is being removed"
        case "created" | "exited" | "dead":
            return _not_running(app)
        case "restarting":
            after = f" after exit code {container.exit_code}" if container.exit_code is not None else ""
            return "restarting", f"Docker is restarting it{after}"
        case "paused":
            return "paused", "paused by edged to free the host" if app.kept.paused_by_edged else "paused"
        case "running":
            pass
    verdicts: list[tuple[Verdict, str]] = []
    if config.health.docker and container.health != "none":
        verdicts.append((_OF_DOCKER[container.health], "Docker's health check says unhealthy"))
    if probed(config):
        verdicts.append((app.probe.verdict, _failing(app)))
    for verdict, why in verdicts:
        if verdict == "bad":
            return "unhealthy", why
    if any(verdict == "unknown" for verdict, _ in verdicts):
        return "starting", "its health check has not passed yet"
    if verdicts:
        return "healthy", "its health check passes"
    if app.started_at is not None and now < app.started_at + SETTLE:
        return "starting", "it has just started"
    return "healthy", "it runs; it has no health check"


def _failing(app: AppState) -> str:
    """Without a count, which would be news after each probe."""
    if app.probe.bad:
        return f"its health probes fail: {app.probe.detail}"
    return f"its health probes failed; {app.config.health.successes} in a row must pass again"


def _not_running(app: AppState) -> tuple[Condition, str]:
    container = app.container
    assert container is not None
    if app.kept.stopped is not None:
        return "stopped", f"stopped by {app.kept.stopped.by}"
    finished = container.status == "exited" and container.exit_code == 0
    if finished and container.restart_policy == "on-failure" and not app.kept.excused:
        return "stopped", "it ended with exit code 0, and its restart policy is on-failure"
    near = app.oom_at is not None and app.died_at is not None and abs(app.died_at - app.oom_at) < OOM_NEAR
    if container.oom_killed or near:
        return "down", f"killed for want of memory (exit code {container.exit_code})"
    if container.status == "created":
        return "down", "created, never started"
    return "down", f"exited with code {container.exit_code}" if container.exit_code is not None else "not running"


def settles_at(app: AppState, now: float) -> float | None:
    """When the condition may change by the mere passing of time."""
    if app.container is None or app.container.status != "running" or app.started_at is None:
        return None
    due = app.started_at + SETTLE
    return due if due > now else None
