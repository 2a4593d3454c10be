"""One run after another on one state folder: the lock, the clock, and how the run before ended."""

from __future__ import annotations

import errno
import fcntl
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec

from .. import __version__
from ..adapters.clock import ClockRecord
from ..durable import Ending
from ..ports import Clock, PortError, StorageError
from ..vocabulary.facts import ActionFinished, Started
from .blackbox import Left, ended_badly

log = logging.getLogger(__name__)


def previous_end(stored: Mapping[str, bytes], boot_id: str, left: Left) -> str:
    """Why the run before ended; the values are those of ``facts.Started``."""
    data = stored.get("ending")
    if not data:
        return "first"
    try:
        ending = msgspec.json.decode(data, type=Ending)
    except msgspec.MsgspecError:
        ending = Ending(boot_id)
    # What was left speaks of the very last run, which may have ended before it could write an ending of its own.
    if bad := ended_badly(left):
        return bad
    if ending.clean:
        return "clean"
    return "crash" if ending.boot_id == boot_id else "power"


def started(boot: int, clock: Clock, rebooted: bool, before: str) -> Started:
    """The first fact of a run. ``before``: how the run before ended."""
    return Started(
        at=clock.now(), boot=boot, version=__version__, host_rebooted=rebooted, previous_end=before, wall=clock.wall()
    )


def clock_record(stored: Mapping[str, bytes]) -> ClockRecord | None:
    data = stored.get("clock")
    if not data:
        return None
    try:
        return ClockRecord.decode(data)
    except StorageError as error:
        log.warning("%s; the clock begins anew", error)
        return None


def interrupted(intents: Iterable[tuple[str, bytes]], now: float) -> Iterator[ActionFinished]:
    """The ends of what had begun when the run before ended."""
    for action_id, data in intents:
        action = msgspec.json.decode(data)
        yield ActionFinished(
            at=now,
            action_id=action_id,
            action=action.get("type", ""),
            subject=action.get("subject", ""),
            ok=False,
            seconds=0.0,
            error="edged ended while it was under way; what it did is seen by looking",
            result={"code": "interrupted"},
        )


def lock(folder: Path) -> IO[bytes]:
    """Two edged on one state folder would restart everything twice."""
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = _open_lock(folder / "edged.lock")
    except OSError as error:
        raise PortError(
            f"the state folder {folder} cannot be used: {error.strerror or error}. Under systemd a state_dir outside "
            f"of /var/lib/edged needs ReadWritePaths={folder} (systemctl edit edged)"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise PortError(f"another edged runs with the state folder {folder}; stop it, or give state_dir") from error
    return file


def _open_lock(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return path.open("rb")  # a worn-out medium turns read-only, and apps need their watchdog all the same


def socket_path(folder: Path, env: Mapping[str, str]) -> Path:
    """Where the command line finds the daemon: systemd's runtime folder, else the state folder."""
    runtime = env.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return (Path(runtime) if runtime else folder) / "edged.sock"
