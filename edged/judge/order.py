"""In which order everything comes up again when all of it was down: what is needed first, then what is essential.

Apps of one rank come up together. The next rank begins when those before are well and have answered their model's smoke
inputs, or when it is clear that this will take longer than anybody should wait for it.
"""

from __future__ import annotations

from ..config import Config
from ..config.runbook_builtin import runbook
from ..vocabulary.deployments import TOUCHING
from ..vocabulary.runbooks import Run
from ..vocabulary.state import AppState, State
from .run import engine_restarts_it

PHASE = "recovering"
"""Of a run that brings everything up."""
PATIENCE = 30.0
"""Seconds that others wait for an app for which nothing is being done."""
LONGEST = 300.0
"""The same for one that is on its way up."""
CURES = frozenset({"start", "restart"})
Rank = tuple[int, int]


def ranks(state: State) -> dict[str, Rank]:
    """By app: the lowest priority number of all that need it, then how deep it stands in what is needed."""
    apps = state.apps
    found: dict[str, Rank] = {name: (app.config.priority, 0) for name, app in apps.items()}
    # Each round carries it one step further; the bound is for labels that need each other in a circle.
    for _ in apps:
        before = dict(found)
        for name, app in apps.items():
            for need in app.config.needs:
                if need in found:
                    found[need] = (min(found[need][0], found[name][0]), found[need][1])
                    found[name] = (found[name][0], min(len(apps), max(found[name][1], found[need][1] + 1)))
        if found == before:
            break
    return found


def recovering(state: State) -> Run | None:
    """The run that brings everything up; ``None``: there is none."""
    return next((run for run in state.runs.values() if run.phase == PHASE), None)


def first(app: AppState, state: State, config: Config, now: float) -> tuple[str, float] | None:
    """An app that must be well before this one is started, and until when it is waited for at most."""
    run = recovering(state)
    if run is None:
        return None
    order = ranks(state)
    mine = order.get(app.name)
    if mine is None:
        return None
    for other in sorted(state.apps.values(), key=lambda one: order[one.name]):
        if order[other.name] >= mine:
            return None
        until = patience(other, run)
        if now < until and not settled(other, run, state, config):
            return other.name, until
    return None


def patience(app: AppState, run: Run) -> float:
    """Until when others wait for it."""
    moving = app.condition in ("starting", "restarting", "healthy") or app.kept.recovery.phase != "idle"
    return max(app.condition_since, run.since or 0.0) + (LONGEST if moving else PATIENCE)


def settled(app: AppState, run: Run, state: State, config: Config) -> bool:
    """It is well and tried, or not for edged to bring up now."""
    kept, recovery = app.kept, app.kept.recovery
    if left_alone(app, config) or recovery.open:
        return True
    if kept.deployment is not None and kept.deployment.phase in TOUCHING:
        return True
    if app.condition == "down" and (engine_restarts_it(app) or _lacks(app, state)):
        return True  # others see to it, or to what it needs
    if app.condition == "healthy":
        return smoke_url(app) == "" or app.name in run.smoked
    return recovery.phase == "idle" and recovery.episode > 0 and app.condition in ("down", "unhealthy")


def _lacks(app: AppState, state: State) -> bool:
    """It needs something that is no app, and that does not answer."""
    found = (state.dependencies.get(need) for need in app.config.needs)
    return any(one is not None and one.streak.verdict == "bad" for one in found)


def left_alone(app: AppState, config: Config) -> bool:
    """Nobody expects edged to bring it up."""
    kept = app.kept
    if not helps(app, config):
        return True
    hands_off = kept.maintenance is not None or kept.isolation is not None or kept.stopped is not None
    return hands_off or not app.config.restart.enabled or app.condition in ("missing", "stopped", "paused")


def helps(app: AppState, config: Config) -> bool:
    """Its runbook has a step that would bring it up."""
    alert = "Unhealthy" if app.condition == "unhealthy" else "AppDown"
    return not CURES.isdisjoint(runbook(config.runbooks, alert, app.name).does)


def smoke_url(app: AppState) -> str:
    """Where it answers its model's smoke inputs; empty: nobody knows."""
    rules, placed = app.config.model, app.kept.placed.get("model")
    if rules is None or placed is None or not placed.current.digest:
        return ""
    return str(rules.smoke)
