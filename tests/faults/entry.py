"""The daemon with its longest waits shortened and a wall clock that can be set: ``python -m tests.faults.entry run …``.

Only what no key of the configuration says: how long an OOM kill stays on the board, and for how long one app waits for
another, or for somebody who may be stopping it. The file ``FAULT_CLOCK`` says by how many seconds the wall clock is
ahead; edged's own clock, which is monotonic, goes on as it is.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

OOM_SHOWN = 4.0
PATIENCE = 4.0
_real = time.time
_offset = Path(os.environ["FAULT_CLOCK"])


def wall() -> float:
    return _real() + float(_offset.read_text())


def main() -> int:
    time.time = wall  # before edged binds it as a default
    from edged.cli import run
    from edged.judge import ailment, app_alerts, host, needs

    app_alerts.OOM_SHOWN = host.OOM_SHOWN = OOM_SHOWN
    needs.PATIENCE, needs.LONGEST = PATIENCE, 4 * PATIENCE
    ailment.STOPPING = PATIENCE
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
