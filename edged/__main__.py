"""Entry point: argv in, exit code out. The only ``sys.exit``."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line."""
    from .cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
