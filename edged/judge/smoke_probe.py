"""An app is asked its bundle's own smoke inputs now and then: SmokeProbeFailed."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config
from ..vocabulary.facts import SmokeProbed
from ..vocabulary.inference import Probed
from ..vocabulary.state import AppState, State
from .alerting import Reading, take
from .mending import mended
from .outcome import Judgement

WRONG = 2
"""Answers in a row that are not the model's: one may be that of an app which was just about to be restarted."""


def probed(state: State, fact: SmokeProbed, config: Config, now: float) -> Judgement:
    """One more answer. What was asked of a run or a model before says nothing."""
    app = state.apps.get(fact.app)
    if app is None or app.kept.deployment is not None or fact.started < max(app.known_since, app.started_at or 0.0):
        return Judgement(state)
    placed = app.kept.placed.get("model")
    if placed is None or placed.current.digest != fact.digest:
        return Judgement(state)
    before = app.inference.probed
    wrong = before.wrong if before is not None and before.digest == fact.digest else 0
    seen = Probed(
        at=fact.at,
        digest=fact.digest,
        seconds=fact.seconds if fact.ok else None,
        samples=fact.samples,
        wrong=0 if fact.ok else wrong + 1,
        detail=fact.detail,
    )
    app, events = mended(replace(app, inference=replace(app.inference, probed=seen)), "smoke", fact.at)
    found = {"SmokeProbeFailed": _reading(app, seen)}
    alerts, told = take(app.kept.alerts, app.name, found, fact.at, config.alerts)
    if alerts is not app.kept.alerts:
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    return Judgement(replace(state, apps={**state.apps, app.name: app}), events=(*events, *told))


def _reading(app: AppState, seen: Probed) -> Reading:
    if not seen.wrong:
        return Reading(level=None, summary=f"{app.name} answers its smoke inputs as its model does")
    alert = app.kept.alerts.get("SmokeProbeFailed")
    held = alert.severity if alert is not None else None
    return Reading(
        level="critical" if seen.wrong >= WRONG else held,
        value=float(seen.wrong),
        threshold=float(WRONG),
        summary=f"{app.name} is healthy and does not answer its smoke inputs as its model does: {seen.detail}",
        advice="it serves another model than the one in place, or changes its inputs on the way: see edged deployments "
        f"and its log lines; edged restart {app.name}, or edged rollback {app.name}",
    )
