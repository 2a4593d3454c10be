"""The same changes for every detector, at the same rate of false alarms where that can be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import inf
from statistics import fmean, median
from typing import Any

from msgspec import Struct

from . import others, ours
from .nulls import WORKERS
from .streams import MONTH_ROWS, Kind

HORIZON = 6000
KINDS: dict[str, tuple[Kind, float]] = {
    "mean": ("mean", 0.0),
    "variance": ("variance", 0.0),
    "category": ("category", 0.0),
    "missing": ("missing", 0.0),
    "ramp": ("ramp", 0.0),
    "mean, AR 0.9": ("mean", 0.9),
}
CALIBRATION_ROWS = 3_000_000


class Shift(Struct, frozen=True):
    found: float
    """Share of the changes, those left out that came after a false alarm."""
    median: float
    """Rows; infinite: fewer than half were found."""
    mean: float
    """Rows, what was not found counting as the horizon."""


class Line(Struct, frozen=True):
    name: str
    river: bool
    false: tuple[float, float]
    """A month, of white noise and of AR(1) 0.9."""
    shifts: dict[str, Shift]

    @property
    def overall(self) -> float:
        return fmean(shift.mean for shift in self.shifts.values())

    def as_dict(self) -> dict[str, Any]:
        shifts = {
            name: {"found": s.found, "median": s.median if s.median < inf else None} for name, s in self.shifts.items()
        }
        return {"name": self.name, "false_alarms": self.false, "shifts": shifts, "overall": self.overall}


Delay = Callable[[int, Kind, float], float | None]


def shift_of(delays: list[float | None]) -> Shift:
    known = [delay for delay in delays if delay is not None]
    if not known:
        return Shift(0.0, inf, float(HORIZON))
    return Shift(
        sum(delay < inf for delay in known) / len(known),
        median(known),
        fmean(min(delay, float(HORIZON)) for delay in known),
    )


def _ours(seed: int, kind: Kind, rho: float, asked: float, use: str) -> float | None:
    return ours.delay(seed, kind, rho, asked, use, HORIZON)


def _river(seed: int, kind: Kind, rho: float, name: str, strictness: Mapping[float, float]) -> float | None:
    return others.delay(seed, name, strictness[rho], kind, rho, HORIZON)


def compared(months: int, trials: int, asked: float, seed: int, false: Mapping[float, float]) -> list[Line]:
    """Ours first. ``false``: our own false alarms a month, by autocorrelation."""
    seeds = [seed * 100_000 + 50_000 + number for number in range(trials)]
    noises = (0.0, 0.9)
    with ProcessPoolExecutor(WORKERS) as pool:

        def line(name: str, river: bool, alarms: tuple[float, float], delay: Delay) -> Line:
            found = {
                what: shift_of(list(pool.map(partial(delay, kind=kind, rho=rho), seeds)))
                for what, (kind, rho) in KINDS.items()
            }
            return Line(name, river, alarms, found)

        mine = (false[0.0], false[0.9])
        lines = [
            line("edged", False, mine, partial(_ours, asked=asked, use="all")),
            line("edged: charts only", False, mine, partial(_ours, asked=asked, use="charts")),
            line("edged: windows only", False, mine, partial(_ours, asked=asked, use="windows")),
        ]
        checked = max(1, months // 12)
        rows = min(CALIBRATION_ROWS, months * MONTH_ROWS)
        jobs = {
            (name, rho): pool.submit(others.calibrated, name, rho, asked, rows, seed)
            for name in others.RIVER
            for rho in noises
        }
        strict = {key: job.result() for key, job in jobs.items()}
        nulls = {
            key: pool.submit(others.null_rate, key[0], strictness, key[1], checked, seed + 2)
            for key, strictness in strict.items()
        }
        for name in others.RIVER:
            setting = {rho: strict[name, rho] for rho in noises}
            alarms = (nulls[name, 0.0].result(), nulls[name, 0.9].result())
            lines.append(line(name, True, alarms, partial(_river, name=name, strictness=setting)))
        fixed = [fmean(pool.map(others.psi_alarms, seeds[:checked], [rho] * checked)) for rho in noises]
        always = 20.0 * (MONTH_ROWS // others.WINDOW)
        for name, rates in {"PSI > 0.2": (fixed[0], fixed[1]), "always": (always, always), "never": (0.0, 0.0)}.items():
            lines.append(line(name, False, rates, others.SIMPLE[name]))
    return lines
