"""Did it help? Success is claimed when it is seen, not when the engine says that it did as it was told."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..vocabulary.state import AppState
from .outcome import View, earliest
from .run import RUNS, begun, died, unmeasured, waits_for_stop

AT_ITS_WORD = 5.0
"""Seconds after which the engine's word that it acted is taken for the event that should have told so."""


class Look(Struct, frozen=True):
    """What can be said of the outcome now."""

    verdict: Literal["good", "bad", "open"]
    why: str = ""
    until: float | None = None
    """Look again then at the latest."""


def at_its_word(app: AppState, now: float) -> AppState | None:
    """The app as the engine says it made it, when the event that should tell so stays away; ``None``: not yet."""
    recovery, container = app.kept.recovery, app.container
    if container is None or begun(app) or now < word_at(app):
        return None
    if recovery.remedy == "stop":
        if container.status not in RUNS or not recovery.carried_at:
            return None
        return died(replace(app, container=replace(container, status="exited", pid=None)), now)
    if recovery.remedy == "start" and container.status not in RUNS:
        # The engine says yes to the start of a container that it is just restarting, too.
        return None
    kept = replace(app.kept, recovery=replace(recovery, carried_at=now))
    if recovery.remedy in ("restart", "unpause") and recovery.carried_at:
        container = replace(container, status="running")
    return unmeasured(replace(app, container=container, known_since=now, kept=kept))


def word_at(app: AppState) -> float:
    """Not known when it was carried out: edged was itself restarted in between."""
    recovery = app.kept.recovery
    if recovery.carried_at:
        return recovery.carried_at + AT_ITS_WORD
    return recovery.acted_at + float(app.config.restart.stop_timeout) + AT_ITS_WORD


def look(app: AppState, view: View) -> Look:
    """Compares what was wanted with what is seen."""
    recovery, now, engine, container = app.kept.recovery, view.now, view.state.engine, app.container
    if engine.up is False:
        return Look("bad", "the container engine does not answer")
    if not engine.up or not engine.listed:
        return Look("open")
    if recovery.remedy == "stop":
        return _stop(app, now)
    stopped = app.kept.stopped is not None and app.kept.stopped.at >= recovery.acted_at
    if app.condition == "missing" or stopped:
        return Look("bad", f"{app.condition}: {app.reason}")
    if not begun(app):
        return _start(app, now)
    if _in_doubt(app) and container is not None and container.started_at is None and now < recovery.deadline:
        return Look("open", until=recovery.deadline)  # it is inspected in a moment, which tells when this run began
    if untouched(app, view):
        return Look("bad", "edged ended before the engine began with it, and nothing was done: ask again")
    if app.condition == "healthy":
        return _memory(app, now)
    if app.condition in ("unhealthy", "down", "stopped") and not waits_for_stop(app, now):
        return Look("bad", f"{app.condition}: {app.reason}")
    return _patience(app, now, "healthy")


def _in_doubt(app: AppState) -> bool:
    """edged ended while it was to restart it for a person: what the engine tells again of before is no restart."""
    recovery, container = app.kept.recovery, app.container
    asked = bool(recovery.command) and recovery.unsure and recovery.remedy == "restart"
    return asked and container is not None and container.status in RUNS


def untouched(app: AppState, view: View) -> bool:
    """What a person asked for before edged ended was not carried out: the run that was to end goes on."""
    recovery, container = app.kept.recovery, app.container
    if container is None or not _in_doubt(app):
        return False
    if recovery.run is not None:
        return container.started_at == recovery.run
    # Asked for so soon after a start that nobody had looked when it was.
    host = view.state.host
    if container.started_at is None or host.sample is None:
        return app.started_at is None or app.started_at < recovery.acted_at
    return container.started_at < host.sample.wall - (host.sampled_at - recovery.acted_at)


def _stop(app: AppState, now: float) -> Look:
    if app.condition == "stopped" or app.condition == "missing":
        return Look("good")
    if begun(app):
        return Look("bad", "it was started meanwhile")
    return _patience(app, now, "stopped", word_at(app))


def _start(app: AppState, now: float) -> Look:
    """The new run has not been seen to begin."""
    recovery, container = app.kept.recovery, app.container
    down = container is not None and container.status in ("exited", "dead", "created")
    if recovery.remedy == "start" and down and 0.0 < recovery.carried_at < app.seen_at:
        # A list that is newer than the start still shows it down.
        return Look("bad", f"{app.condition}: {app.reason}")
    return _patience(app, now, "healthy", word_at(app))


def _memory(app: AppState, now: float) -> Look:
    """Healthy, and if it was restarted for its memory, that is seen to be free again."""
    recovery = app.kept.recovery
    if recovery.ailment != "HighMemory" or recovery.command:
        return Look("good")
    memory = app.kept.alerts.get("HighMemory")
    if app.usage is None:
        # Samples that stay away are no verdict.
        return Look("open", until=recovery.deadline) if now < recovery.deadline else Look("good")
    if memory is not None and memory.critical_since is not None:
        return _patience(app, now, "healthy and below its critical memory")
    return Look("good")


def _patience(app: AppState, now: float, wanted: str, *until: float) -> Look:
    deadline = app.kept.recovery.deadline
    if now >= deadline:
        return Look("bad", f"still {app.condition} when it should have been {wanted}: {app.reason}")
    return Look("open", until=earliest(deadline, *(t for t in until if t > now)))


def paused(app: AppState, at: float) -> AppState:
    """The engine paused it; its event may be on the way."""
    if app.container is None or app.container.status != "running":
        return app
    return replace(app, container=replace(app.container, status="paused"), seen_at=at)


def by(app: AppState) -> Literal["edged", "engine", "itself", "person"]:
    """Whose doing the recovery was."""
    recovery = app.kept.recovery
    if recovery.command:
        return "person"
    if app.started_at is not None and app.started_at >= recovery.first_sign and app.started_by:
        return app.started_by
    return "edged" if recovery.episode else "itself"
