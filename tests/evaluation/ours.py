"""edged's own detectors over generated rows."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from edged.judge.drift.settings import Settings
from edged.judge.drift.step import step
from edged.vocabulary.drift import Batch
from edged.vocabulary.drift_state import DriftState

from .streams import MONTH_ROWS, SECONDS_A_ROW, Device, Kind, noise, shifted

EVERY = 30
"""Rows of a batch: read every 5 minutes."""


class Watched:
    """Feeds batches and notes what begins: drift or a problem, per feature."""

    def __init__(self, device: Device, settings: Settings) -> None:
        self.device, self.settings = device, settings
        self.state = DriftState()
        self.rows = 0
        self.known: set[tuple[str, str]] = set()

    def add(self, batch: Batch) -> list[tuple[str, str]]:
        """(feature, what) for everything that was not so after the batch before."""
        self.rows += batch.rows
        now = self.rows * SECONDS_A_ROW
        self.state, verdicts = step(self.state, self.device.reference, batch, self.settings, now)
        seen = {("rows", problem) for problem in verdicts.problems}
        for one in verdicts.features:
            if one.drifted:
                seen.add((one.name, "windows" if "distribution" in one.why else "charts"))
            seen |= {(one.name, problem) for problem in one.problems}
        new = seen - self.known
        self.known = seen
        return sorted(new)


def month(seed: int, rho: float, asked: float, rows: int = MONTH_ROWS) -> dict[str, int]:
    """False alarms of one device in one month without any change, by what raised them."""
    device = Device(np.random.default_rng(seed), rho)
    watched = Watched(device, Settings(false_alarms_per_month=asked))
    alarms: dict[str, int] = {}
    for _ in range(rows // 1000):
        values = noise(device.rng, 1000, rho)
        for _, what in watched.add(device.batch(values, device.gaps(1000))):
            alarms[what] = alarms.get(what, 0) + 1
    return alarms


def delay(seed: int, kind: Kind, rho: float, asked: float, use: str = "all", horizon: int = 6000) -> float | None:
    """Rows from the change to the end of the batch that told it; ``inf``: not told; ``None``: an alarm before it."""
    rng = np.random.default_rng(seed)
    device = Device(rng, rho)
    settings = Settings(false_alarms_per_month=asked, least=1e9 if use == "charts" else 0.1)
    watched = Watched(device, settings)
    before = 4000 + int(rng.integers(0, 1000 // EVERY)) * EVERY
    values, gaps, at = shifted(device, kind, before, horizon)
    # Without a change, batches may be as long as windows are: the same rows, fewer calls.
    ends = [*range(1000, before, 1000), *range(before, before + horizon + 1, EVERY)]
    begin = 0
    for end in ends:
        batch = device.batch(values[begin:end], gaps[begin:end])
        begin = end
        if use == "windows":
            batch = replace(batch, features={name: replace(one, runs=()) for name, one in batch.features.items()})
        found = [name for name, _ in watched.add(batch) if name == f"x{at}"]
        if found:
            return float(end - before) if end > before else None
    return float("inf")
