"""The actions of a recovery as data: evidence first, then start, restart, stop, pause or unpause."""

from __future__ import annotations

from msgspec.structs import replace

from ..vocabulary.actions import (
    Action,
    CaptureEvidence,
    PauseContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
)
from ..vocabulary.state import AppState
from .outcome import View

EVIDENCE_TIMEOUT = 2.0
"""Evidence is worth a little delay, not more."""
START_TIMEOUT = 60.0
PAUSE_TIMEOUT = 15.0


def next_id(app: AppState, view: View) -> tuple[AppState, str]:
    """An action id that is unique in the device's life, and the app that has given it out."""
    number = app.kept.actions + 1
    return replace(app, kept=replace(app.kept, actions=number)), f"{app.name}-{view.state.boot}-{number}"


def capture(app: AppState, action_id: str, ailment: str, reason: str, view: View) -> CaptureEvidence:
    """Keeps what a restart destroys."""
    assert app.container is not None
    return CaptureEvidence(
        id=action_id,
        subject=app.name,
        reason=reason,
        timeout=EVIDENCE_TIMEOUT,
        container_id=app.container.id,
        context=context(app, ailment),
        log_lines=view.config.evidence.log_lines,
    )


def context(app: AppState, ailment: str) -> dict[str, str]:
    """What edged knows of the moment, for the evidence."""
    usage = app.usage
    return {
        "condition": f"{app.condition}: {app.reason}",
        "ailment": ailment,
        "probe": f"{app.probe.verdict}, good {app.probe.good}, bad {app.probe.bad}: {app.probe.detail}",
        "memory_bytes": str(usage.memory) if usage else "",
        "memory_limit_bytes": str(usage.memory_limit) if usage and usage.memory_limit else "",
        "cpu_share": f"{app.cpu.share:.3f}" if app.cpu.share is not None else "",
        "deaths_seen": str(len(app.kept.deaths)),
        "attempts_before": str(app.kept.recovery.attempts),
    }


def remedy_action(remedy: str, app: AppState, action_id: str, reason: str) -> Action:
    """The action that carries out a remedy."""
    assert app.container is not None
    subject, container_id = app.name, app.container.id
    stop_timeout = app.config.restart.stop_timeout
    match remedy:
        case "start":
            return StartContainer(
                id=action_id, subject=subject, reason=reason, container_id=container_id, timeout=START_TIMEOUT
            )
        case "stop":
            return StopContainer(
                id=action_id,
                subject=subject,
                reason=reason,
                container_id=container_id,
                timeout=stop_timeout + START_TIMEOUT,
                stop_timeout=stop_timeout,
            )
        case "pause":
            return PauseContainer(
                id=action_id, subject=subject, reason=reason, container_id=container_id, timeout=PAUSE_TIMEOUT
            )
        case "unpause":
            return UnpauseContainer(
                id=action_id, subject=subject, reason=reason, container_id=container_id, timeout=PAUSE_TIMEOUT
            )
        case _:
            return RestartContainer(
                id=action_id,
                subject=subject,
                reason=reason,
                container_id=container_id,
                timeout=stop_timeout + START_TIMEOUT,
                stop_timeout=stop_timeout,
            )
