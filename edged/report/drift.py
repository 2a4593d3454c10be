"""Drift as people and programs see it: the summary of the retained topic, the whole report, metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..vocabulary.drift import FeatureReference
from ..vocabulary.drift_state import FeatureState
from ..vocabulary.inputs import Inputs
from .payloads import rfc3339
from .snapshot import Snapshot


def summary(shot: Snapshot, name: str) -> dict[str, Any] | None:
    """What changes only when something happens; ``None``: this app's inputs are not watched."""
    inputs = _of(shot, name)
    if inputs is None:
        return None
    verdicts, reference = inputs.verdicts, inputs.reference
    features = verdicts.features if verdicts is not None else ()
    return {
        "state": _state(inputs),
        "reference": None
        if reference is None
        else {"learned": reference.learned, "rows": reference.rows, "digest": inputs.digest, "model": inputs.model},
        "drifted": {
            one.name: {
                "direction": one.direction,
                "psi": round(one.psi, 2),
                "since": rfc3339(shot.unix(one.since)) if one.since is not None else None,
            }
            for one in features
            if one.drifted
        },
        "problems": [f"{one.name}: {', '.join(one.problems)}" for one in features if one.problems]
        + list(verdicts.problems if verdicts is not None else ())
        + [f"rows of no use: {reason}" for reason in inputs.refused],
    }


def report(shot: Snapshot, name: str) -> dict[str, Any] | None:
    """Everything that ``edged drift`` shows."""
    head = summary(shot, name)
    inputs = _of(shot, name)
    if head is None or inputs is None:
        return None
    rules = shot.state.apps[name].config.drift
    source = rules.source
    found = {one.name: one for one in inputs.reference.unpacked().features} if inputs.reference is not None else {}
    return head | {
        "app": name,
        "source": source.file or source.http or source.mqtt,
        "window": rules.window,
        "false_alarms_per_month": rules.false_alarms_per_month,
        "rows": inputs.rows,
        "windows": inputs.state.windows,
        "window_rows": inputs.state.rows,
        "rate": inputs.state.rate,
        "read": rfc3339(shot.unix(inputs.read_at)) if inputs.read_at is not None else None,
        "broken": shot.state.apps[name].broken.get("inputs", ""),
        "learning": {"rows": inputs.learned, "wanted": inputs.wanted} if inputs.wanted else None,
        "refused": inputs.refused,
        "features": [
            _feature(shot, one, found[one.name], inputs.state.features.get(one.name))
            for one in (inputs.verdicts.features if inputs.verdicts is not None else ())
            if one.name in found
        ],
    }


def _feature(shot: Snapshot, one: Any, reference: FeatureReference, held: FeatureState | None) -> dict[str, Any]:
    window = held.window if held is not None else ()
    scores = ("psi", "excess", "jensen_shannon", "kolmogorov_smirnov", "wasserstein", "p", "missing_ratio")
    return {
        "name": one.name,
        "kind": reference.kind,
        "drifted": one.drifted,
        "since": rfc3339(shot.unix(one.since)) if one.since is not None else None,
        "why": one.why,
        "direction": one.direction,
        **{score: getattr(one, score) for score in scores},
        "problems": list(one.problems),
        "edges": list(reference.edges),
        "labels": list(reference.labels),
        "before": list(reference.shares),
        "after": [number / (sum(window) or 1) for number in window] or [0.0] * len(reference.shares),
    }


def families(shot: Snapshot) -> Iterator[Any]:
    """For Prometheus."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    score = GaugeMetricFamily(
        "edged_drift_score", "PSI of the last full window against the reference", labels=["app", "feature"]
    )
    drifted = GaugeMetricFamily("edged_drift_features", "Features that have drifted", labels=["app"])
    rows = CounterMetricFamily("edged_drift_rows", "Rows held against the reference in force", labels=["app"])
    for name in shot.state.apps:
        inputs = _of(shot, name)
        if inputs is None or inputs.verdicts is None:
            continue
        rows.add_metric([name], float(inputs.rows))
        drifted.add_metric([name], float(sum(one.drifted for one in inputs.verdicts.features)))
        if inputs.verdicts.windows:
            for one in inputs.verdicts.features:
                score.add_metric([name, one.name], one.psi)
    yield from (score, drifted, rows)


def _of(shot: Snapshot, name: str) -> Inputs | None:
    app = shot.state.apps.get(name)
    if app is None or app.config.drift is None:
        return None
    return shot.state.inputs.get(name, Inputs())


def _state(inputs: Inputs) -> str:
    if inputs.verdicts is None:
        return "learning" if inputs.wanted else "waiting"
    if any(one.drifted for one in inputs.verdicts.features):
        return "drifted"
    return "steady" if inputs.verdicts.windows else "collecting"
