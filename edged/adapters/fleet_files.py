"""What a console keeps on its own disk: the counter of a key, and how far a rollout has come."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from ..fleet.commands import next_counter


def state_folder() -> Path:
    """Made when it is not there. Raises ``OSError``."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(base) / "edged"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class CounterFile:
    """The last counter used with a key, in ``KEY.counter`` beside it, or in the state folder if that is read-only.

    Consoles on this machine share the file under a lock. It is not synced: after a power cut the clock is ahead of
    whatever was lost, for the counter is at least the time in microseconds.
    """

    def __init__(self, key: Path) -> None:
        """Raises ``OSError``."""
        self._file = _open(key)

    def next(self) -> int:
        """Raises ``OSError``."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            text = os.pread(self._file, 32, 0).strip()
            counter = next_counter(int(text) if text.isdigit() else 0, time.time())
            os.pwrite(self._file, b"%020d\n" % counter, 0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return counter

    def close(self) -> None:
        os.close(self._file)


def _open(key: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(key.with_name(key.name + ".counter"), flags, 0o600)
    except OSError:
        name = sha256(str(key.resolve()).encode()).hexdigest()[:16]
        return os.open(state_folder() / f"{name}.counter", flags, 0o600)


@contextmanager
def only_one(path: Path) -> Iterator[bool]:
    """Holds ``path.lock``; yields False when somebody else does. Raises ``OSError``."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
