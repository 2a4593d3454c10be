"""Files that are either whole or not there: temp, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, data: bytes, mode: int = 0o640, *, sync: bool = True) -> None:
    """Replaces ``path``. After a power cut there is the old file or the new one. Raises ``OSError``.

    Without ``sync`` that holds after a crash of the process only, until ``sync_file`` was called.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if sync:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Makes a file that was written without ``sync`` safe against a power cut. Raises ``OSError``."""
    _sync(path, 0)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes a created or renamed file of the folder survive a power cut. Raises ``OSError``."""
    _sync(folder, os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
