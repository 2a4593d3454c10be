"""The container engine: EngineDown, its restart through systemd, and what its outage excuses."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.actions import RestartEngine
from ..vocabulary.events import ActionStarted
from ..vocabulary.facts import ActionFinished, EngineSeen
from ..vocabulary.state import Alert, AppState, EngineState, State
from .alerting import Reading, advance
from .app_alerts import put
from .budget import backoff, within
from .outcome import Judgement

SHUTDOWN = 30.0
"""Stops seen so shortly before the engine went away were its own shutdown, not a person's."""
ON_PURPOSE_AGAIN = 600.0


def seen(state: State, fact: EngineSeen, config: Config, now: float) -> Judgement:
    """The engine answers, or does not."""
    engine = state.engine
    if fact.up == engine.up:
        return Judgement(
            replace(state, engine=replace(engine, error=fact.error)) if fact.error != engine.error else state
        )
    apps = state.apps
    if engine.up is not None:
        apps = {name: (_after(app, now) if fact.up else _excuse(app, now)) for name, app in apps.items()}
    reading = Reading(
        level=None if fact.up else "critical",
        summary=f"the container engine answers ({fact.version})"
        if fact.up
        else f"the container engine does not answer: {fact.error}",
        advice=f"systemctl status {config.docker.restart.unit}; journalctl -u {config.docker.restart.unit}",
    )
    alert, events, _ = advance(
        "EngineDown", "engine", engine.alerts.get("EngineDown", Alert()), reading, now, config.alerts
    )
    new = EngineState(
        up=fact.up,
        since=now,
        version=fact.version or engine.version,
        error=fact.error,
        restarts=within(engine.restarts, now, config.docker.restart.per),
        next_at=now + config.docker.restart.after,
        alerts=put(engine.alerts, "EngineDown", alert),
    )
    return Judgement(replace(state, engine=new, apps=apps), events=events, touched=tuple(apps))


def _excuse(app: AppState, now: float) -> AppState:
    """Whatever happens to the app until it is healthy again is the engine's doing."""
    kept = app.kept
    if kept.stopped is not None and now - kept.stopped.at < SHUTDOWN:
        kept = replace(kept, stopped=None)
    excused = kept.stopped is None and app.condition not in ("stopped", "missing")
    deaths = tuple(t for t in kept.deaths if now - t > SHUTDOWN)
    return replace(app, kept=replace(kept, excused=excused, deaths=deaths), suspect_until=0.0)


def _after(app: AppState, now: float) -> AppState:
    """Probes that failed meanwhile say nothing about the app: they begin anew."""
    grace = replace(app.probe, good=0, bad=0, verdict="unknown", first_bad_at=None)
    return replace(app, probe=grace, started_at=now)


def look(state: State, config: Config, now: float) -> Judgement:
    """Restarts the engine when it has been away for long enough, within its own budget."""
    engine, rules = state.engine, config.docker.restart
    if engine.up is not False or engine.action_id or now < engine.next_at or rules.after <= 0.0 or state.stopping:
        return Judgement(state)
    restarts = within(engine.restarts, now, rules.per)
    if len(restarts) >= rules.budget:
        return Judgement(replace(state, engine=replace(engine, next_at=restarts[0] + rules.per)))
    action_id = f"engine-{state.boot}-{int(now * 1000)}"
    reason = f"no answer for {now - engine.since:.0f} s: {engine.error}"
    action = RestartEngine(id=action_id, subject="engine", reason=reason, timeout=rules.timeout, unit=rules.unit)
    told = ActionStarted(
        subject="engine", action_id=action_id, action="RestartEngine", reason=reason, attempt=len(restarts) + 1
    )
    return Judgement(replace(state, engine=replace(engine, action_id=action_id, restarts=restarts)), (action,), (told,))


def restart_finished(state: State, fact: ActionFinished, config: Config, now: float) -> Judgement:
    """The restart was carried out or refused. Whether it helped is known when the engine answers."""
    engine, rules = state.engine, config.docker.restart
    if fact.action_id != engine.action_id:
        return Judgement(state)
    if fact.result.get("stopped_on_purpose"):
        left = replace(engine, action_id="", on_purpose=True, next_at=now + ON_PURPOSE_AGAIN)
        return Judgement(replace(state, engine=left))
    restarts = (*engine.restarts, now)
    wait = backoff(len(restarts), rules.after, rules.per)
    return Judgement(
        replace(state, engine=replace(engine, action_id="", restarts=restarts, next_at=now + wait, on_purpose=False))
    )


def due(state: State, config: Config) -> float | None:
    """When ``look`` may have something to do."""
    engine = state.engine
    if engine.up is not False or engine.action_id or config.docker.restart.after <= 0.0:
        return None
    return engine.next_at
