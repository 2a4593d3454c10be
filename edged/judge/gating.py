"""The gate of a running deployment: what the app has shown so far, held against what it was before."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Gate, Model
from ..vocabulary.actions import SmokeTest
from ..vocabulary.deployments import Deployment, GateCheck, Traffic
from ..vocabulary.facts import ActionFinished, TrafficSampled
from ..vocabulary.state import AppState
from . import gate
from .artifacts import keep, rules_of, wake, where
from .budget import backoff
from .hindrance import engaged
from .mending import mended
from .outcome import Judgement, View
from .reloading import Progress, reload_of
from .remedies import next_id

TRAFFIC_KEPT = 240
"""Scrapes that are remembered for the baseline."""
SMOKE_ATTEMPTS = 5
"""With 15 s of waiting in between, for an app that does not answer yet, or not yet with the new one."""


def sampled(app: AppState, fact: TrafficSampled) -> AppState:
    """Takes in one scrape. A counter that is lower than before is that of a new process."""
    last = app.traffic[-1] if app.traffic else None
    before = app.traffic if last is not None and fact.traffic.requests >= last.requests else ()
    return replace(app, traffic=(*before, fact.traffic)[-TRAFFIC_KEPT:])


def baseline(app: AppState, deployment: Deployment, view: View) -> Deployment:
    """What the app did within a window before the swap: this device's own measure. Metrics that could not be read any
    more by then are none, and their silence afterwards is no sign either."""
    rules = _rules(app, deployment)
    last = app.traffic[-1] if app.traffic and not _blind(app, view) else None
    first = _before(app.traffic, last.at - 10 * rules.window) if last is not None else None
    return replace(deployment, baseline=gate.between(first, last), first=None, checks=())


def _before(traffic: tuple[Traffic, ...], at: float) -> Traffic | None:
    """The first scrape from ``at`` on."""
    return next((one for one in traffic if one.at >= at), None)


def look(app: AppState, deployment: Deployment, view: View) -> Progress:
    """The verdict so far. The bundle's own inputs are sent as soon as the app is well."""
    rules = _rules(app, deployment)
    if deployment.first is None:
        scrapes = [one for one in app.traffic if one.at >= deployment.since]
        if scrapes:
            deployment = replace(deployment, first=scrapes[0])
            app = keep(app, deployment)
    # After an outage, of the engine or of edged itself, the window is for the time that it is seen to be well again.
    since = max(deployment.since, app.condition_since) if app.condition == "healthy" else deployment.since
    seen = gate.Seen(
        condition=app.condition,
        reason=app.reason,
        seconds=view.now - since,
        restarts=sum(1 for death in app.kept.deaths if death > deployment.since),
        watched=app.config.metrics is not None,
        traffic=gate.between(deployment.first, app.traffic[-1] if app.traffic else None),
        blind=_blind(app, view),
        patience=_scrapes(app),
        smoke=deployment.smoked,
        asking=deployment.smoked is None and _answers_at(app, deployment) != "",
    )
    found = gate.look(seen, deployment.baseline, rules)
    deployment = replace(deployment, checks=found.checks)
    app = keep(app, deployment)
    until = since + rules.window
    match found.verdict:
        case "pass":
            return Progress(app, "good")
        case "open" if seen.asking and app.condition == "healthy" and view.now >= deployment.next_at:
            if engaged(app):  # a person restarts it, say: it is asked afterwards
                return Progress(wake(app, view.now + 1.0), "open")
            return _smoke(app, deployment, view)
        case "open":
            later = [at for at in (until, deployment.next_at) if at > view.now]
            return Progress(wake(app, min(later, default=view.now + 1.0)), "open")
        case "inconclusive" if not deployment.old.digest:
            # There is nothing to go back to, and it is well: better than nothing at all.
            return Progress(app, "good")
    worst = found.failed
    assert worst is not None
    return Progress(app, "bad", f"gate_{worst.name}", worst.why)


def _scrapes(app: AppState) -> float:
    """Seconds within which two scrapes come in any case."""
    rules = app.config.metrics
    return 2.0 * (rules.every + rules.timeout) if rules is not None else 0.0


def _blind(app: AppState, view: View) -> str:
    """A page that was there and is not any more says nothing good of what came since."""
    if app.config.metrics is None:
        return ""
    if error := app.broken.get("metrics"):
        return f"its metrics cannot be read any more: {error}"
    silent = view.now - app.traffic[-1].at if app.traffic else 0.0
    return f"its metrics have not been read for {silent:.0f} s" if silent > _scrapes(app) else ""


def _smoke(app: AppState, deployment: Deployment, view: View) -> Progress:
    app, action_id = next_id(app, view)
    made = replace(deployment, attempt=deployment.attempt + 1, action_id=action_id)
    action = SmokeTest(
        id=action_id,
        subject=app.name,
        reason=f"deployment {deployment.request.id}: does {app.name} serve the new one?",
        timeout=60.0,
        where=where(app, deployment.request.kind),
        digest=deployment.new.digest,
        url=_answers_at(app, deployment),
    )
    return Progress(wake(keep(app, made), made.deadline), "open", actions=(action,))


def smoked(app: AppState, deployment: Deployment, fact: ActionFinished, view: View) -> Progress:
    """The app answered the bundle's own inputs, or did not. What that means is seen together with all the rest."""
    answered = fact.ok or fact.result.get("code") == "smoke"
    # A restarted app has the new one or none; one that was sent a signal may be about to read it.
    settled = fact.ok or (answered and reload_of(app, deployment) == "restart")
    if not settled and deployment.attempt < SMOKE_ATTEMPTS:
        waiting = replace(deployment, next_at=view.now + backoff(deployment.attempt, 1.0, 8.0))
        return Progress(wake(keep(app, waiting), waiting.next_at), "open")
    samples = int(fact.result.get("samples", 0))
    why = f"{samples} smoke requests were answered as expected" if fact.ok else fact.error
    check = GateCheck(name="smoke", ok=fact.ok, why=why, samples=samples)
    return Progress(wake(keep(app, replace(deployment, smoked=check)), view.now), "open")


def _answers_at(app: AppState, deployment: Deployment) -> str:
    """Where smoke requests go; empty: there are none, or nobody has said where."""
    rules = rules_of(app, deployment.request.kind)
    return rules.smoke if deployment.smoke and isinstance(rules, Model) else ""


def _rules(app: AppState, deployment: Deployment) -> Gate:
    rules = rules_of(app, deployment.request.kind)
    return rules.gate if rules is not None else Gate()


def traffic(state_app: AppState, fact: TrafficSampled, view: View) -> Judgement:
    """The rule: one scrape of one app."""
    app, events = mended(sampled(state_app, fact), "metrics", fact.at)
    state = replace(view.state, apps={**view.state.apps, app.name: app})
    return Judgement(state, events=events, touched=(app.name,) if app.kept.deployment is not None else ())
