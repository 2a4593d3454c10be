"""``scripts/evaluate-drift``: false alarms, detection and delay of every detector, ours and others."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Figure, show

from . import series
from .compare import KINDS, Line, compared
from .nulls import nulls


def figures(months: int, trials: int, asked: float, seed: int) -> tuple[list[Figure], list[Line]]:
    found = nulls(months, asked, seed)
    lines = compared(months, trials, asked, seed, {rho: figure.value for rho, figure in found.items()})
    ours, river = lines[0], [line for line in lines if line.river]
    mean = ours.shifts["mean"]
    best = min(river, key=lambda line: line.overall)
    return [
        *found.values(),
        Figure("1 σ in 1 of 20 features: found", 100.0 * mean.found, 95.0, "%", trials, at_least=True),
        Figure("1 σ in 1 of 20 features: median delay", mean.median, 150.0, "rows", trials, note="batches of 30 rows"),
        Figure("overall delay over that of river's fastest", ours.overall / best.overall, 1.0, "x", trials,
               note=f"{ours.overall:.0f} rows, {best.name} {best.overall:.0f} rows"),
    ], lines  # fmt: skip


def print_lines(lines: Sequence[Line]) -> None:
    print("\nfound (%) and median delay (rows) by what changes; false alarms a month of a device, white · AR(1) 0.9")
    print(f"{'detector':<20} {'false alarms':>15} " + " ".join(f"{name:>12}" for name in KINDS) + f" {'overall':>8}")
    for line in lines:
        alarms = f"{line.false[0]:.2f} · {line.false[1]:.2f}"
        cells = " ".join(f"{100 * s.found:>5.0f} {s.median:>6.0f}" for s in line.shifts.values())
        print(f"{line.name:<20} {alarms:>15} {cells} {line.overall:>8.0f}")


def print_series(results: Sequence[series.Result]) -> None:
    print("\nlabelled series (reference: the first 15 %)")
    for one in results:
        print(f"{one.name:<44} {one.found} of {one.labelled} found, {one.false} false in {one.months:.1f} months")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/evaluate-drift",
        description="False alarms, detection rate and delay of every drift detector; exit 1 when a bar is missed.",
        epilog="example: scripts/evaluate-drift --count 24 --trials 60 nab/*.csv. A simulated month is 259,200 rows, "
        "one every 10 s. river's detectors are calibrated to the asked rate; overall is the mean delay, what is not "
        "found counting as 6000 rows.",
    )
    parser.add_argument(
        "series", nargs="*", type=Path, help="timestamp,value files; windows.json beside them has labels"
    )
    parser.add_argument("--count", type=int, default=24, metavar="N", help="simulated months (default 24)")
    parser.add_argument("--trials", type=int, default=60, metavar="N", help="of each change (default 60)")
    parser.add_argument("--asked", type=float, default=1.0, metavar="N", help="false alarms a month (default 1)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed, the same rows (default 1)")
    parser.add_argument("--json", action="store_true", help="the tables as JSON")
    args = parser.parse_args()
    if args.count < 1 or args.trials < 1 or args.asked <= 0.0:
        parser.error("--count and --trials are at least 1, --asked is above 0")
    if gone := [str(path) for path in args.series if not path.is_file()]:
        parser.error(f"no such file: {', '.join(gone)}")
    bars, lines = figures(args.count, args.trials, args.asked, args.seed)
    results = [series.run(path, args.asked) for path in args.series]
    if args.json:
        print(json.dumps({
            "figures": [{name: getattr(f, name) for name in f.__struct_fields__} | {"met": f.met} for f in bars],
            "detectors": [line.as_dict() for line in lines],
            "series": [{name: getattr(r, name) for name in r.__struct_fields__} for r in results],
            "met": all(f.met for f in bars),
        }, indent=2))  # fmt: skip
        return 0 if all(f.met for f in bars) else 1
    met = show(bars, False)
    print_lines(lines)
    if results:
        print_series(results)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
