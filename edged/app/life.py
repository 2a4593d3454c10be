"""One run after another on one state folder: the lock, the clock, and how the run before ended."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from ..adapters.clock import ClockRecord
from ..durable import Ending
from ..ports import PortError, StorageError

log = logging.getLogger(__name__)


def previous_end(stored: Mapping[str, bytes], boot_id: str) -> str:
    """Why the run before ended: ``first``, ``clean``, ``watchdog``, ``crash`` or ``power``."""
    data = stored.get("ending")
    if not data:
        return "first"
    try:
        ending = msgspec.json.decode(data, type=Ending)
    except msgspec.MsgspecError:
        return "crash"
    if ending.clean:
        return "clean"
    if ending.boot_id != boot_id:
        return "power"
    return f"watchdog: {ending.note}" if ending.note else "crash"


def clock_record(stored: Mapping[str, bytes]) -> ClockRecord | None:
    data = stored.get("clock")
    if not data:
        return None
    try:
        return ClockRecord.decode(data)
    except StorageError as error:
        log.warning("%s; the clock begins anew", error)
        return None


def lock(folder: Path) -> IO[bytes]:
    """Two edged on one state folder would restart everything twice."""
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = (folder / "edged.lock").open("wb")
    except OSError as error:
        raise PortError(f"the state folder {folder} cannot be used: {error.strerror or error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise PortError(f"another edged runs with the state folder {folder}; stop it, or give state_dir") from error
    return file


def socket_path(folder: Path, env: Mapping[str, str]) -> Path:
    """Where the command line finds the daemon: systemd's runtime folder, else the state folder."""
    runtime = env.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return (Path(runtime) if runtime else folder) / "edged.sock"
