"""Rotated logs that nobody reads any more: what an operator's patterns name, and nothing else."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from ..ports import StorageError

MOST = 10_000


def remove(patterns: Sequence[str], min_age: float) -> int:
    """Plain files alone; links and folders stay. Returns bytes. Raises ``StorageError``."""
    freed, refused = 0, ""
    for pattern in patterns:
        for path in islice(Path("/").glob(pattern.lstrip("/")), MOST):
            try:
                found = path.lstat()
                if not stat.S_ISREG(found.st_mode) or time.time() - found.st_mtime < min_age:
                    continue
                path.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                refused = refused or f"{path}: {error.strerror}"
                continue
            # A file with another name elsewhere frees nothing.
            freed += found.st_blocks * 512 if found.st_nlink == 1 else 0
    if refused and not freed:
        writable = " (under systemd: ReadWritePaths= in a drop-in)" if os.geteuid() else ""
        raise StorageError(f"rotated logs cannot be removed{writable}: {refused}")
    return freed
