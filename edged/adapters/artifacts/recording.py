"""What an app has recorded of its real inputs: a bounded copy of the end of its file, for a check to read."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .slots import TRASH

MOST_BYTES, MOST_LINES = 2**20, 1000


@contextmanager
def recorded(source: str, staging: Path) -> Iterator[tuple[Path | None, str]]:
    """A copy of the last whole lines of ``source`` in a folder of its own, and why there is none. Raises nothing.

    The folder goes with the block; what an end of edged leaves of it is taken for trash.
    """
    if not source:
        yield None, ""
        return
    try:
        own = Path(tempfile.mkdtemp(prefix=f"{TRASH}recorded-", dir=staging))
    except OSError as error:
        yield None, f"there is no room to copy {source} to: {error.strerror}"
        return
    try:
        yield _copied(source, own / "recorded.ndjson")
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _copied(source: str, target: Path) -> tuple[Path | None, str]:
    try:
        lines = _tail(source)
        if not lines:
            return None, f"{source} holds no whole line within its last MiB"
        target.write_bytes(b"".join(line + b"\n" for line in lines))
    except OSError as error:
        link = " is a link, and the app could make it lead anywhere" if error.errno == errno.ELOOP else ""
        return None, f"{source}{link or f' cannot be read: {error.strerror or error}'}"
    return target, ""


def _tail(source: str) -> list[bytes]:
    """The app may write to it, cut it or put another one in its place at any moment. Raises ``OSError``."""
    # Non-blocking: a pipe or a device in its place must not stop us.
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        start = max(0, found.st_size - MOST_BYTES)
        data = _read(descriptor, start)
    finally:
        os.close(descriptor)
    if start:
        data = data.partition(b"\n")[2]  # it begins within a line
    # What follows the last line end is still being written.
    return [line for line in data.split(b"\n")[:-1] if line.strip()][-MOST_LINES:]


def _read(descriptor: int, start: int) -> bytes:
    data = b""
    while len(data) < MOST_BYTES and (more := os.pread(descriptor, MOST_BYTES - len(data), start + len(data))):
        data += more
    return data
