"""One file's bytes, wherever they lie: read at an offset, in blocks, never beyond the end."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

BLOCK = 2**20


class Blob:
    """``size`` bytes from ``start`` on behind an open descriptor, which is closed with it when ``owned``."""

    def __init__(self, descriptor: int, start: int, size: int, owned: bool = True) -> None:
        self._descriptor = descriptor
        self._start = start
        self.size = size
        self._owned = owned

    @classmethod
    def of_file(cls, path: Path) -> Blob:
        """A plain file. Raises ``OSError``, also for links and for what is no regular file."""
        # Non-blocking, so that a pipe in its place does not stop us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return cls(descriptor, 0, status.st_size)

    def read_at(self, offset: int, count: int) -> bytes:
        """Fewer bytes only at the end. Raises ``OSError``."""
        count = max(0, min(count, self.size - offset))
        return os.pread(self._descriptor, count, self._start + offset) if count else b""

    def blocks(self) -> Iterator[bytes]:
        """The whole content; it may end early when the file shrinks meanwhile."""
        offset = 0
        while part := self.read_at(offset, BLOCK):
            yield part
            offset += len(part)

    def sha256(self) -> str:
        state = hashlib.sha256()
        for part in self.blocks():
            state.update(part)
        return state.hexdigest()

    def __enter__(self) -> Blob:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        if self._owned:
            os.close(self._descriptor)
