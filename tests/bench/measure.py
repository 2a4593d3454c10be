"""What a measurement is, and how the table is printed."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One line of the table."""

    name: str
    value: float
    bar: float
    unit: str
    samples: int
    floor: float | None = None
    """What the same thing costs without edged, measured in the same run."""
    note: str = ""
    at_least: bool = False
    """The figure is to be the bar or more, instead of the bar or less."""

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def seconds_of(command: Sequence[str], count: int) -> float:
    """Median wall time of a command, seconds. It must succeed."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return median(times)


def pss_mb(pid: int) -> float:
    """Proportional set size of a process, MB of 10⁶ bytes."""
    with Path(f"/proc/{pid}/smaps_rollup").open() as rollup:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in rollup if line.startswith("Pss:"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(condition: Callable[[], Any], within: float, what: str | Callable[[], str]) -> Any:
    """Waits, looking 200 times a second. Raises ``TimeoutError``; ``what`` is asked then, when it can be called."""
    deadline = time.monotonic() + within
    while not (got := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.005)
    return got


def show(figures: Sequence[Figure], as_json: bool) -> bool:
    """Prints the table; ``False`` when a bar was missed."""
    if as_json:
        rows = [{name: getattr(f, name) for name in f.__struct_fields__} | {"met": f.met} for f in figures]
        print(json.dumps({"figures": rows, "met": all(f.met for f in figures)}, indent=2))
    else:
        print(f"{'what':<58} {'figure':>10} {'bar':>8} {'floor':>9}  n   ")
        for f in figures:
            floor = f"{f.floor:.3f}" if f.floor is not None else "-"
            verdict = "ok" if f.met else "MISSED"
            print(
                f"{f.name:<58} {f.value:>7.3f} {f.unit:<2} {f.bar:>8.3f} {floor:>9}  {f.samples:<3} {verdict}  {f.note}"
            )
    return all(f.met for f in figures)
