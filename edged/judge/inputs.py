"""Counted inputs of an app: state of its detectors, DataDrift and DataQuality, and what follows from drift."""

from __future__ import annotations

from msgspec.structs import replace

from ..config import Config, Drift
from ..vocabulary.drift import DriftFeature, FeatureReference, Reference
from ..vocabulary.drift_packed import Packed
from ..vocabulary.drift_state import DriftState
from ..vocabulary.events import DriftChanged, Event, ReferenceChanged
from ..vocabulary.facts import ReferenceSeen, RowsCounted
from ..vocabulary.inputs import Inputs
from ..vocabulary.state import AppState, State
from .alerting import Reading, take
from .drift.distances import shares
from .drift.settings import Settings, shared
from .drift.step import step
from .drift.verdict import Verdict, Verdicts, judged
from .mending import mended
from .outcome import Judgement

REFUSED = 0.01
"""Share of the rows of a reading that may be of no use."""
HELD = 3
"""Readings without trouble until it is over."""
NAMED = 5
"""Features and reasons that a sentence has room for."""
SHORTER = 0.9
"""What a pause that is usual becomes with every reading that had a shorter one before it."""
TOLD = 0.1
"""PSI below which a window says nothing."""
ALERTS = ("DataDrift", "DataQuality")


def referred(state: State, fact: ReferenceSeen, config: Config, now: float) -> Judgement:
    """What inputs are held against from now on. Told when it is another one, not when it is only read again."""
    app = state.apps.get(fact.app)
    if app is None or app.config.drift is None:
        return Judgement(state)
    inputs = _at_model(state.inputs.get(fact.app, Inputs()), fact.model, fact.at)
    same = inputs.digest == fact.digest
    kept = inputs.state if same else DriftState()
    verdicts = judged(kept, fact.reference, now)
    inputs = replace(
        inputs,
        digest=fact.digest,
        reference=Packed.of(fact.reference),
        state=kept,
        rows=inputs.rows if same else 0,
        told=inputs.told if same else (),
        evidence_at=inputs.evidence_at if same else 0,
        verdicts=slim(verdicts),
        learned=0,
        wanted=0,
    )
    told: tuple[Event, ...] = ()
    if not same:
        told = (
            ReferenceChanged(
                subject=app.name,
                model=fact.model,
                digest=fact.digest,
                learned=fact.reference.learned,
                rows=fact.reference.rows,
                features=len(fact.reference.features),
            ),
        )
    return settled(state, app, inputs, told, config, now)


def counted(state: State, fact: RowsCounted, config: Config, now: float) -> Judgement:
    """One reading."""
    app = state.apps.get(fact.app)
    rules: Drift | None = app.config.drift if app is not None else None
    if app is None or rules is None:
        return Judgement(state)
    app, mends = mended(app, "inputs", fact.at)
    inputs = _at_model(state.inputs.get(fact.app, Inputs()), fact.model, fact.at)
    inputs = replace(
        inputs,
        position=fact.position or inputs.position,
        read_at=fact.at,
        rows_at=fact.at if fact.rows or inputs.rows_at is None else inputs.rows_at,
        learned=fact.learned,
        wanted=fact.wanted,
    )
    batches = fact.batches
    if fact.rows and fact.waited:
        usual = 2.0 * max(inputs.gap, HELD * rules.every)
        if fact.waited > usual:  # a pause that has been told as one says nothing of the rate
            batches = tuple(replace(batch, seconds=0.0) for batch in batches)
        inputs = replace(inputs, gap=max(SHORTER * inputs.gap, min(fact.waited, usual)))
    refused = sum(fact.refused.values())
    if refused > REFUSED * (fact.rows + refused):
        inputs = replace(inputs, refused=fact.refused, refused_at=fact.at)
    elif fact.rows and inputs.refused_at is not None and fact.at > inputs.refused_at + HELD * rules.every:
        # No rows at all are no sign that they are sound again.
        inputs = replace(inputs, refused={}, refused_at=None)
    against: Packed | None = inputs.reference
    if against is not None and batches and fact.digest == inputs.digest:
        reference = against.unpacked()
        settings = settings_of(rules, state.inputs, fact.app)
        for batch in batches:
            held, verdicts = step(inputs.state, reference, batch, settings, now)
            inputs = replace(inputs, state=held, verdicts=slim(verdicts), rows=inputs.rows + batch.rows)
    return settled(state, app, inputs, mends, config, now)


def settings_of(rules: Drift, inputs: dict[str, Inputs], name: str) -> Settings:
    """The asked rate is the whole device's: each app has its part of it."""
    sizes = {n: len(i.reference.parts) for n, i in inputs.items() if i.reference is not None}
    asked = shared(rules.false_alarms_per_month, sizes.get(name, 1), sum(sizes.values()))
    return Settings(window=rules.window, false_alarms_per_month=asked)


def slim(verdicts: Verdicts) -> Verdicts:
    """Without the shares, which counts and reference have as well: they are a tenth of a feature's memory."""
    return replace(verdicts, features=tuple(replace(one, before=(), after=()) for one in verdicts.features))


def unasked(app: AppState) -> dict[str, Reading]:
    """Alerts that fire although inputs are not watched any more."""
    if app.config.drift is not None:
        return {}
    calm = Reading(level=None, summary="the configuration does not ask for it any more")
    return {name: calm for name in ALERTS if name in app.kept.alerts}


def _at_model(inputs: Inputs, model: str, at: float) -> Inputs:
    if inputs.model == model:
        return inputs
    known = inputs.read_at is not None or bool(inputs.position)
    return replace(inputs, model=model, model_since=at if known else 0.0)


def _with(state: State, name: str, inputs: Inputs) -> State:
    """Inputs of apps that are not watched any more are forgotten."""
    known = {n: i for n, i in state.inputs.items() if n in state.apps or n in state.remembered}
    return replace(state, inputs={**known, name: inputs})


def settled(
    state: State, app: AppState, inputs: Inputs, told: tuple[Event, ...], config: Config, now: float
) -> Judgement:
    """The alerts, the news, and what drift leads to."""
    verdicts: Verdicts | None = inputs.verdicts
    readings = {"DataQuality": _quality(app, inputs, verdicts)}
    if verdicts is not None:
        readings["DataDrift"] = _drift(app, verdicts)
    elif not inputs.digest:
        readings["DataDrift"] = Reading(level=None, summary=f"the inputs of {app.name} have no reference")
    alerts, changes = take(app.kept.alerts, app.name, readings, now, config.alerts)
    if alerts is not app.kept.alerts:
        app = replace(app, kept=replace(app.kept, alerts=alerts))
    news: tuple[Event, ...] = ()
    if verdicts is not None and inputs.reference is not None:
        drifted = tuple(sorted(one.name for one in verdicts.features if one.drifted))
        moved = drifted != inputs.told
        if moved or (drifted and 0 < inputs.evidence_at <= inputs.state.windows):
            news = (_changed(app, inputs, verdicts, inputs.reference.unpacked()),)
            # A change is seen long before a window is full of it: then both histograms are told once more.
            inputs = replace(inputs, told=drifted, evidence_at=inputs.state.windows + 2 if moved else 0)
    state = replace(_with(state, app.name, inputs), apps={**state.apps, app.name: app})
    return Judgement(state, events=(*told, *changes, *news))


def _drift(app: AppState, verdicts: Verdicts) -> Reading:
    drifted = [one for one in verdicts.features if one.drifted]
    if not drifted:
        return Reading(level=None, summary=f"the inputs of {app.name} are like those of its reference")
    by_name = {one.name: one for one in drifted}
    top = [by_name[name] for name in verdicts.top if name in by_name]
    said = "; ".join(f"{one.name} {one.direction} ({_far(one)}{one.why})" for one in top)
    more = f" and {len(drifted) - len(top)} more" if len(drifted) > len(top) else ""
    return Reading(
        level="warning",
        summary=f"{len(drifted)} of {len(verdicts.features)} inputs of {app.name} have moved: {said}{more}",
        advice=f"edged drift {app.name} shows before and after; if the world has changed, train the model anew; if the "
        f"new inputs are right, edged drift {app.name} --reset --relearn",
        value=max((one.psi for one in drifted if one.psi >= TOLD), default=None),
    )


def _far(one: Verdict) -> str:
    """The last full window may be from before the change."""
    return f"PSI {one.psi:.2f}, " if one.psi >= TOLD else ""


def _quality(app: AppState, inputs: Inputs, verdicts: Verdicts | None) -> Reading:
    wrong = [f"{name}: {number}" for name, number in inputs.refused.items()]
    said = [f"rows of no use ({', '.join(wrong[:NAMED])})"] if wrong else []
    if silent := _silent(app, inputs):
        said.append(f"no rows for {silent:.0f} s")
    if verdicts is not None:
        said += [f"{one.name} {' and '.join(one.problems)}" for one in verdicts.features if one.problems]
        said += verdicts.problems
    if not said:
        return Reading(level=None, summary=f"the inputs of {app.name} are sound")
    more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
    new = inputs.state.unknown
    return Reading(
        level="warning",
        summary=f"inputs of {app.name}: {'; '.join(said[:NAMED])}{more}",
        advice="look at the sensor, at the way from it and at what writes the rows; answers to such inputs are guesses"
        + ("; leave a column that is no input out: drift.columns.exclude" if new else ""),
        value=float(len(said)),
    )


def _silent(app: AppState, inputs: Inputs) -> float:
    """Seconds without a row, where there should have been windows full of them, be it in bursts; 0: all is as usual."""
    rate, rules = inputs.state.rate, app.config.drift
    if not rate or inputs.rows_at is None or inputs.read_at is None or app.condition != "healthy":
        return 0.0
    silent = inputs.read_at - inputs.rows_at
    return silent if silent > max(HELD * rules.every, rules.window / rate, 2.0 * inputs.gap) else 0.0


def _changed(app: AppState, inputs: Inputs, verdicts: Verdicts, reference: Reference) -> DriftChanged:
    bounds = {one.name: one for one in reference.features}
    by_name = {one.name: one for one in verdicts.features}
    before = set(inputs.told)
    now = {one.name for one in verdicts.features if one.drifted}
    return DriftChanged(
        subject=app.name,
        begun=tuple(sorted(now - before)),
        ended=tuple(sorted(before - now)),
        model=inputs.model,
        top=tuple(
            _feature(by_name[name], bounds[name], inputs.state.features[name].window)
            for name in verdicts.top
            if name in inputs.state.features
        ),
    )


def _feature(one: Verdict, reference: FeatureReference, window: tuple[int, ...]) -> DriftFeature:
    return DriftFeature(
        name=one.name,
        direction=one.direction,
        why=one.why,
        psi=round(one.psi, 4),
        edges=reference.edges,
        labels=reference.labels,
        before=tuple(round(share, 4) for share in reference.shares),
        after=tuple(round(share, 4) for share in shares(window)),
    )
