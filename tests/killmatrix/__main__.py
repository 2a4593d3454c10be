"""``scripts/kill-matrix``: edged is killed at every point of a deployment that the code names, and goes on."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.measure import Figure, show
from tests.fixtures.engine import Engine

from . import orders
from .lane import SETTINGS
from .matrix import Case, Matrix, Result, cases_of, say

LEAST_POINTS = 40
KINDS = ("model/mount", "model/copy", "config/copy")
MEMORY = Path("/dev/shm")
MODES = {"kill": False, "power": True}
ORDER = "order"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/kill-matrix",
        description="SIGKILL before and after every journal write, fsync, rename and engine call of a deployment, each"
        " of them also with the loss of what was not synced, and at each step of an order from the broker; exit 1 when"
        " one of them was not survived.",
        epilog="example: scripts/kill-matrix kill --kind config/copy --count 50; needs root and dockerd, and starts an"
        " engine of its own",
    )  # fmt: skip
    parser.add_argument("what", nargs="*", help=f"default: all of {', '.join((*MODES, ORDER))}")
    parser.add_argument("--kind", action="append", choices=SETTINGS, help=f"default: {', '.join(KINDS)}")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="kills per kind; 0, the default: all points")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of order and choice (default 1)")
    parser.add_argument("--lanes", type=int, default=8, metavar="N", help="apps and daemons side by side (default 8)")
    parser.add_argument("--logs", metavar="FOLDER", help="keep the logs of what was not survived there")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    args = parser.parse_args()
    if unknown := set(args.what) - {*MODES, ORDER}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join((*MODES, ORDER))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that nothing is left behind
    # In memory, where there is such a place: what a disk forgets is not what its speed depends on.
    root = Path(tempfile.mkdtemp(prefix="edk", dir=MEMORY if MEMORY.is_dir() else None))
    engine = Engine(root / "engine")
    try:
        engine.start()
        engine.prepare()
        figures = run(engine, root, args)
    finally:
        engine.end()
        if args.logs and (root / "logs").exists():
            shutil.copytree(root / "logs", args.logs, dirs_exist_ok=True)
        shutil.rmtree(root, ignore_errors=True)
    return 0 if show(figures, args.json) else 1


def run(engine: Engine, folder: Path, args: argparse.Namespace) -> list[Figure]:
    chance = random.Random(args.seed)
    kinds = args.kind or KINDS
    modes = args.what or [*MODES, ORDER]
    figures = orders.run(engine, folder / ORDER, args.count, args.seed) if ORDER in modes else []
    if modes == [ORDER]:
        return figures
    found = {}
    for name in kinds:
        print(f"looking for the points of {name} …", file=sys.stderr)
        found[name] = Matrix(engine, folder, power=False).points(SETTINGS[name])
        points = {point.rpartition(":")[0] for story in found[name].values() for point in story}
        figures.append(Figure(f"{name}: points", len(points), LEAST_POINTS, "", 1, at_least=True))
    for mode in (mode for mode in modes if mode in MODES):
        cases: list[Case] = []
        for name in kinds:
            every = cases_of(name, found[name], chance)
            cases += every[: args.count] if args.count else every
        print(f"{mode}: {len(cases)} …", file=sys.stderr)
        results = Matrix(engine, folder, MODES[mode]).run(cases, args.lanes, Progress(len(cases)).tell)
        figures += [_figure(mode, name, [r for r in results if r.case.setting == name]) for name in kinds]
    return figures


class Progress:
    def __init__(self, count: int) -> None:
        self._count, self._done, self._begun = count, 0, time.monotonic()

    def tell(self, result: Result) -> None:
        say(result)
        self._done += 1
        if self._done % 25 == 0:
            print(f"{self._done} of {self._count}, {time.monotonic() - self._begun:.0f} s", file=sys.stderr, flush=True)


def _figure(mode: str, name: str, results: list[Result]) -> Figure:
    well = sum(not result.wrong for result in results)
    ends = Counter(result.end or "not begun" for result in results if not result.wrong and result.case.story != "bad")
    told = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    taken_back = sum(not result.wrong for result in results if result.case.story == "bad")
    what = {"kill": "SIGKILL", "power": "power cut"}[mode]
    return Figure(
        f"{name}: survived, {what}", 100.0 * well / max(1, len(results)), 100.0, "%", len(results), None,
        f"good ones: {told}; bad ones: {taken_back} rolled_back", at_least=True,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
