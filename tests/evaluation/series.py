"""Labelled series in the form of the Numenta Anomaly Benchmark: ``timestamp,value`` files, and ``windows.json`` beside
them with the spans that people called anomalous."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import numpy as np
from msgspec import Struct

from edged.inputs.counting import Counts
from edged.inputs.learning import Learner
from edged.inputs.rows import Table
from edged.judge.drift.settings import Settings
from edged.judge.drift.step import step
from edged.vocabulary.drift import Batch
from edged.vocabulary.drift_state import DriftState

PROBATION = 0.15
"""Of a series is its reference."""
DAY = 86400.0


class Result(Struct, frozen=True):
    name: str
    labelled: int
    """Spans; those that begin within the reference are part of what is usual."""
    found: int
    false: int
    """Beginnings of drift or of a problem outside of every labelled span."""
    months: float


def read(path: Path) -> tuple[list[float], list[float]]:
    """Seconds, and values."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [datetime.fromisoformat(row["timestamp"]).timestamp() for row in rows], [float(row["value"]) for row in rows]


def spans(path: Path) -> list[tuple[float, float]]:
    """Of a series, by the name of its file. A series that is not in the list has none."""
    table = path.with_name("windows.json")
    listed = json.loads(table.read_text()) if table.exists() else {}
    return [
        (datetime.fromisoformat(first).timestamp(), datetime.fromisoformat(last).timestamp())
        for first, last in listed.get(path.name, ())
    ]


def run(path: Path, asked: float) -> Result:
    """The whole way that rows go in the daemon, from values to verdicts; a window is a day."""
    at, values = read(path)
    gap = float(np.median(np.diff(at)))
    window, learn = max(100, round(DAY / gap)), round(PROBATION * len(values))
    learner = Learner(learn)
    learner.add(Table(rows=learn, columns={"value": values[:learn]}, refused={}), csv=False)
    reference = learner.reference(learned=True)
    counts, state = Counts(reference), DriftState()
    settings = Settings(window=window, false_alarms_per_month=asked)
    labelled = [span for span in spans(path) if span[0] > at[learn - 1]]
    found: set[int] = set()
    false, known = 0, set[str]()
    for begin in range(learn, len(values), 10):
        part = values[begin : begin + 10]
        features, _ = counts.add(Table(rows=len(part), columns={"value": part}, refused={}))
        now = at[begin + len(part) - 1]
        batch = Batch(rows=len(part), seconds=gap * len(part), features=features)
        state, verdicts = step(state, reference, batch, settings, now)
        seen = {what for one in verdicts.features for what in (*one.problems, *(("drift",) if one.drifted else ()))}
        inside = {number for number, (first, last) in enumerate(labelled) if first <= now <= last}
        if seen - known:
            found |= inside
            false += not inside
        known = seen
    return Result(path.name, len(labelled), len(found), false, (at[-1] - at[learn]) / (30.0 * DAY))
