"""The inference of an app as it tells of it: HighInferenceLatency, HighErrorRate, NoInference, ModelQuality."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from msgspec.structs import replace

from ..config import Errors, Latency, Metrics, Quality, names
from ..vocabulary.app_state import Maintenance
from ..vocabulary.events import Event, MetricsNoted
from ..vocabulary.facts import TrafficSampled
from ..vocabulary.inference import Inference, Mark
from ..vocabulary.state import Alert, AppState
from .alerting import Reading, take
from .hints import hints
from .increments import Window, add, bounds, counted, keep, merged, window
from .outcome import View
from .quantiles import around, quantile, share_above
from .resources import level

DEFAULT_QUANTILE = 0.95
DEFAULT_WINDOW = 60.0
"""Seconds, where no key says how far to look back."""
USUAL = 3600.0
"""Seconds over which the usual rate of requests is smoothed."""
NOTES = 20
"""Remarks about one app's metrics, and no more: a page that is another one each time would cause one each time."""
ALERTS = ("HighInferenceLatency", "HighErrorRate", "NoInference", "ModelQuality", "SmokeProbeFailed")


def sampled(app: AppState, fact: TrafficSampled, view: View) -> tuple[AppState, tuple[Event, ...]]:
    """Takes in one scrape. One that was under way when the container was started anew is of the run before."""
    rules: Metrics | None = app.config.metrics
    if rules is None or fact.at < max(app.known_since, app.started_at or 0.0):
        return app, ()
    seen, asked = app.inference, repr(names(rules))
    if seen.asked != asked:
        seen = Inference(asked=asked, noted=() if seen.asked else seen.noted, probed=seen.probed)
    seen = _counted(seen, fact, rules)
    app = replace(app, inference=seen)
    said = [text for text in _remarks(app, fact, rules) if text not in seen.noted][: NOTES - len(seen.noted)]
    if said:
        app = replace(app, inference=replace(seen, noted=(*seen.noted, *said)))
    found = dict(readings(app, rules, view))
    alerts, told = take(app.kept.alerts, app.name, found, fact.at, view.config.alerts)
    if alerts is not app.kept.alerts:
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    return app, (*(MetricsNoted(subject=app.name, text=text) for text in said), *told)


def unasked(app: AppState) -> dict[str, Reading]:
    """Alerts that fire although the configuration does not ask for them any more."""
    rules: Metrics | None = app.config.metrics
    asked = {
        "HighInferenceLatency": rules is not None and rules.latency is not None,
        "HighErrorRate": rules is not None and rules.errors is not None,
        "NoInference": rules is not None and rules.stalled_after > 0.0,
        "ModelQuality": rules is not None and rules.quality is not None,
        "SmokeProbeFailed": app.config.model is not None and app.config.model.probe is not None,
    }
    calm = Reading(level=None, summary="the configuration does not ask for it any more")
    return {name: calm for name in ALERTS if name in app.kept.alerts and not asked[name]}


def _counted(seen: Inference, fact: TrafficSampled, rules: Metrics) -> Inference:
    """The counters so far and what follows from them."""
    page, at = fact.scrape, fact.at
    if seen.last is not None and seen.marks and bounds(page) != bounds(seen.last) and page.latency:
        # Other buckets cannot be held against those before.
        seen = replace(
            seen, last=replace(page, totals=seen.last.totals, failures=seen.last.failures), marks=_rebased(seen)
        )
    before = seen.marks[-1] if seen.marks else None
    mark = add(before, seen.last, page, at)
    marks = keep(seen.marks, mark, _longest(rules))
    served = before is None or mark.requests > before.requests
    lately = window(marks, _span(rules, rules.latency.for_ if rules.latency is not None else DEFAULT_WINDOW))
    failing = window(marks, _span(rules, rules.errors.for_ if rules.errors is not None else DEFAULT_WINDOW))
    rate = lately.requests / lately.seconds if lately is not None else None
    return replace(
        seen,
        last=merged(seen.last, page),
        marks=marks,
        served_at=at if served else seen.served_at,
        latency=_quantile(lately, rules) if lately is not None and lately.buckets else page.quantile,
        over=_over(lately, rules),
        error_ratio=failing.failed / failing.requests if failing is not None and failing.requests > 0.0 else None,
        rate=rate,
        usual_rate=_smoothed(seen.usual_rate, rate, at - before.at if before is not None else 0.0),
        gauge=page.gauge,
    )


def _rebased(seen: Inference) -> tuple[Mark, ...]:
    """The marks without their buckets: requests and failures go on."""
    return tuple(replace(mark, buckets=()) for mark in seen.marks)


def _longest(rules: Metrics) -> float:
    spans = [part.for_ for part in (rules.latency, rules.errors) if part is not None]
    return _span(rules, max(spans, default=DEFAULT_WINDOW))


def _span(rules: Metrics, seconds: float) -> float:
    """At least two scrapes are needed to see what was counted."""
    return max(seconds, 2.0 * rules.every + rules.timeout)


def _smoothed(usual: float | None, rate: float | None, seconds: float) -> float | None:
    if usual is None or rate is None:
        return rate if usual is None else usual
    return usual + (rate - usual) * min(1.0, seconds / USUAL)


def _quantile(lately: Window, rules: Metrics) -> float | None:
    return quantile(rules.latency.quantile if rules.latency is not None else DEFAULT_QUANTILE, lately.buckets)


def _over(lately: Window | None, rules: Metrics) -> float | None:
    limit = (rules.latency.warn or rules.latency.critical) if rules.latency is not None else 0.0
    return share_above(limit, lately.buckets) if lately is not None and limit else None


def _remarks(app: AppState, fact: TrafficSampled, rules: Metrics) -> Iterator[str]:
    """What an operator should know about the page, once."""
    latency, page = rules.latency, fact.scrape
    if latency is None:
        return
    edges = [(bound, 0.0) for bound in sorted(bounds(page))]
    for key, limit in (("warn", latency.warn), ("critical", latency.critical)):
        between = around(limit, edges) if limit and edges else None
        if between is not None and between[1] == inf:
            yield (
                f"the histogram has no bucket edge at {_time(limit)} (latency.{key}): beyond {_time(between[0])} it "
                f"does not tell how long an inference took, so {key} is never reached; add an edge, or lower the limit"
            )
        elif between is not None:
            yield (
                f"the histogram has no bucket edge at {_time(limit)} (latency.{key}): between {_time(between[0])} and "
                f"{_time(between[1])} the share is a guess"
            )
    if edges and edges[-1][0] != inf:
        yield "the histogram has no bucket with the edge +Inf: no quantile can be told"
    known = names(rules)
    if known.histogram and not (known.totals or known.summary or page.latency) and any(page.totals.values()):
        yield (
            f"{known.histogram} counts and has no buckets, which is how a native histogram looks: no quantile can be "
            "told; let the app tell classic buckets as well"
        )
    if page.summaries > 1:
        yield f"quantiles of a summary cannot be added up: of its {page.summaries} label sets the worst counts"


def readings(app: AppState, rules: Metrics, view: View) -> Iterator[tuple[str, Reading]]:
    """What each of the alerts that are asked for should show now."""
    alerts = app.kept.alerts
    if rules.latency is not None and (rules.latency.warn or rules.latency.critical):
        yield "HighInferenceLatency", _latency(app, rules, rules.latency, alerts.get("HighInferenceLatency"), view)
    if rules.errors is not None and (rules.errors.warn or rules.errors.critical):
        yield "HighErrorRate", _errors(app, rules, rules.errors, alerts.get("HighErrorRate"), view)
    if rules.stalled_after:
        yield "NoInference", _stalled(app, rules.stalled_after, alerts.get("NoInference"), view.now)
    if rules.quality is not None:
        yield "ModelQuality", _quality(app, rules.quality, alerts.get("ModelQuality"))


def _held(alert: Alert | None, why: str) -> Reading:
    """Nobody knows yet: what fires goes on, and nothing new begins."""
    return Reading(level=alert.severity if alert is not None else None, summary=why)


def _latency(app: AppState, rules: Metrics, latency: Latency, alert: Alert | None, view: View) -> Reading:
    seen = app.inference
    lately = window(seen.marks, _span(rules, latency.for_))
    if lately is None:
        return _held(alert, f"{app.name} is being watched anew")
    n = counted(lately.buckets) if lately.buckets else lately.requests
    if seen.latency is None or n < latency.min_count:
        why = f"only {n:.0f} inferences within {_time(lately.seconds)}, {latency.min_count} are needed for a verdict"
        return Reading(level=None, summary=f"{app.name}: {why}", clear_for=latency.for_)
    reading = level(seen.latency, latency.warn or inf, latency.critical or None, alert)
    over = f": {seen.over:.0%} of {n:.0f} inferences took longer" if seen.over is not None else ""
    limit = reading.threshold if reading.threshold not in (None, inf) else latency.critical
    causes = hints(app, view.state, view.now) if reading.level is not None else []
    seen_too = "at the same moment: " + "; ".join(causes) if causes else "nothing else stands out on this device"
    return replace(
        reading,
        threshold=limit,
        raise_for=latency.for_,
        clear_for=latency.for_,
        summary=f"{app.name}'s p{latency.quantile * 100:g} latency is {_time(seen.latency)} over the last "
        f"{_time(lately.seconds)}, the limit is {_time(limit or 0.0)}{over}",
        advice=f"{seen_too}; see what the model costs (edged deployments) and what is asked of it",
    )


def _errors(app: AppState, rules: Metrics, errors: Errors, alert: Alert | None, view: View) -> Reading:
    lately = window(app.inference.marks, _span(rules, errors.for_))
    if lately is None:
        return _held(alert, f"{app.name} is being watched anew")
    if lately.requests < errors.min_count:
        why = f"only {lately.requests:.0f} requests within {_time(lately.seconds)}, {errors.min_count} are needed"
        return Reading(level=None, summary=f"{app.name}: {why} for a verdict", clear_for=errors.for_)
    ratio = min(1.0, lately.failed / lately.requests)
    reading = level(ratio, errors.warn or inf, errors.critical or None, alert)
    causes = hints(app, view.state, view.now) if reading.level is not None else []
    return replace(
        reading,
        threshold=reading.threshold if reading.threshold != inf else errors.critical,
        raise_for=errors.for_,
        clear_for=errors.for_,
        summary=f"{app.name} fails in {ratio:.1%} of its requests: {lately.failed:.0f} of {lately.requests:.0f} within "
        f"{_time(lately.seconds)}",
        advice="see its last log lines and what it needs"
        + ("; at the same moment: " + "; ".join(causes) if causes else ""),
    )


def _stalled(app: AppState, after: float, alert: Alert | None, now: float) -> Reading:
    """Only an app that could serve is asked why it does not."""
    maintenance: Maintenance | None = app.kept.maintenance
    if maintenance is None and app.condition in ("unknown", "starting"):
        return _held(alert, f"{app.name} is {app.condition}")
    if app.condition != "healthy" or maintenance is not None:
        return Reading(level=None, summary=f"{app.name} is {'in maintenance' if maintenance else app.condition}")
    seen = app.inference
    served = len(seen.marks) > 1 and seen.served_at > seen.marks[0].at
    if alert is not None and alert.severity is not None and not served:
        return _held(alert, f"{app.name} has made no inference yet")
    silent = now - max(seen.served_at, app.condition_since)
    if silent < after:
        return Reading(level=None, summary=f"{app.name} makes inferences")
    return Reading(
        level="critical",
        value=silent,
        threshold=after,
        summary=f"{app.name} is healthy and has made no inference for {_time(silent)}",
        advice="see what feeds it: camera, queue, network; and its log lines. Stop it, or begin a maintenance, if "
        "nothing is to be done now",
    )


def _quality(app: AppState, quality: Quality, alert: Alert | None) -> Reading:
    value = app.inference.gauge
    if value is None:
        return _held(alert, f"{app.name} does not tell {quality.gauge} now")
    return Reading(
        level="warning" if value < quality.min else None,
        value=value,
        threshold=quality.min,
        raise_for=quality.for_,
        clear_for=quality.for_,
        summary=f"{app.name}'s {quality.gauge} is {value:g}, at least {quality.min:g} is wanted",
        advice="compare its inputs with those it was trained on (camera, light, sensor), or go back to the model "
        f"before: edged rollback {app.name}",
    )


def _time(seconds: float) -> str:
    """For people: three digits."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g}µs" if seconds else "0s"
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g}ms"
    return f"{seconds:.3g}s" if seconds < 120.0 else f"{seconds / 60.0:.3g} min"
