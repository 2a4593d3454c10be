"""Short-lived programs of this host, each within a time-out, none left behind if that can be had."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

KILLED_WITHIN = 0.5
"""Seconds that a killed program gets to be gone."""


class TimedOut(Exception):
    """It did not end in time and was killed with all that it had started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.args)
        self.process = process
        """Not ended when the kernel itself does not let it go (a dead mount or disk)."""


def run(command: Sequence[str], timeout: float) -> tuple[int, str, str]:
    """Runs it with English messages and returns (exit code, stdout, stderr). Raises ``TimedOut`` or ``OSError``."""
    import subprocess  # 1 MB that a device may never need

    process = subprocess.Popen(
        command,
        env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILLED_WITHIN)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        raise TimedOut(process) from None
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
