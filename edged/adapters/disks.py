"""How full a file system is. One behind a network is asked by a child process, which may hang in our place."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ..ports import NotFound, PortError, Unreachable
from ..vocabulary.world import Disk
from .mounts import Mount, mount_of
from .processes import TimedOut, run

if TYPE_CHECKING:
    import subprocess

_FORMAT = "%S %b %f %a %c %d"
"""Block size, blocks in all, free, free for us; inodes in all, free."""


class Disks:
    """For several threads, as long as each path is measured by one at a time."""

    def __init__(self, proc: str, stat: str = "stat") -> None:
        self._proc, self._stat = proc, stat
        self._waiting: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
        """Children that were killed and are still there, and when they were started."""

    def measure(self, path: str, timeout: float) -> Disk:
        """Raises ``NotFound`` when the path does not exist, ``PortError`` when the file system does not answer.

        Takes at most ``timeout`` seconds and a little for what is remote. What is local is measured by this
        thread, for a child for each look would cost more than all the rest of the check.
        """
        mount = mount_of(path, self._proc)
        if mount is not None and mount.remote:
            return self._by_child(path, mount, timeout)
        try:
            answer = os.statvfs(path)
        except (FileNotFoundError, NotADirectoryError):
            raise _missing(path) from None
        except OSError as error:
            raise PortError(f"cannot measure {path}: {error.strerror}") from error
        # systemd's ``ProtectSystem=`` gives a service a read-only view of sound disks; a disk that the kernel has
        # switched to read-only after errors is so in its file system's own options.
        read_only = bool(answer.f_flag & os.ST_RDONLY) and (mount is None or mount.read_only)
        sizes = (answer.f_frsize, answer.f_blocks, answer.f_bfree, answer.f_bavail, answer.f_files, answer.f_favail)
        return _disk(path, sizes, read_only)

    def _by_child(self, path: str, mount: Mount, timeout: float) -> Disk:
        before = self._waiting.get(path)
        if before is not None:
            child, since = before
            if child.poll() is None:
                raise Unreachable(
                    f"{path} ({mount.kind}) does not answer: a question asked {time.monotonic() - since:.0f} s ago "
                    "still waits; see its server and the network"
                )
            del self._waiting[path]
        begun = time.monotonic()
        try:
            code, out, err = run([self._stat, "-f", "-c", _FORMAT, "--", path], timeout)
        except TimedOut as late:
            if late.process.poll() is None:
                # Not even a kill ends it. Another one would only wait beside it.
                self._waiting[path] = late.process, begun
            raise Unreachable(
                f"{path} ({mount.kind}) does not answer within {timeout:g}s; see its server and the network"
            ) from None
        except OSError as error:
            raise PortError(f"cannot run {self._stat} to measure {path}: {error.strerror}") from error
        if code:
            if "No such file" in err or "Not a directory" in err:
                raise _missing(path)
            raise PortError(f"cannot measure {path}: {' '.join(err.split()) or f'exit code {code}'}")
        numbers = tuple(int(word) for word in out.split() if word.isdigit())
        if len(numbers) != 6:
            raise PortError(f"cannot measure {path}: {self._stat} said {' '.join(out.split())[:100]!r}")
        return _disk(path, numbers, mount.read_only)


def _missing(path: str) -> NotFound:
    return NotFound(f"{path} does not exist: nothing to measure")


def _disk(path: str, sizes: tuple[int, ...], read_only: bool) -> Disk:
    unit, total, free, available, inodes, inodes_free = sizes
    return Disk(
        path=path,
        # As ``df`` counts: blocks kept back for root are neither used nor free, so the shares agree with it.
        total=(total - free + available) * unit,
        free=available * unit,
        inodes=inodes,
        inodes_free=inodes_free,
        read_only=read_only,
    )
