"""``scripts/fuzz TARGET``: hostile input by the hundred thousand, and proof that nothing came of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.bench.measure import Figure, show

from . import bundle, command, metrics, rows

TARGETS: dict[str, Callable[[int, int], list[Figure]]] = {
    "bundle": bundle.run,
    "command": command.run,
    "inputs": rows.run,
    "metrics": metrics.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Feeds hostile input to one part of edged; exit 1 when a bar is missed.",
        epilog="example: scripts/fuzz bundle --count 100000 --seed 7",
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--count", type=int, default=100_000, metavar="N", help="inputs to try (default 100000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed, the same inputs (default 1)")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    args = parser.parse_args()
    return 0 if show(TARGETS[args.target](args.count, args.seed), args.json) else 1


if __name__ == "__main__":
    sys.exit(main())
