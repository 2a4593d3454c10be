"""What watching inputs costs: time a value, memory a feature, memory of the whole daemon."""

from __future__ import annotations

import gc
import json
import random
import time
import tracemalloc
from pathlib import Path
from typing import Any

from edged.config import Columns
from edged.inputs.counting import Counts
from edged.inputs.learning import Learner
from edged.inputs.rows import table
from edged.judge.drift.changes import look_at
from edged.judge.drift.settings import Settings
from edged.judge.drift.step import step
from edged.judge.inputs import slim
from edged.vocabulary.drift import Batch
from edged.vocabulary.drift_packed import Packed
from edged.vocabulary.drift_state import DriftState
from tests.fixtures.broker import Mosquitto
from tests.fixtures.edged import Edged
from tests.fixtures.engine import Engine

from .measure import Figure, median, pss_mb, until

FEATURES, ROWS, BATCH = 20, 20_000, 200
LABELS = 5


def drift(engine: Engine, folder: Path, seed: int) -> list[Figure]:
    return [*values(seed), *memory(engine, folder, seed)]


def lines_of(rng: random.Random, count: int, labels: int = 0) -> list[bytes]:
    """Rows of numbers, or of one of so many ``labels``."""
    names = [f"sensor_{number}" for number in range(FEATURES)]
    words = [f"state {number}" for number in range(labels)]
    return [
        json.dumps({name: rng.choice(words) if words else rng.gauss(20.0, 1.0) for name in names}).encode()
        for _ in range(count)
    ]


def values(seed: int) -> list[Figure]:
    """Microseconds of CPU a value, by what is done with it, and bytes that a feature keeps."""
    rng = random.Random(seed)
    lines = lines_of(rng, ROWS)
    learner = Learner(2000)
    while not learner.full:
        learner.add(table(lines[learner.rows : learner.rows + BATCH], b"", Columns()), csv=False)
    reference = learner.reference(learned=True)
    settings = Settings(window=1000)
    parsing, counting, judging = [], [], []
    counts, state = Counts(reference), DriftState()
    for begin in range(0, ROWS, BATCH):
        at = time.thread_time()
        seen = table(lines[begin : begin + BATCH], b"", Columns())
        parsed = time.thread_time()
        features, _ = counts.add(seen)
        counted = time.thread_time()
        state, _ = step(state, reference, Batch(rows=seen.rows, seconds=BATCH, features=features), settings, 0.0)
        judged = time.thread_time()
        parsing.append(parsed - at)
        counting.append(counted - parsed)
        judging.append(judged - counted)
    cells = BATCH * FEATURES / 1e6
    note = f"batches of {BATCH} rows, {FEATURES} features"
    every = [sum(times) for times in zip(parsing, counting, judging, strict=True)]
    return [
        Figure("drift: counting a value", median(counting) / cells, 2.0, "us", len(counting), None, note),
        Figure("drift: counting and judging a value", median(
            [a + b for a, b in zip(counting, judging, strict=True)]) / cells, 2.0, "us", len(judging), None, note),
        Figure("drift: the same with its JSON read", median(every) / cells, 4.0, "us", len(every),
               median(parsing) / cells, "floor: JSON alone"),
        Figure("drift: memory of a feature", kept(lines) / 1024, 4.0, "KB", FEATURES, None, "reference, carry, state"),
        Figure(f"drift: memory of a feature of {LABELS} labels", kept(lines_of(rng, 12_000, LABELS)) / 1024, 4.0, "KB",
               FEATURES, None, f"of 64, the most there may be: {kept(lines_of(rng, 12_000, 64)) / 1024:.1f} KB"),
    ]  # fmt: skip


def kept(lines: list[bytes]) -> float:
    """Bytes that stay allocated for a feature, after windows enough for everything to be there."""
    _watched(lines[2000:], 1)  # what is imported and remembered once for all apps is no feature's
    look_at.cache_clear()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held = _watched(lines, 53)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / len(held[0].parts)
    finally:
        tracemalloc.stop()


def _watched(lines: list[bytes], batches: int) -> tuple[Any, ...]:
    """All that the daemon holds of an app's features."""
    learner = Learner(2000)
    learner.add(table(lines[:2000], b"", Columns()), csv=False)
    reference = learner.reference(learned=True)
    counts, state, verdicts = Counts(reference), DriftState(), None
    for begin in range(0, batches * BATCH, BATCH):
        features, _ = counts.add(table(lines[begin : begin + BATCH], b"", Columns()))
        batch = Batch(rows=BATCH, seconds=BATCH, features=features)
        state, verdicts = step(state, reference, batch, Settings(window=1000), 0.0)
        verdicts = slim(verdicts)
    return Packed.of(reference), counts, state, verdicts


def memory(engine: Engine, folder: Path, seed: int) -> list[Figure]:
    """PSS of the daemon with inputs watched, a broker connected and windows behind it."""
    rng = random.Random(seed)
    broker = Mosquitto(folder / "broker")
    broker.start()
    path = folder / "rows.ndjson"
    path.write_bytes(b"\n".join(lines_of(rng, 3000)) + b"\n")
    engine.run("box")
    rules = {"source": {"file": str(path)}, "window": 200, "every": "1s"}
    daemon = Edged(folder, engine.url, {"apps": {"box": {"drift": rules}}, "mqtt": {"url": broker.url}}).start()
    try:
        assert daemon.process is not None
        daemon.wait_event("drift.reference", 30.0)
        for _ in range(5):
            with path.open("ab") as file:
                file.write(b"\n".join(lines_of(rng, 2000)) + b"\n")
            time.sleep(2.0)
        until(
            lambda: (daemon.app("box")["drift"] or {}).get("state") in ("steady", "drifted"), 30.0, "windows are full"
        )
        pss = pss_mb(daemon.process.pid)
    finally:
        daemon.end()
        broker.stop()
        engine.rm("box")
    return [Figure("PSS with drift on, broker connected", pss, 60.0, "MB", 1, None, f"{FEATURES} features")]
