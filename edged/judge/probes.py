"""Probe answers, and checks that could not be made."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import CheckBroken, Event
from ..vocabulary.facts import CheckFailed, ProbeFinished
from ..vocabulary.state import Alert, AppState, DependencyState, State
from .alerting import Reading, advance
from .app_alerts import put
from .outcome import Judgement
from .streak import extend


def probe_finished(state: State, fact: ProbeFinished, config: Config, now: float) -> Judgement:
    """One more answer of a health or dependency probe."""
    if fact.kind == "dependency":
        return _dependency(state, fact, config, now)
    app = state.apps.get(fact.subject)
    if app is None or app.container is None or app.container.status != "running":
        return Judgement(state)
    if app.started_at is not None and fact.started < app.started_at:
        return Judgement(state)
    rules = app.config.health
    forgiving = app.started_at is not None and now - app.started_at < rules.start_period
    streak = extend(
        app.probe,
        ok=fact.ok,
        detail=fact.detail,
        started=fact.started,
        at=fact.at,
        seconds=fact.seconds,
        failures=rules.failures,
        successes=rules.successes,
        forgiving=forgiving,
    )
    moved = streak.verdict != app.probe.verdict or app.kept.recovery.phase != "idle" or bool(streak.bad)
    app, events = _mended(replace(app, probe=streak), "probe")
    touched = (app.name,) if moved or events else ()
    return Judgement(replace(state, apps={**state.apps, app.name: app}), events=events, touched=touched)


def _dependency(state: State, fact: ProbeFinished, config: Config, now: float) -> Judgement:
    rules = config.dependencies.get(fact.subject)
    if rules is None:
        return Judgement(state)
    dependency = state.dependencies.get(fact.subject, DependencyState(fact.subject))
    streak = extend(
        dependency.streak,
        ok=fact.ok,
        detail=fact.detail,
        started=fact.started,
        at=fact.at,
        seconds=fact.seconds,
        failures=rules.failures,
        successes=rules.successes,
    )
    bad = streak.verdict == "bad"
    target = rules.tcp or rules.http or rules.dns
    reading = Reading(
        level="critical" if bad else None,
        summary=f"{fact.subject} ({target}) does not answer: {streak.detail}"
        if bad
        else f"{fact.subject} ({target}) answers",
        advice="apps that need it are not restarted while it is down; see the dependency itself and the network",
    )
    alert, events, _ = advance(
        "DependencyDown", fact.subject, dependency.alerts.get("DependencyDown", Alert()), reading, now, config.alerts
    )
    mended: tuple[Event, ...] = ()
    broken = dependency.broken
    if "probe" in broken:
        mended, broken = (CheckBroken(subject=fact.subject, check="probe", error="", broken=False),), {}
    new = DependencyState(fact.subject, streak, put(dependency.alerts, "DependencyDown", alert), broken)
    return Judgement(replace(state, dependencies={**state.dependencies, fact.subject: new}), events=(*mended, *events))


def _mended(app: AppState, check: str) -> tuple[AppState, tuple[Event, ...]]:
    """A check that was broken has worked."""
    if check not in app.broken:
        return app, ()
    rest = {k: v for k, v in app.broken.items() if k != check}
    return replace(app, broken=rest), (CheckBroken(subject=app.name, check=check, error="", broken=False),)


def check_failed(state: State, fact: CheckFailed, config: Config, now: float) -> Judgement:
    """A check could not be made: said once, and no verdict is drawn from it."""
    told = CheckBroken(subject=fact.subject, check=fact.check, error=fact.error, broken=True)
    if fact.subject in state.apps:
        app = state.apps[fact.subject]
        if fact.check in app.broken:
            return Judgement(state)
        new = replace(app, broken={**app.broken, fact.check: fact.error})
        return Judgement(replace(state, apps={**state.apps, app.name: new}), events=(told,))
    if fact.subject in state.dependencies:
        dependency = state.dependencies[fact.subject]
        if fact.check in dependency.broken:
            return Judgement(state)
        lame = replace(dependency, broken={**dependency.broken, fact.check: fact.error})
        return Judgement(replace(state, dependencies={**state.dependencies, fact.subject: lame}), events=(told,))
    if fact.check in state.host.broken:
        return Judgement(state)
    host = replace(state.host, broken={**state.host.broken, fact.check: fact.error})
    return Judgement(replace(state, host=host), events=(told,))


def mend_host(state: State, check: str) -> Judgement:
    """A check of the host or the engine that was broken has worked."""
    if check not in state.host.broken:
        return Judgement(state)
    host = replace(state.host, broken={k: v for k, v in state.host.broken.items() if k != check})
    return Judgement(
        replace(state, host=host), events=(CheckBroken(subject="host", check=check, error="", broken=False),)
    )
