"""How full a file system is."""

from __future__ import annotations

import os

from ..ports import NotFound, PortError
from ..vocabulary.world import Disk
from .files import read_all


def disk(path: str, proc: str) -> Disk:
    """Raises ``NotFound`` when the path does not exist, ``PortError`` when the file system does not answer.

    Blocks for as long as a network mount hangs: call it where a deadline is kept.
    """
    try:
        answer = os.statvfs(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path} does not exist: nothing to measure") from None
    except OSError as error:
        raise PortError(f"cannot measure {path}: {error.strerror}") from error
    # As ``df`` counts: blocks kept back for root are neither used nor free, so the shares agree with it.
    blocks = answer.f_blocks - answer.f_bfree + answer.f_bavail
    return Disk(
        path=path,
        total=blocks * answer.f_frsize,
        free=answer.f_bavail * answer.f_frsize,
        inodes=answer.f_files,
        inodes_free=answer.f_favail,
        read_only=bool(answer.f_flag & os.ST_RDONLY) and _file_system_is_read_only(path, proc),
    )


def _file_system_is_read_only(path: str, proc: str) -> bool:
    """Tells a file system that is read-only from one that is only mounted so for this process.

    systemd's ``ProtectSystem=`` gives a service a read-only view of sound disks; a disk that the kernel
    has switched to read-only after errors is so in its superblock's options.
    """
    try:
        lines = read_all(f"{proc}/self/mountinfo").decode("utf-8", "surrogateescape").splitlines()
        real = os.path.realpath(path)
    except OSError:
        return True
    best, read_only = "", True
    for line in lines:
        # 36 35 98:0 /root /mount/point rw,noatime … - ext4 /dev/sda1 rw,errors=remount-ro
        before, _, after = line.partition(" - ")
        fields, options = before.split(" "), after.rpartition(" ")[2]
        point = _unescaped(fields[4]) if len(fields) > 4 else ""
        # Of several mounts on one point the last is the visible one.
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, read_only = point, "ro" in options.split(",")
    return read_only


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
