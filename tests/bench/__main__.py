"""``scripts/bench``: every bar, measured on this machine, as ratios against a floor in the same run."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fixtures.engine import Engine

from . import (
    bundles,
    cost,
    deploy,
    device,
    drift,
    endurance,
    fleet,
    footprint,
    history,
    kills,
    orders,
    outbox,
    recovery,
    review,
    spool,
)
from .measure import Figure, show

Bench = Callable[[Engine, Path, argparse.Namespace], list[Figure]]

BENCHES: dict[str, Bench] = {
    "verbs": lambda e, f, a: footprint.verbs(e, f, a.count),
    "memory": lambda e, f, a: footprint.memory(e, f, 20, 30.0),
    "everything": lambda e, f, a: footprint.everything(e, f, 20, 60.0),
    "kill": lambda e, f, a: [recovery.kill(e, f, a.count)],
    "unhealthy": lambda e, f, a: [recovery.unhealthy(e, f, max(3, a.count // 4))],
    "probe": lambda e, f, a: [recovery.probe(e, f, max(3, a.count // 4), random.Random(a.seed))],
    "cpu": lambda e, f, a: cost.cpu(e, f, a.seconds, 200),
    "wear": lambda e, f, a: cost.wear(e, f, a.seconds),
    "outbox": lambda e, f, a: outbox.outage(e, f, 10_000, 2, random.Random(a.seed)),
    "kills": lambda e, f, a: kills.kills(e, f, a.count, random.Random(a.seed)),
    "soak": lambda e, f, a: endurance.soak(e, f, a.minutes, random.Random(a.seed)),
    "reloads": lambda e, f, a: endurance.reloads(e, f, max(100, a.count)),
    "hang": lambda e, f, a: device.hang(e, max(1, a.count // 10)),
    "security": lambda e, f, a: device.security(e),
    "spool": lambda e, f, a: spool.full(e, f, max(3, a.count // 4)),
    "bundles": lambda e, f, a: [bundles.fetch(f, max(3, a.count // 4))],
    "swap": lambda e, f, a: [deploy.restarting(e, f, max(10, a.count))],
    "signal": lambda e, f, a: [deploy.signalled(e, f, max(5, a.count // 2))],
    "rollback": lambda e, f, a: [deploy.bad(e, f, max(10, a.count))],
    "deployments": lambda e, f, a: [deploy.memory(e, f, 50)],
    "orders": lambda e, f, a: orders.latency(e, f, max(100, a.count)),
    "rate": lambda e, f, a: orders.rate(e, f, 10_000),
    "flood": lambda e, f, a: orders.flood(e, f, max(5, a.count // 2)),
    "replays": lambda e, f, a: orders.flood(e, f, max(5, a.count // 2), "copies"),
    "fleet": lambda e, f, a: fleet.console(f, 2000, random.Random(a.seed)),
    "drift": lambda e, f, a: drift.drift(e, f, a.seed),
    "report": lambda e, f, a: review.report(e, f, max(3, a.count // 4), random.Random(a.seed)),
    "history": lambda e, f, a: history.history(f, a.seed),
    "engine": lambda e, f, a: [recovery.engine_outage(e, f, 30.0)],
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Prints figure and bar of each measurement; exit 1 when a bar is missed.",
        epilog="needs root and dockerd (scripts/test installs it); starts an engine and a broker of its own",
    )  # fmt: skip
    parser.add_argument("what", nargs="*", help=f"default: all of {', '.join(BENCHES)}")
    parser.add_argument("--count", type=int, default=20, metavar="N", help="repetitions (default 20)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="of watching for costs (default 60)")
    parser.add_argument("--minutes", type=float, default=45.0, metavar="N", help="of the soak (default 45)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of random moments (default 1)")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    args = parser.parse_args()
    unknown = set(args.what) - BENCHES.keys()
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(BENCHES)}")
    figures: list[Figure] = []
    root = Path(tempfile.mkdtemp(prefix="edb"))
    engine = Engine(root / "engine")
    try:
        engine.start()
        engine.prepare()
        for name in args.what or BENCHES:
            folder = root / f"bench-{name}"
            folder.mkdir()
            print(f"measuring {name} …", file=sys.stderr)
            figures += BENCHES[name](engine, folder, args)
            engine.mend()
    finally:
        engine.end()
        shutil.rmtree(root, ignore_errors=True)
    return 0 if show(figures, args.json) else 1


if __name__ == "__main__":
    sys.exit(main())
