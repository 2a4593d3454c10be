"""Probe answers, and checks that could not be made."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.events import CheckBroken, Event
from ..vocabulary.facts import CheckFailed, ProbeFinished
from ..vocabulary.state import Alert, AppState, DependencyState, State
from . import drilled
from .alerting import Reading, advance, put
from .mending import failed, mended
from .outcome import Judgement
from .streak import extend

ENGINE_CHECKS = ("containers", "events")


def probe_finished(state: State, fact: ProbeFinished, config: Config, now: float) -> Judgement:
    """One more answer of a health or dependency probe."""
    if fact.kind == "dependency":
        return _dependency(state, fact, config, now)
    app = state.apps.get(fact.subject)
    if app is None or app.container is None or app.container.status != "running":
        return Judgement(state)
    # A container that was up before edged saw it may still be starting, so it gets the same time.
    since = app.known_since if app.started_at is None else max(app.known_since, app.started_at)
    if fact.started < since:
        return Judgement(state)
    rules, false = app.config.health, drilled.falsified(app)
    streak = extend(
        app.probe,
        ok=fact.ok and not false,
        detail="a drill takes every answer for a bad one" if false and fact.ok else fact.detail,
        started=fact.started,
        at=fact.at,
        seconds=fact.seconds,
        failures=rules.failures,
        successes=rules.successes,
        forgiving=now < since + rules.start_period,
    )
    moved = streak.verdict != app.probe.verdict or app.kept.recovery.phase != "idle" or bool(streak.bad)
    app, events = mended(replace(app, probe=streak), "probe", fact.at)
    touched = (app.name,) if moved else ()
    return Judgement(replace(state, apps={**state.apps, app.name: app}), events=events, touched=touched)


def _dependency(state: State, fact: ProbeFinished, config: Config, now: float) -> Judgement:
    rules = config.dependencies.get(fact.subject)
    if rules is None:
        return Judgement(state)
    old = state.dependencies.get(fact.subject, DependencyState(fact.subject))
    streak = extend(
        old.streak,
        ok=fact.ok,
        detail=fact.detail,
        started=fact.started,
        at=fact.at,
        seconds=fact.seconds,
        failures=rules.failures,
        successes=rules.successes,
    )
    new, mends = _mended(replace(old, streak=streak), "dependency")
    new, events = _dependency_down(new, rules.tcp or rules.http or rules.dns, config, now)
    touched: tuple[str, ...] = ()
    if streak.verdict != old.streak.verdict:
        touched = tuple(name for name, app in state.apps.items() if new.name in app.config.needs)
    dependencies = {**state.dependencies, new.name: new}
    return Judgement(replace(state, dependencies=dependencies), events=(*mends, *events), touched=touched)


def _dependency_down(
    dependency: DependencyState, target: str, config: Config, now: float
) -> tuple[DependencyState, tuple[Event, ...]]:
    alert, streak, name = dependency.alerts.get("DependencyDown"), dependency.streak, dependency.name
    if alert is None and streak.verdict != "bad":
        return dependency, ()
    alert = alert or Alert()
    if streak.verdict == "unknown":
        # Right after a start of edged there is no verdict yet: what fired goes on until there is one.
        return dependency, ()
    if streak.verdict == "bad":
        reading = Reading(
            level="critical",
            summary=f"{name} ({target}) does not answer: {streak.detail}",
            advice="apps that need it are not restarted while it is down; see the dependency itself and the network",
        )
    else:
        reading = Reading(level=None, summary=f"{name} ({target}) answers")
    step = advance("DependencyDown", name, alert, reading, now, config.alerts)
    if step.alert is alert and alert != Alert():
        return dependency, step.events
    return replace(dependency, alerts=put(dependency.alerts, "DependencyDown", step.alert)), step.events


def _mended(watched: DependencyState, check: str) -> tuple[DependencyState, tuple[Event, ...]]:
    """A check that was broken has worked."""
    if check not in watched.broken:
        return watched, ()
    rest = {k: v for k, v in watched.broken.items() if k != check}
    return replace(watched, broken=rest), (CheckBroken(subject=watched.name, check=check, error="", broken=False),)


def check_failed(state: State, fact: CheckFailed, config: Config, now: float) -> Judgement:
    """A check could not be made: said once, and no verdict is drawn from it."""
    if fact.check == "dependency":
        dependency = state.dependencies.get(fact.subject)
        if dependency is None or fact.check in dependency.broken:
            return Judgement(state)
        lame = replace(dependency, broken={**dependency.broken, fact.check: fact.error})
        return Judgement(
            replace(state, dependencies={**state.dependencies, lame.name: lame}), events=(_broken(fact, lame.name),)
        )
    if fact.check in ENGINE_CHECKS and fact.subject == "engine":
        return broken_host(state, fact, "engine")
    app = _about(state, fact)
    if app is not None:
        new, events = failed(app, fact)
        return Judgement(replace(state, apps={**state.apps, app.name: new}) if new is not app else state, events=events)
    if fact.check == "containers":
        # A container that nobody watches.
        return Judgement(state)
    return broken_host(state, fact, "host")


def _about(state: State, fact: CheckFailed) -> AppState | None:
    """The app that the check is about: an inspection names the container."""
    if fact.check in ("probe", "metrics", "smoke", "inputs", "logs"):
        return state.apps.get(fact.subject)
    if fact.check != "containers":
        return None
    apps = (a for a in state.apps.values() if a.container is not None and a.container.name == fact.subject)
    return next(apps, None)


def broken_host(state: State, fact: CheckFailed, subject: str, key: str = "") -> Judgement:
    """A check of the host or the engine could not be made. It is kept as ``key``, else under the check's name."""
    key = key or fact.check
    if key in state.host.broken:
        return Judgement(state)
    host = replace(state.host, broken={**state.host.broken, key: fact.error})
    return Judgement(replace(state, host=host), events=(_broken(fact, subject),))


def _broken(fact: CheckFailed, subject: str) -> CheckBroken:
    return CheckBroken(subject=subject, check=fact.check, error=fact.error, broken=True)


def mend_host(state: State, key: str, *, check: str = "", subject: str = "") -> Judgement:
    """A check of the host or the engine, kept as ``key``, that was broken has worked."""
    if key not in state.host.broken:
        return Judgement(state)
    host = replace(state.host, broken={k: v for k, v in state.host.broken.items() if k != key})
    check, subject = check or key, subject or ("engine" if key in ENGINE_CHECKS else "host")
    return Judgement(
        replace(state, host=host), events=(CheckBroken(subject=subject, check=check, error="", broken=False),)
    )
