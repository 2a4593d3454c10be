"""``scripts/fault-schedules``: random faults in any overlap, and the invariants that must hold all the same."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.measure import Figure, show
from tests.fixtures.broker import Mosquitto
from tests.fixtures.engine import Engine

from .conduct import Result, conduct
from .crew import Crew
from .oracle import INVARIANTS
from .plan import APP_FAULTS, SITE_FAULTS, rounds

MEMORY = Path("/dev/shm")
APPS = 25
LEAST = 60.0
"""Percent of the faults that must have hit something: what is away cannot fail."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/fault-schedules",
        description="Random faults against a real daemon on an engine and a broker of its own: one schedule for each"
        f" app ({', '.join(APP_FAULTS)}), many apps at once, and meanwhile, for all of them,"
        f" {', '.join(SITE_FAULTS)} (edged: SIGKILL). Then all must be well; exit 1 when an invariant was broken.",
        epilog="example: scripts/fault-schedules --count 50 --seed 7; needs root and dockerd",
    )
    parser.add_argument("--count", type=int, default=500, metavar="N", help="schedules (default 500)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what happens when (default 1)")
    parser.add_argument("--apps", type=int, default=APPS, metavar="N", help=f"apps side by side (default {APPS})")
    parser.add_argument("--only", type=int, metavar="N", help="this round of them alone")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="begin with this round (default 0)")
    parser.add_argument("--logs", metavar="FOLDER", help="keep the logs of rounds in which something was broken there")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that nothing is left behind
    root = Path(tempfile.mkdtemp(prefix="edf", dir=MEMORY if MEMORY.is_dir() else None))
    engine, broker = Engine(root / "engine"), Mosquitto(root / "broker")
    try:
        engine.start()
        engine.prepare()
        broker.start()
        results = run(engine, broker, root, args)
    finally:
        broker.kill()
        engine.end()
        shutil.rmtree(root, ignore_errors=True)
    return 0 if show(figures(results), args.json) else 1


def run(engine: Engine, broker: Mosquitto, root: Path, args: argparse.Namespace) -> list[Result]:
    plans = rounds(args.count, args.apps, args.seed)
    plans = [plan for plan in plans if plan.number >= args.first and args.only in (None, plan.number)]
    crew = Crew(engine, root, min(args.apps, args.count))
    results, begun = [], time.monotonic()
    for plan in plans:
        folder = root / f"round-{plan.number}"
        results.append(conduct(engine, broker, crew, folder, plan))
        _say(results[-1], plans[-1].number + 1, time.monotonic() - begun)
        if args.logs and results[-1].broken:
            kept = Path(args.logs, folder.name)
            kept.mkdir(parents=True, exist_ok=True)
            for name in ("edged.log", "events"):
                if (folder / name).exists():
                    shutil.copy(folder / name, kept)
            (kept / "broken").write_text("\n".join(f"{one.invariant}: {one.what}" for one in results[-1].broken))
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _say(result: Result, count: int, seconds: float) -> None:
    plan = result.round
    spells = ", ".join(spell.what for spell in plan.spells)
    print(
        f"round {plan.number + 1} of {count}: {sum(result.done.values())} faults ({spells}), {result.events} events, "
        f"{result.seconds:.0f} s; {seconds:.0f} s in all",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    for one in result.broken:
        print(f"    BROKEN {one.invariant}: {one.what}", file=sys.stderr, flush=True)


def figures(results: list[Result]) -> list[Figure]:
    """One line for each invariant, with the faults that were done."""
    done: Counter[str] = Counter()
    for result in results:
        done.update(result.done)
    schedules = sum(len({shot.app for shot in result.round.shots}) for result in results)
    faults = ", ".join(f"{count} {what}" for what, count in done.most_common())
    ends: Counter[str] = sum((result.ends for result in results), Counter())
    faults += "; " + ", ".join(f"{count} {what}" for what, count in sorted(ends.items()))
    missed = sum(result.missed for result in results)
    if repaired := sum(result.repaired for result in results):
        faults += f"; {repaired} containers that the engine had lost were made anew"
    table = [Figure("schedules carried out", schedules, schedules, "", schedules, None, faults, at_least=True)]
    wanted = sum(done.values()) + missed
    share = 100.0 * sum(done.values()) / max(1, wanted)
    table.append(
        Figure("faults that hit", share, LEAST, "%", wanted, None, "the rest found its app or engine away", True)
    )
    for invariant in INVARIANTS:
        broken = sum(one.invariant == invariant for result in results for one in result.broken)
        table.append(Figure(f"broken: {invariant}", broken, 0, "", schedules))
    return table


if __name__ == "__main__":
    sys.exit(main())
