"""Months without any change: how many false alarms come, over how many were asked for."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.bench.measure import Figure

from .ours import month

NOISE = {"white": 0.0, "AR(1) 0.9": 0.9}
WORKERS = 2


def nulls(months: int, asked: float, seed: int) -> dict[float, Figure]:
    """By autocorrelation."""
    found = {}
    with ProcessPoolExecutor(WORKERS) as pool:
        for name, rho in NOISE.items():
            seeds = [seed * 100_000 + number for number in range(months)]
            by: Counter[str] = Counter()
            for alarms in pool.map(month, seeds, [rho] * months, [asked] * months):
                by.update(alarms)
            note = ", ".join(f"{what} {number}" for what, number in sorted(by.items())) or "none"
            found[rho] = Figure(
                f"false alarms a month, {name} noise", by.total() / months, 2.0 * asked, "", months,
                note=f"asked: {asked:g} of the whole device, 20 features; {note}",
            )  # fmt: skip
    return found
