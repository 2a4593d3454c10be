"""The container engine: EngineDown, its restart through systemd, and what its outage excuses."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.actions import RestartEngine
from ..vocabulary.events import ActionStarted, Event
from ..vocabulary.facts import ActionFinished, EngineSeen
from ..vocabulary.state import Alert, AppState, EngineState, State, Streak
from .alerting import Reading, advance, due, put
from .budget import backoff, within
from .outcome import Judgement, earliest
from .probes import mend_host
from .recovery import LOST_AFTER
from .run import RUNS
from .runbooks import permission
from .runbooks.scene import scene

SHUTDOWN = 30.0
"""So long may an engine take to stop its containers before it goes away."""
LAST_STOP = 15.0
"""It goes away, and is seen to be gone, so soon after the last of them."""
AT_ONCE = 3.0
"""Its signals to all containers lie so close together."""
ON_PURPOSE_AGAIN = 600.0
ASK_AGAIN = 10.0
"""Seconds after which a runbook that did not allow a restart is asked once more."""


def seen(state: State, fact: EngineSeen, config: Config, now: float) -> Judgement:
    """The engine answers, or does not."""
    engine = state.engine
    mends: tuple[Event, ...] = ()
    if fact.up:
        mended = mend_host(state, "events")
        state, mends = mended.state, mended.events
    if fact.up == engine.up:
        told = replace(engine, error=fact.error, version=fact.version or engine.version)
        return Judgement(state if told == engine else replace(state, engine=told), events=mends)
    apps = state.apps
    if engine.up is not None:
        began = _shutdown_at(state, now)
        apps = {n: _after(app, now) if fact.up else _excuse(app, now, began) for n, app in apps.items()}
    new = replace(
        engine,
        up=fact.up,
        since=now,
        lost_at=engine.lost_at if fact.up else now,
        listed=False,
        version=fact.version or engine.version,
        error=fact.error,
        restarts=within(engine.restarts, now, config.docker.restart.per),
        next_at=now + config.docker.restart.after,
        on_purpose=False,
    )
    new, events = _down(new, config, now)
    return Judgement(replace(state, engine=new, apps=apps), events=(*mends, *events), touched=tuple(apps))


def _down(engine: EngineState, config: Config, now: float) -> tuple[EngineState, tuple[Event, ...]]:
    """The alert EngineDown as it should be now."""
    alert = engine.alerts.get("EngineDown")
    if alert is None and engine.up is not False:
        return engine, ()
    unit = config.docker.restart.unit
    reading = Reading(
        level="critical" if engine.up is False else None,
        summary=f"the container engine does not answer: {engine.error}"
        if engine.up is False
        else f"the container engine answers ({engine.version})",
        advice=f"systemctl status {unit}; journalctl -u {unit}",
    )
    made = advance("EngineDown", "engine", alert or Alert(), reading, now, config.alerts)
    if made.alert is alert:
        return engine, made.events
    return replace(engine, alerts=put(engine.alerts, "EngineDown", made.alert)), made.events


def _shutdown_at(state: State, now: float) -> float | None:
    """When it began to stop its containers before it went away; ``None``: it did not.

    What looks like a person's stop of each was its own doing then. It signals all of them at once: a person who
    stops one app just before leaves the others running, and so does one that dies without a shutdown.
    """
    deaths = [app.died_at for app in state.apps.values() if app.died_at is not None]
    signals = [app.kill_at for app in state.apps.values() if app.kill_at is not None and now < app.kill_at + SHUTDOWN]
    if not deaths or not signals or now > max(deaths) + LAST_STOP:
        return None
    running = [a for a in state.apps.values() if a.container is not None and a.container.status in RUNS]
    ending = all(app.kill_at in signals for app in running)
    return max(signals) if ending else None


def _excuse(app: AppState, now: float, shutdown_at: float | None) -> AppState:
    """Whatever happens to the app until it is healthy again is the engine's doing."""
    kept, recent = app.kept, now - SHUTDOWN
    if shutdown_at is not None and app.kill_at is not None and app.kill_at >= shutdown_at - AT_ONCE:
        kept = replace(kept, stopped=None)
    if kept.stopped is not None or app.condition == "missing":
        return app
    # What was tried in its last moments was in vain, and is to be tried again as soon as it is back.
    recovery = replace(
        kept.recovery, charged=tuple(t for t in kept.recovery.charged if t < recent), episode=0, next_at=0.0
    )
    deaths = tuple(t for t in kept.deaths if t < recent)
    kept = replace(kept, excused=True, deaths=deaths, recovery=recovery)
    return replace(app, kept=kept, suspect_until=0.0, kill_at=None)


def _after(app: AppState, now: float) -> AppState:
    """Probes that failed meanwhile say nothing about the app: they begin anew."""
    return replace(app, probe=Streak(), known_since=now)


def look(state: State, config: Config, now: float) -> Judgement:
    """Restarts the engine when it has been away for long enough, within its own budget."""
    engine, events = state.engine, tuple[Event, ...]()
    alert = engine.alerts.get("EngineDown")
    if alert is not None and alert.flapping:
        engine, events = _down(engine, config, now)
    if engine.action_id and now >= engine.deadline:
        engine = replace(engine, action_id="")
    if engine is not state.engine:
        state = replace(state, engine=engine)
    rules = config.docker.restart
    if engine.up is not False or engine.action_id or now < engine.next_at or rules.after <= 0.0 or state.stopping:
        return Judgement(state, events=events)
    if permission.refused(scene(state, config, now, "EngineDown", "engine"), ("restart_engine",)):
        return Judgement(replace(state, engine=replace(engine, next_at=now + ASK_AGAIN)), events=events)
    restarts = within(engine.restarts, now, rules.per)
    if len(restarts) >= rules.budget:
        return Judgement(replace(state, engine=replace(engine, next_at=restarts[0] + rules.per)), events=events)
    restarts = (*restarts, now)
    action_id = f"engine-{state.boot}-{int(now * 1000)}"
    reason = f"no answer for {now - engine.since:.0f} s: {engine.error}"
    action = RestartEngine(id=action_id, subject="engine", reason=reason, timeout=rules.timeout, unit=rules.unit)
    told = ActionStarted(
        subject="engine", action_id=action_id, action="RestartEngine", reason=reason, attempt=len(restarts)
    )
    # Charged before it is known how it ends: an edged that goes down with the engine must not forget it.
    acting = replace(
        engine,
        action_id=action_id,
        restarts=restarts,
        deadline=now + rules.timeout + LOST_AFTER,
        next_at=now + backoff(len(restarts), rules.after, rules.per),
    )
    return Judgement(replace(state, engine=acting), (action,), (*events, told))


def restart_finished(state: State, fact: ActionFinished, config: Config, now: float) -> Judgement:
    """The restart was carried out or refused. Whether it helped is known when the engine answers."""
    engine, rules = state.engine, config.docker.restart
    if not engine.action_id or fact.action_id != engine.action_id:
        return Judgement(state)
    if fact.result.get("stopped_on_purpose"):
        left = replace(
            engine, action_id="", on_purpose=True, restarts=engine.restarts[:-1], next_at=now + ON_PURPOSE_AGAIN
        )
        return Judgement(replace(state, engine=left))
    wait = backoff(len(engine.restarts), rules.after, rules.per)
    return Judgement(replace(state, engine=replace(engine, action_id="", next_at=now + wait, on_purpose=False)))


def wake_at(state: State, config: Config) -> float | None:
    """When ``look`` may have something to do."""
    engine, restart = state.engine, config.docker.restart
    times: list[float | None] = []
    alert = engine.alerts.get("EngineDown")
    if alert is not None and alert.flapping:
        times.append(due(alert, 0.0, 0.0, alert.changes[-1], config.alerts))
    if engine.action_id:
        times.append(engine.deadline)
    elif engine.up is False and restart.after > 0.0 and not state.stopping:
        times.append(engine.next_at)
    return earliest(*times)
